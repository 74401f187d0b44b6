"""Arrays that may be larger than memory."""

import os
from collections.abc import Callable
from io import BytesIO
from math import prod
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.files.memory import SMALL, available_memory, format_size

# A function of a shape and a type that returns an uninitialised array.
Empty = Callable[[tuple[int, ...], "np.dtype[Any]"], Array]

# Rows that `by_rows` processes at once.
ROWS = 256


def large_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an uninitialised array, in memory or in an unnamed file.

    The file is used if the array would take more than a quarter of the free memory; it disappears with the array.
    Raises FileError if the disk has no room for it.
    """
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.empty(shape, dtype)


def interleaved(empty: Empty) -> Empty:
    """Return a function that makes arrays ``(C, H, W)`` like ``empty``, with the channels of a pixel together."""

    def interleaved_empty(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> Array:
        channels, rows, columns = shape
        return np.moveaxis(empty((rows, columns, channels), dtype), -1, 0)

    return interleaved_empty


def large_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros, in memory or in an unnamed file, as `large_empty` decides; raise the same error."""
    # The bytes of a new file are zeros.
    return _on_disk(shape, dtype) if _is_large(shape, dtype) else np.zeros(shape, dtype)


def numbers_at(
    stream: BinaryIO, start: int, dtype: "np.dtype[Any]", shape: tuple[int, ...], order: Literal["C", "F"] = "C"
) -> Array:
    """Return the array that begins at a byte of an open file, read-only; a file on the disk is memory-mapped."""
    if isinstance(stream, BytesIO):
        return np.frombuffer(stream.getvalue(), dtype, prod(shape), start).reshape(shape, order=order)
    # mmap cannot map zero bytes.
    return np.memmap(stream, dtype, "r", start, shape, order) if prod(shape) else np.empty(shape, dtype)


def by_rows(function: Callable[..., Array], shape: tuple[int, ...], dtype: DTypeLike, *arrays: Array) -> Array:
    """Apply a function to arrays ``(..., H, W)``, some rows at a time, and return its results in one `large_empty`.

    shape, dtype: of the result, which has as many rows as the arrays.
    """
    result = large_empty(shape, dtype)
    for top in range(0, shape[-2], ROWS):
        rows = (..., slice(top, top + ROWS), slice(None))
        result[rows] = function(*(array[rows] for array in arrays))
    return result


def reserve(descriptor: int, size: int) -> None:
    """Allocate ``size`` bytes for a file now.

    Otherwise a disk that fills up later, while the file is written through a memory map, kills the process.
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
    # Few arrays are so large that this module is needed.
    import tempfile

    size, folder = _size(shape, dtype), "a temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(prefix="convcli-") as file:
            reserve(file.fileno(), size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise FileError(
            f"cannot keep {format_size(size)} in {folder}: {error.strerror}; set TMPDIR to a folder with enough space"
        ) from error
