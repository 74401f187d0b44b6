"""Arrays in NumPy's own file format."""

import os
import stat
from io import BytesIO
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array
from convcli.large_arrays import reserve

NPY_MAGIC = b"\x93NUMPY"


def save_npy(stream: BinaryIO, array: Array) -> None:
    """Write an array as ``.npy``, through the stream's own ``write``.

    Into a file numpy would write past the stream, and its error does not tell a full disk from a closed pipe.
    """
    np.save(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def is_mappable(stream: BinaryIO) -> bool:
    """Whether it is a regular file, opened to be read and written."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.readable()
    except OSError:
        return False


def map_npy(stream: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array that is the contents of an ``.npy``, whose numbers are yet to be written.

    stream: new, and mappable.  Raises OSError where the disk has no room for it.
    """
    descr, size = np.lib.format.dtype_to_descr(np.dtype(dtype)), prod(shape) * np.dtype(dtype).itemsize
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    stream.flush()
    start = stream.tell()
    reserve(stream.fileno(), start + size)
    return np.memmap(stream, dtype, "r+", start, shape)


def load_npy(file: Path | BytesIO) -> Array:
    """The array of real numbers in an ``.npy``, never unpickled; a path is memory-mapped.

    Raises ValueError, in one line, for a damaged file and for one that holds anything else.
    """
    try:
        array: Array = np.load(file, mmap_mode="r" if isinstance(file, Path) else None, allow_pickle=False)
    # A damaged header fails in any of the ways in which parsing Python can, and by shapes too large to allocate.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"expected a .npy as numpy.save writes it, given one that cannot be read: {reason}") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"expected a .npy of real numbers, given dtype {array.dtype}")
    return array
