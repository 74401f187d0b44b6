"""The memory that a thread computes in."""

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array

# What a thread keeps between calls, in bytes: more than this is given back.
KEPT = 16 << 20
# Every array starts at a cache line.
LINE = 64


class Scratch:
    """Arrays of one thread, cut one after the other from a buffer that stays from tile to tile and call to call.

    A page of new memory takes longer to be touched for the first time than to be convolved.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._used = 0

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array of that shape, holding anything; it is the caller's until ``clear``."""
        start, size = self._used, prod(shape) * np.dtype(dtype).itemsize
        self._used += -(-size // LINE) * LINE
        if self._used > self._buffer.size:
            return np.empty(shape, dtype)
        return self._buffer[start : start + size].view(dtype).reshape(shape)

    def clear(self) -> None:
        """Take all arrays back; the buffer then holds as much as they took."""
        if self._used > self._buffer.size:
            self._buffer = _aligned(self._used)
        self._used = 0

    def give_back(self) -> None:
        """Take all arrays back, and keep no more than KEPT."""
        self.clear()
        if self._buffer.size > KEPT:
            self._buffer = np.empty(0, np.uint8)


def _aligned(size: int) -> Array:
    buffer = np.empty(size + LINE, np.uint8)
    start = -buffer.ctypes.data % LINE
    return buffer[start : start + size]
