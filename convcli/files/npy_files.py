"""Read and write ``.npy``, NumPy's own file format."""

import os
import stat
from io import BytesIO
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array
from convcli.files.file_bytes import open_file
from convcli.files.large_arrays import numbers_at, reserve
from convcli.files.memory import require_memory
from convcli.files.thread_warnings import catch_thread_warnings

_LONGEST_REASON = 200


def save_npy(stream: BinaryIO, array: Array) -> None:
    """Write an array as ``.npy``, through the stream's own ``write``.

    Given a file, numpy would bypass the stream, and its error would not distinguish a full disk from a closed pipe.
    """
    np.save(SimpleNamespace(write=stream.write), array, allow_pickle=False)


def is_mappable(stream: BinaryIO) -> bool:
    """Return whether the stream is a regular file that is open for reading and writing."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.readable()
    except OSError:
        return False


def map_npy(stream: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Write the header of an ``.npy``, and return an uninitialised array that maps the file's contents.

    stream: a new file for which ``is_mappable`` is true.  Raises OSError if the disk has no room for the array.
    """
    descr, size = np.lib.format.dtype_to_descr(np.dtype(dtype)), prod(shape) * np.dtype(dtype).itemsize
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    stream.flush()
    start = stream.tell()
    reserve(stream.fileno(), start + size)
    return np.memmap(stream, dtype, "r+", start, shape)


def load_npy(file: Path | BytesIO) -> Array:
    """Return the array of real numbers in an ``.npy``, read-only; a file on the disk is memory-mapped.

    Nothing is unpickled. Raises ValueError, in one line, if the file is damaged or holds anything but real numbers.
    """
    with open_file(file) as stream:
        header = read_npy_header(stream)
        start, end = stream.tell(), stream.seek(0, os.SEEK_END)
        header.require_numbers(end - start)
        return numbers_at(stream, start, header.dtype, header.shape, header.order)


def read_npy(stream: IO[bytes], size: int) -> Array:
    """Return the array of real numbers in an ``.npy`` of ``size`` bytes, which the stream has to read, read-only.

    Nothing is unpickled, and no more is read than the array takes. Raises ValueError, in one line, if it is damaged or
    holds anything but real numbers; OSError if it exceeds half of the free memory.
    """
    header = read_npy_header(stream)
    header.require_numbers(size - stream.tell())
    length = prod(header.shape) * header.dtype.itemsize
    require_memory(length, "the array has")
    data = stream.read(length)
    if len(data) < length:
        raise ValueError(f"expected {length:,} bytes of numbers, given {len(data):,}")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order=header.order)


class NpyHeader(NamedTuple):
    """What the header of an ``.npy`` says of the numbers that follow it."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]

    def require_numbers(self, held: int) -> None:
        """Raise ValueError unless the type is a real number's and the file holds all bytes of the array."""
        if self.dtype.kind not in "iuf":
            raise ValueError(f"expected a .npy of real numbers, given dtype {self.dtype}")
        if min(self.shape, default=0) < 0:
            raise ValueError(f"expected a shape of lengths of at least 0, given {self.shape}")
        size = prod(self.shape) * self.dtype.itemsize
        if size > held:
            raise ValueError(f"expected {size:,} bytes of {self.dtype} for its shape {self.shape}, given {held:,}")


def read_npy_header(stream: IO[bytes]) -> NpyHeader:
    """Read the header of an ``.npy``. The stream is then at the first number. Raises ValueError if it is damaged."""
    try:
        # Python and numpy first warn about a damaged header, and then raise an error with the same reason.
        with catch_thread_warnings():
            version = np.lib.format.read_magic(stream)
            if version not in _HEADERS:
                raise ValueError(f"its version is {version[0]}.{version[1]}")
            shape, in_columns, dtype = _HEADERS[version](stream)
            return NpyHeader(tuple(map(int, shape)), "F" if in_columns else "C", dtype)
    # The header is a Python literal: parsing it can raise any error of Python's parser.
    except Exception as error:
        # Numpy quotes the whole header, of any length.
        reason = str(error).partition("\n")[0][:_LONGEST_REASON]
        raise ValueError(f"expected a .npy as numpy.save writes it, given one that cannot be read: {reason}") from None


# Version 3.0 differs from 2.0 only in how the names of fields are encoded, and arrays of numbers have no fields.
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,
}
