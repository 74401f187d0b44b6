"""Check the directories of a TIFF before any library reads them.

In a TIFF, directories and the values of their tags may overlap: a file of kilobytes can claim millions of tags, or
gigabytes of values, that are all the same bytes.
"""

from collections.abc import Iterator
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from convcli.arrays import Array
from convcli.files.file_bytes import open_file

# The limit for all directories and values together, as a multiple of the file size. It is above 1 because some writers
# let pages share a palette.
MOST = 16
# The least number of bytes that a directory counts, because libraries also walk directories without tags. A page of one
# pixel takes about a tenth of it.
LEAST = 1024

# The tag SubIFDs, and the types LONG8, SLONG8 and IFD8.
_SUB_DIRECTORIES, _OF_8_BYTES = 330, (16, 17, 18)
# The most directories within one. Cameras and microscopes write about ten.
_MOST_WITHIN = 4096

# The bytes of a value of each type, from type 0 on.
_SIZES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8, 0], float)


def require_apart(file: Path | BytesIO) -> None:
    """Raise ValueError if the tags of a TIFF claim far more bytes than the file has."""
    with open_file(file) as stream:
        size, taken = stream.seek(0, SEEK_END), 0.0
        for tags in _directories(stream):
            values = tags["count"] * _SIZES[np.minimum(tags["type"], len(_SIZES) - 1)]
            # No library reads beyond the end of the file.
            taken += max(LEAST, tags.nbytes) + float(np.minimum(values, size).sum())
            if taken > MOST * max(size, LEAST):
                raise ValueError(
                    f"its tags overlap or are empty: they claim more than {MOST} times the {size:,} bytes of the file"
                )


def _directories(stream: BinaryIO) -> Iterator[Array]:
    """Yield the tags of each directory, and of those within it; each directory once."""
    stream.seek(0)
    order: Literal["little", "big"] = "little" if stream.read(2) == b"II" else "big"

    def number(length: int) -> int:
        return int.from_bytes(stream.read(length), order)

    is_big = number(2) == 43
    place, count, value = (8, 8, "u8") if is_big else (4, 2, "u4")
    tag = np.dtype([("tag", "u2"), ("type", "u2"), ("count", value), ("value", value)])
    tag = tag.newbyteorder("<" if order == "little" else ">")
    stream.seek(8 if is_big else 4)
    ahead, seen = [number(place)], {0}
    while ahead:
        if (at := ahead.pop()) in seen:
            continue
        seen.add(at)
        stream.seek(at)
        # No library reads a directory of more tags.
        length = min(number(count), 65535) * tag.itemsize
        data = stream.read(length)
        tags = np.frombuffer(data, tag, len(data) // tag.itemsize)
        yield tags
        following = number(place)
        ahead += [*_within(stream, tags), following]


def _within(stream: BinaryIO, tags: Array) -> list[int]:
    """Return the offsets of the directories within a directory."""
    offsets: list[int] = []
    for _, kind, count, value in tags[tags["tag"] == _SUB_DIRECTORIES]:
        if count > _MOST_WITHIN:
            raise ValueError(f"it is a damaged TIFF: a page claims {count:,} pictures within it")
        type, size = tags.dtype["value"], 8 if kind in _OF_8_BYTES else 4
        if count * size <= type.itemsize:
            offsets.append(int(value))
        else:
            stream.seek(int(value))
            data = stream.read(int(count) * size)
            offsets += np.frombuffer(data, f"{type.byteorder}u{size}", len(data) // size).tolist()
    return offsets
