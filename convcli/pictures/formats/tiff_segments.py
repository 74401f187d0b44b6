"""Check the strips and tiles of a TIFF before they are decoded: what one claims to hold, no page may exceed.

Some compressions are picture formats of their own, whose decoders trust the size inside; others can expand a thousand
times.
"""

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from convcli.pictures import deep_extra
from convcli.pictures.formats.boxes import boxes
from convcli.pictures.formats.jpeg import FRAMES
from convcli.pictures.formats.jpegxl import code_header
from convcli.pictures.formats.tiff_kinds import DEFLATE, JPEG, JPEG2000, JPEG_XL, LERC, LZMA, PNG, WEBP, ZSTANDARD
from convcli.pictures.pixel_limit import refuse_beyond_limit

if TYPE_CHECKING:
    from tifffile import TiffPage


class Extent(NamedTuple):
    """The size of a page, a strip or a tile: rows, columns, and samples per pixel."""

    rows: int
    columns: int
    samples: int


def require_sizes(page: "TiffPage") -> None:
    """Raise ValueError if a strip or a tile has too many pixels, or would be decoded to more than the page says.

    Decompressors of the extra ``deep`` are told how much to expect, but that of Zstandard trusts the size inside; those
    of Python are not told.
    """
    most = _extent_of(page)
    # A tile may be larger than its page.
    require_allowed(most)
    size = most.rows * most.columns * most.samples * -(-page.bitspersample // 8)
    if size_of := _READERS.get(page.compression):
        for data in _segments(page):
            _require_within(size_of(data), most)
    elif page.compression in _DECOMPRESSORS and not deep_extra.is_installed():
        for data in _segments(page):
            _require_size(data, size, _DECOMPRESSORS[page.compression])
    elif page.compression == ZSTANDARD:
        for data in _segments(page):
            _require_expanded(_zstandard(data), size)


def require_allowed(extent: Extent) -> None:
    """Raise ValueError for more pixels than the limit, where each four samples count as a pixel."""
    refuse_beyond_limit(extent.rows * extent.columns * -(-extent.samples // 4))


def _extent_of(page: "TiffPage") -> Extent:
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        return Extent(page.tilelength, page.tilewidth, samples)
    return Extent(min(page.rowsperstrip, page.imagelength), page.imagewidth, samples)


def _segments(page: "TiffPage") -> Iterator[bytes]:
    stream = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count:
            stream.seek(offset)
            yield stream.read(count)


def _require_within(given: Extent, most: Extent) -> None:
    if any(number > limit for number, limit in zip(given, most, strict=True)):
        sizes = [f"{each.columns} x {each.rows} pixels of {each.samples} samples" for each in (given, most)]
        raise ValueError(f"a tile or strip holds {sizes[0]}, expected at most {sizes[1]}")


# More than the rows that some writers add to the last strip.
_SLACK = 4


def _require_size(data: bytes, size: int, decompress: Callable[[bytes, int], bytes]) -> None:
    # No data of this size can expand to more.
    if len(data) * _MOST_RATIO > size:
        _require_expanded(len(decompress(data, _SLACK * size + 1)), size)


def _require_expanded(given: int, size: int) -> None:
    if given > _SLACK * size:
        raise ValueError(f"a tile or strip expands to more than {_SLACK} times its {size:,} bytes")


# Of LZMA; Deflate reaches 1,032.
_MOST_RATIO = 8192

_DECOMPRESSORS: dict[int, Callable[[bytes, int], bytes]] = {
    **dict.fromkeys(DEFLATE, lambda data, most: zlib.decompressobj().decompress(data, most)),
    LZMA: lambda data, most: lzma.LZMADecompressor().decompress(data, most),
}


def _zstandard(data: bytes) -> int:
    """Return the size in the header of a frame (RFC 8878, 3.1.1.1), or 0 if it has none."""
    descriptor = data[4]
    is_single = descriptor >> 5 & 1
    length = (is_single, 2, 4, 8)[descriptor >> 6]
    start = 6 - is_single + (0, 1, 2, 4)[descriptor & 3]
    return int.from_bytes(data[start : start + length], "little") + 256 * (length == 2)


def _png(data: bytes) -> Extent:
    columns, rows, _, colours = struct.unpack_from(">IIBB", data, 16)
    return Extent(rows, columns, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours])


def _webp(data: bytes) -> Extent:
    kind = data[12:16]
    if kind == b"VP8X":
        columns, rows = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        columns, rows = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    else:
        columns, rows = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return Extent(rows, columns, 1)


def _lerc(data: bytes) -> Extent:
    magic, version = struct.unpack_from("<6si", data)
    if magic != b"Lerc2 " or data.count(b"Lerc2 ") != 1:
        raise ValueError("LERC of an old or unusual kind")
    at = 14 if version >= 3 else 10
    rows, columns, *depth = struct.unpack_from("<iii" if version >= 4 else "<ii", data, at)
    return Extent(rows, columns, *(depth or [1]))


def _jpeg2000(data: bytes) -> Extent:
    code = data if data.startswith(b"\xff\x4f") else _box(data, b"jp2c")
    right, bottom, left, top = struct.unpack_from(">4I", code, 8)
    (samples,) = struct.unpack_from(">H", code, 40)
    return Extent(bottom - top, right - left, samples)


def _box(data: bytes, name: bytes) -> bytes:
    """Return the content of the first box with this name."""
    stream = BytesIO(data)
    for kind, length in boxes(stream):
        if kind == name:
            return stream.read(length)
    raise ValueError(f"a tile or strip has no box {name.decode()}")


def _jpeg(data: bytes) -> Extent:
    at = 2
    while data[at + 1] not in FRAMES:
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    rows, columns, samples = struct.unpack_from(">HHB", data, at + 5)
    return Extent(rows, columns, samples)


def _jpeg_xl(data: bytes) -> Extent:
    header = code_header(BytesIO(data))
    if header.obstacle:
        raise ValueError(f"JPEG XL of {header.obstacle}")
    return Extent(header.height, header.width, 1)


_READERS: dict[int, Callable[[bytes], Extent]] = {
    JPEG: _jpeg,
    LERC: _lerc,
    PNG: _png,
    WEBP: _webp,
    **dict.fromkeys(JPEG2000, _jpeg2000),
    **dict.fromkeys(JPEG_XL, _jpeg_xl),
}
