"""Arrays that may be larger than memory."""

import os
import tempfile
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.files.memory import available_memory, size_in_words

# Gives an array of a shape and type, whose numbers are yet to be written.
Empty = Callable[[tuple[int, ...], "np.dtype[Any]"], Array]

# Not worth asking how much memory is free.
SMALL = 16 << 20
# Rows that are worked on at a time.
ROWS = 256


def large_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an uninitialised array, in memory or in an unnamed file.

    The file is used if the array would take more than a quarter of the free memory; it disappears with the array.
    Raises FileError if the disk has no room for it.
    """
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.empty(shape, dtype)


def large_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """The same, of zeros."""
    # What a file holds that nobody has written is zeros.
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.zeros(shape, dtype)


def by_rows(function: Callable[..., Array], shape: tuple[int, ...], dtype: DTypeLike, *arrays: Array) -> Array:
    """What the function makes of arrays ``(..., H, W)``, some rows at a time, in a ``large_empty`` of that shape."""
    made = large_empty(shape, dtype)
    for top in range(0, shape[-2], ROWS):
        part = (..., slice(top, top + ROWS), slice(None))
        made[part] = function(*(array[part] for array in arrays))
    return made


def reserve(descriptor: int, size: int) -> None:
    """Give a file so many bytes now: a disk that fills up later would kill the process that writes through a map."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def _size(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    return prod(shape) * np.dtype(dtype).itemsize


def _is_large(shape: tuple[int, ...], dtype: DTypeLike) -> bool:
    size = _size(shape, dtype)
    return size > SMALL and size > available_memory().bytes // 4


def _on_disk(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    size = _size(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="convcli-") as file:
            reserve(file.fileno(), size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        folder = tempfile.gettempdir()
        raise FileError(
            f"cannot keep {size_in_words(size)} in {folder}: {error.strerror}; set TMPDIR to a folder with room"
        ) from error
