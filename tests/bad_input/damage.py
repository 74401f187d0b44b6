"""Damage files at random: cut, flip, splice, fill, and change fields."""

import random
import struct
from collections.abc import Callable

# Values that overwrite the field of a header: zero, one, negative numbers, and the largest.
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Damage = Callable[[bytes, bytes, random.Random], bytes]


def damaged(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return the file, damaged in one to three ways; the last may cut off its end."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        data = draw.choice(_WAYS)(data, other, draw)
    return data


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
