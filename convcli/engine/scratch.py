"""The memory in which a thread computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array

# The most bytes that a thread keeps between calls.
KEPT = 16 << 20
# Every array starts at a multiple of this many bytes, a cache line.
LINE = 64


class Scratch:
    """The temporary arrays of one thread: parts of one buffer, which is reused for the next tile and the next call.

    Reuse is worth it because touching a page of new memory for the first time takes longer than convolving it.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self._used = 0

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return an uninitialised array, which the caller may use until ``clear``."""
        start, size = self._used, prod(shape) * np.dtype(dtype).itemsize
        self._used += -(-size // LINE) * LINE
        if self._used > self._buffer.size:
            return np.empty(shape, dtype)
        return self._buffer[start : start + size].view(dtype).reshape(shape)

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Free the arrays that are taken within this context, so that computing twice takes no more memory."""
        used = self._used
        try:
            yield
        finally:
            self._used = used

    def clear(self) -> None:
        """Make the memory of all arrays free for new ones, and enlarge the buffer if they did not fit."""
        if self._used > self._buffer.size:
            self._buffer = _aligned(self._used)
        self._used = 0

    def give_back(self) -> None:
        """Make the memory of all arrays free for new ones, and release the buffer if it is larger than KEPT."""
        self.clear()
        if self._buffer.size > KEPT:
            self._buffer = np.empty(0, np.uint8)


def _aligned(size: int) -> Array:
    buffer = np.empty(size + LINE, np.uint8)
    start = -buffer.ctypes.data % LINE
    return buffer[start : start + size]
