"""TIFF files by no library: any tags, of any type, around any bytes."""

import struct
from collections.abc import Mapping, Sequence

BYTE, ASCII, SHORT, LONG, RATIONAL, FLOAT = 1, 2, 3, 4, 5, 11
_CODES = {BYTE: "B", ASCII: "s", SHORT: "H", LONG: "I", RATIONAL: "II", FLOAT: "f"}

# The values of a tag: its type, and its numbers or bytes.
Tag = tuple[int, Sequence[float] | bytes]


def page_tags(width: int, height: int, samples: int = 1, bits: int = 8, **more: Tag) -> dict[int, Tag]:
    """Return the tags of an uncompressed page of one strip, gray or RGB; ``t259=(SHORT, [5])`` sets tag 259."""
    tags: dict[int, Tag] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * samples),
        259: (SHORT, [1]),
        262: (SHORT, [2 if samples == 3 else 1]),
        277: (SHORT, [samples]),
        278: (LONG, [height]),
    }
    return tags | {int(name[1:]): tag for name, tag in more.items()}


def tiff_file(*pages: tuple[Mapping[int, Tag], bytes], tiled: bool = False) -> bytes:
    """Return a little-endian file of pages, each of tags and the bytes of its only strip or tile."""
    file = b"II*\0" + struct.pack("<I", 8)
    for number, (tags, data) in enumerate(pages):
        file += _page(tags, data, len(file), tiled=tiled, last=number == len(pages) - 1)
    return file


def _page(tags: Mapping[int, Tag], data: bytes, start: int, *, tiled: bool, last: bool) -> bytes:
    offsets, counts = (324, 325) if tiled else (273, 279)
    tags = dict(tags) | {offsets: (LONG, [0]), counts: (LONG, [len(data)])}
    at = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        packed = _packed(kind, numbers)
        count = len(packed) // struct.calcsize("<" + _CODES[kind])
        if tag == offsets:
            entries += b"offsets here"
        elif len(packed) <= 4:
            entries += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<HHII", tag, kind, count, at + len(values))
            values += packed + b"\0" * (len(packed) % 2)
    entries = entries.replace(b"offsets here", struct.pack("<HHII", offsets, LONG, 1, at + len(values)))
    end = at + len(values) + len(data)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0 if last else end) + values + data


def _packed(kind: int, numbers: Sequence[float] | bytes) -> bytes:
    return numbers if isinstance(numbers, bytes) else struct.pack(f"<{len(numbers)}{_CODES[kind][0]}", *numbers)
