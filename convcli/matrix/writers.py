"""Write the matrix of a convolution to files: scipy's .npz, MatrixMarket, JSON, and a picture of its pattern.

The numbers in text read back exactly.
"""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from convcli.arrays import Array, IntArray, cut, numerals
from convcli.files.file_bytes import write_text
from convcli.files.json_writing import NUMBERS_AT_ONCE, require_finite, write_json
from convcli.matrix.assembly import ConvolutionMatrix
from convcli.matrix.picture import matrix_png


def write_npz(M: ConvolutionMatrix, stream: BinaryIO) -> None:
    """Write a file for ``scipy.sparse.load_npz``, with an additional array ``offset`` unless all of it is 0."""
    arrays: dict[str, Any] = {"indices": M.indices, "indptr": M.indptr, "data": M.data}
    if M.offset.any():
        arrays["offset"] = M.offset
    np.savez_compressed(stream, format=b"csr", shape=M.shape, **arrays)


def matrix_to_json(M: ConvolutionMatrix) -> dict[str, Any]:
    """Return the members of a JSON document: shapes, and the row, column and value of each entry, counted from 0.

    ``offset`` is missing if all of it is 0. Raises OptionError if M is not finite.
    """
    for numbers in (M.data, M.offset):
        require_finite("the matrix", numbers, "use `format` npz")
    return {
        "shape": {"matrix": M.shape, "input": M.input_shape, "kernel": M.kernel_shape, "output": M.output_shape},
        "edge": M.edge,
        **M.layouts.to_json(),
        "nonzeros": len(M.data),
        "rows": (_rows(M, chunk) for chunk in _chunks(M.data)),
        "columns": M.indices,
        "values": M.data,
        **({"offset": M.offset} if M.offset.any() else {}),
    }


def write_mtx(M: ConvolutionMatrix, stream: BinaryIO) -> None:
    """Write MatrixMarket's coordinate format, which counts from 1. Comments hold the shapes and the nonzero offsets."""
    write_text(stream, _mtx_pieces(M))


def _mtx_pieces(M: ConvolutionMatrix) -> Iterator[str]:
    yield "%%MatrixMarket matrix coordinate real general\n"
    yield f"% vec(Z) = M vec(V){' + offset' * bool(M.offset.any())}, in row-major order\n"
    yield f"% V {M.input_shape}  K {M.kernel_shape}  Z {M.output_shape}\n"
    yield from _mtx_offset(M)
    yield f"{M.shape[0]} {M.shape[1]} {len(M.data)}\n"
    for chunk in _chunks(M.data):
        rows, columns = _rows(M, chunk) + 1, M.indices[chunk].astype(np.intp) + 1
        triplets = zip(rows.tolist(), columns.tolist(), numerals(M.data[chunk]), strict=True)
        yield "".join(f"{row} {column} {value}\n" for row, column, value in triplets)


def _mtx_offset(M: ConvolutionMatrix) -> Iterator[str]:
    rows = np.flatnonzero(M.offset)
    if len(rows):
        yield "% offset is 0 except in these rows:\n"
    for chunk in _chunks(rows):
        pairs = zip((rows[chunk] + 1).tolist(), numerals(M.offset[rows[chunk]]), strict=True)
        yield "".join(f"% {row} {value}\n" for row, value in pairs)


def write_png(M: ConvolutionMatrix, stream: BinaryIO) -> None:
    """Write a PNG of the pattern."""
    stream.write(matrix_png(M))


def _chunks(numbers: Array) -> Iterator[slice]:
    return (slice(part.start, part.stop) for part in cut(range(len(numbers)), NUMBERS_AT_ONCE))


def _rows(M: ConvolutionMatrix, entries: slice) -> IntArray:
    """Return the row of each of these entries."""
    numbers = np.arange(entries.start, entries.stop, dtype=M.indptr.dtype)
    return np.searchsorted(M.indptr, numbers, side="right") - 1


WRITERS: dict[str, Callable[[ConvolutionMatrix, BinaryIO], None]] = {
    "json": lambda M, stream: write_json(stream, matrix_to_json(M)),
    "npz": write_npz,
    "mtx": write_mtx,
    "png": write_png,
}
FORMATS = ("text", *WRITERS)
