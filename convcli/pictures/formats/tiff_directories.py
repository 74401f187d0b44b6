"""Find the pictures of a TIFF, and check its directories before any library reads them.

In a TIFF, directories and the values of their tags may overlap: a file of kilobytes can claim millions of tags, or
gigabytes of values, that are all the same bytes. And it may have so many pages that they must not be read before they
are needed.
"""

from collections.abc import Iterator, Mapping
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.files.file_bytes import open_file

# The limit for all directories and values together, as a multiple of the file size. It is above 1 because some writers
# let pages share a palette.
MOST = 16
# The least number of bytes that a directory counts, because libraries also walk directories without tags. A page of one
# pixel takes about a tenth of it.
LEAST = 1024

# NewSubfileType, whose bits say that a picture is a reduced copy of another one, or a mask; and what preceded this tag.
_KIND, _OLD_KIND = 254, 255
_REDUCED, _MASK = 1, 4
_OLD_REDUCED, _SHORT = 2, 3

# The tag SubIFDs, and the types LONG8, SLONG8 and IFD8.
_SUB_DIRECTORIES, _OF_8_BYTES = 330, (16, 17, 18)
# The most directories within one. Cameras and microscopes write about ten.
_MOST_WITHIN = 4096

# The bytes of a value of each type, from type 0 on.
_SIZES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8, 0], float)


class Directory(NamedTuple):
    """A directory of tags, which describes a picture.

    offset: where it lies.  number: its number in the chain of pages, or None if it is within another directory.
    kind: the bits of NewSubfileType.  within: the offsets of the directories within it.
    """

    offset: int
    number: int | None
    kind: int
    within: tuple[int, ...]

    @property
    def is_full(self) -> bool:
        """Return whether the picture is neither a reduced copy nor a mask."""
        return not self.kind & (_REDUCED | _MASK)

    @property
    def is_mask(self) -> bool:
        """Return whether the picture is a mask."""
        return bool(self.kind & _MASK)


class Pictures(NamedTuple):
    """The pictures of a TIFF that are read: those at full size.

    pages: the number of pages, with those that are not read.  losses: sentences about what is not read.
    """

    chosen: list[Directory]
    pages: int
    losses: tuple[str, ...]


def pictures_of(file: Path | BytesIO) -> Pictures:
    """Return the pictures of a TIFF at full size: pages, and what lies within a page that is a reduced copy of it.

    Raises ValueError if its tags claim far more bytes than the file has, or if it has no pages.
    """
    with open_file(file) as stream:
        found = _directories(stream)
    pages = [each for each in found.values() if each.number is not None]
    if not pages:
        raise ValueError("it is a TIFF without pages")
    chosen = [full for page in pages for full in _full_sizes(page, found)]
    if not chosen:
        return Pictures(pages, len(pages), ("the file says that it holds only copies of reduced size, or masks",))
    masked = any(page.is_mask for page in pages)
    return Pictures(chosen, len(pages), ("the transparency mask is dropped",) if masked else ())


def _full_sizes(page: Directory, found: Mapping[int, Directory]) -> list[Directory]:
    if page.is_full:
        return [page]
    return [found[offset] for offset in page.within if offset in found and found[offset].is_full]


def _directories(stream: BinaryIO) -> dict[int, Directory]:
    """Return the directories by their offsets: the chain of pages in its order, then those within a page.

    Raises ValueError if their tags claim far more bytes than the file has.
    """
    size, taken = stream.seek(0, SEEK_END), 0.0
    found: dict[int, Directory] = {}
    for offset, number, tags in _walk(stream, found):
        values = tags["count"] * _SIZES[np.minimum(tags["type"], len(_SIZES) - 1)]
        # No library reads beyond the end of the file.
        taken += max(LEAST, tags.nbytes) + float(np.minimum(values, size).sum())
        if taken > MOST * max(size, LEAST):
            raise ValueError(
                f"its tags overlap or are empty: they claim more than {MOST} times the {size:,} bytes of the file"
            )
        found[offset] = Directory(offset, number, _kind(tags), tuple(_within(stream, tags)))
    return found


def _walk(stream: BinaryIO, found: Mapping[int, Directory]) -> Iterator[tuple[int, int | None, Array]]:
    """Yield the offset, the number and the tags of each directory once; the caller adds each to ``found``.

    The chain of pages ends where it returns to an earlier page.
    """
    stream.seek(0)
    order: Literal["little", "big"] = "little" if stream.read(2) == b"II" else "big"

    def integer(length: int) -> int:
        return int.from_bytes(stream.read(length), order)

    is_big = integer(2) == 43
    place, count, value = (8, 8, "u8") if is_big else (4, 2, "u4")
    tag = np.dtype([("tag", "u2"), ("type", "u2"), ("count", value), ("value", value)])
    tag = tag.newbyteorder("<" if order == "little" else ">")

    def tags_at(offset: int) -> tuple[Array, int]:
        """Return the tags of a directory, and the offset of the next one."""
        stream.seek(offset)
        # No library reads a directory of more tags.
        length = min(integer(count), 65535) * tag.itemsize
        data = stream.read(length)
        return np.frombuffer(data, tag, len(data) // tag.itemsize), integer(place)

    stream.seek(8 if is_big else 4)
    number, ahead = 0, integer(place)
    while ahead and ahead not in found:
        offset = ahead
        tags, ahead = tags_at(offset)
        yield offset, number, tags
        number += 1
    within = [offset for page in found.values() for offset in page.within]
    while within:
        offset = within.pop()
        if offset and offset not in found:
            yield offset, None, tags_at(offset)[0]
            within += found[offset].within


def _kind(tags: Array) -> int:
    kind, old = (_number(tags, tag) for tag in (_KIND, _OLD_KIND))
    return kind or (_REDUCED if old == _OLD_REDUCED else 0)


def _number(tags: Array, tag: int) -> int:
    """Return the number that is the only value of a tag, or 0."""
    for _, kind, count, value in tags[tags["tag"] == tag]:
        if count == 1:
            # A big-endian short number takes the upper half of its field.
            field = tags.dtype["value"]
            short = kind == _SHORT and field.newbyteorder("=") != field
            return int(value) >> 8 * (field.itemsize - 2) if short else int(value)
    return 0


def _within(stream: BinaryIO, tags: Array) -> Iterator[int]:
    """Yield the offsets of the directories within a directory."""
    for _, kind, count, value in tags[tags["tag"] == _SUB_DIRECTORIES]:
        if count > _MOST_WITHIN:
            raise ValueError(f"it is a damaged TIFF: a page claims {count:,} pictures within it")
        field, size = tags.dtype["value"], 8 if kind in _OF_8_BYTES else 4
        if count * size <= field.itemsize:
            yield int(value)
        else:
            stream.seek(int(value))
            data = stream.read(int(count) * size)
            yield from np.frombuffer(data, f"{field.byteorder}u{size}", len(data) // size).tolist()
