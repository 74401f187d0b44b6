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
from convcli.files.memory import available_memory, format_size

# Returns an uninitialised array of a shape and type.
Empty = Callable[[tuple[int, ...], "np.dtype[Any]"], Array]

# Bytes below which the free memory is not looked up.
SMALL = 16 << 20
# Rows that `by_rows` processes at once.
ROWS = 256


def large_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an uninitialised array, in memory or in an unnamed file.

    The file is used if the array would take more than a quarter of the free memory; it disappears with the array.
    Raises FileError if the disk has no room for it.
    """
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.empty(shape, dtype)


def large_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros, in memory or in an unnamed file; where it is, and errors, are as in `large_empty`."""
    # The bytes of a new file are zeros.
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.zeros(shape, dtype)


def by_rows(function: Callable[..., Array], shape: tuple[int, ...], dtype: DTypeLike, *arrays: Array) -> Array:
    """Apply a function to arrays ``(..., H, W)``, some rows at a time, and return its results as one `large_empty`.

    shape, dtype: those of the result, whose rows are those of the arrays.
    """
    made = large_empty(shape, dtype)
    for top in range(0, shape[-2], ROWS):
        part = (..., slice(top, top + ROWS), slice(None))
        made[part] = function(*(array[part] for array in arrays))
    return made


def reserve(descriptor: int, size: int) -> None:
    """Allocate ``size`` bytes for a file now.

    If the disk filled up later, while a program writes through a memory map, the program would be killed.
    """
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
            f"cannot keep {format_size(size)} in {folder}: {error.strerror}; set TMPDIR to a folder with room"
        ) from error
