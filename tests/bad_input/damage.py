"""Damage files at random: cut, flip, splice, fill, and change fields."""

import random
import re
import struct
import zlib
from collections.abc import Callable

# Values that overwrite the field of a header: zero, one, negative numbers, and the largest.
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Damage = Callable[[bytes, bytes, random.Random], bytes]


def damaged(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return the file, damaged in one to three ways; the last may cut off its end. Most get right checksums again."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        data = draw.choice(_WAYS)(data, other, draw)
    return data if draw.random() < 0.25 else mended(data)


def mended(data: bytes) -> bytes:
    """Return the file with checksums that hold again: otherwise most damage of a PNG would get no further than to them.

    Those of zlib's streams, in any format, and of the chunks of PNG are mended. Of the formats that are read, only
    TIFF of LZMA has others.
    """
    return _mend_chunks(_mend_streams(data))


def _mend_streams(data: bytes) -> bytes:
    mended = bytearray(data)
    for begin in _STREAM.finditer(data):
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = stream.decompress(data[begin.end() :], _LONGEST)
        except zlib.error:
            continue
        end = len(data) - len(stream.unused_data)
        if stream.eof and end + 4 <= len(data):
            mended[end : end + 4] = struct.pack(">I", zlib.adler32(content))
    return bytes(mended)


# The first two bytes of a stream of zlib, for the usual window and each level.
_STREAM = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_LONGEST = 1 << 20


def _mend_chunks(data: bytes) -> bytes:
    mended, start = bytearray(data), len(_PNG)
    while data.startswith(_PNG) and start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4])
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(mended[start + 4 : end]))[: len(data[end : end + 4])]
        start = end + 4
    return bytes(mended)


_PNG = b"\x89PNG\r\n\x1a\n"


def _cut(data: bytes, other: bytes, draw: random.Random) -> bytes:
    return data[: draw.randint(0, len(data))]


def _flip(data: bytes, other: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8)) if data else 0):
        flipped[_place(data, draw)] ^= 1 << draw.randrange(8)
    return bytes(flipped)


def _insert(data: bytes, other: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + draw.randbytes(draw.choice((1, 2, 4, 100))) + data[at:]


def _leave_out(data: bytes, other: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + data[at + draw.choice((1, 2, 4, 100)) :]


def _splice(data: bytes, other: bytes, draw: random.Random) -> bytes:
    return data[: _place(data, draw)] + other[_place(other, draw) :]


def _fill(data: bytes, other: bytes, draw: random.Random) -> bytes:
    at, count = _place(data, draw), draw.choice((1, 4, 16, 1000))
    return data[:at] + bytes([draw.choice((0, 255))]) * min(count, len(data) - at) + data[at + count :]


def _lie(data: bytes, other: bytes, draw: random.Random) -> bytes:
    at, code = _place(data, draw), draw.choice(("B", "<H", ">H", "<I", ">I"))
    number = struct.pack(code, draw.choice(EXTREMES) & (1 << 8 * struct.calcsize(code)) - 1)
    return data[:at] + number + data[at + len(number) :]


_WAYS: tuple[Damage, ...] = (_cut, _flip, _insert, _leave_out, _splice, _fill, _lie, _lie)


def _place(data: bytes, draw: random.Random) -> int:
    """Return a place: half of the time among the first bytes, which belong to the header."""
    end = max(1, len(data))
    return draw.randrange(min(end, 200) if draw.random() < 0.5 else end)
