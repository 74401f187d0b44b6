"""A convolution as a sparse matrix: vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G).

vec lays an array out in row-major order. With R[j,m] the pixel that padded row j*sy + m*dy holds, and C[k,n] the one
that padded column k*sx + n*dx holds, the entry of M for output (i,j,k) and input (l,a,c) is

    M[(i,j,k), (l,a,c)] = sum over m with R[j,m] = a, over n with C[k,n] = c, of K[i,l,m,n]

The two conditions are independent: taps that read one row are added up first, and then those that read one column.
Where R or C is a constant and no pixel, the weight goes into offset, times the constant; so does the bias.
"""

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.prepared import Convolution, Prepared
from convcli.errors import GeometryError
from convcli.files.memory import available_memory, format_size
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import OUTSIDE, EdgeFill
from convcli.geometry.options import Numbers, parse_shape
from convcli.kernels.kernel import Kernel

# Weights that are laid out at once; more than a window only where a window is larger.
ENTRIES_AT_ONCE = 1 << 18
# What is held for each of them: itself, its column, whether it is kept, and copies of those on the way.
BYTES_AT_ONCE = 48
# What is held for each output and tap of an axis: the pixels read, in order, and the slots of the taps.
BYTES_OF_A_READ = 48
BYTES_OF_A_FLOAT = 8


class ConvolutionMatrix(NamedTuple):
    """M in compressed sparse rows: ``vec(Z) = M vec(V) + offset`` and ``vec(dV) = M^T vec(G)``.

    shape: numbers in Z, numbers in V.
    indptr: ``(rows + 1,)``; the entries of row r are ``data[indptr[r]:indptr[r+1]]``.
    indices: ``(nonzeros,)``, the column of each entry, ascending in a row; int32 like indptr, or int64 where needed.
    data: ``(nonzeros,)`` float64, none of them 0.
    offset: ``(rows,)`` float64, vec(Z) for V = 0: the bias, and what a constant edge fill adds.
    input_shape, kernel_shape, output_shape: of V, K and Z, which vec lays out in row-major order.
    """

    shape: tuple[int, int]
    indptr: NDArray[np.signedinteger[Any]]
    indices: NDArray[np.signedinteger[Any]]
    data: NDArray[np.float64]
    offset: NDArray[np.float64]
    input_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def largest(self) -> float:
        """The largest magnitude in data; 0 where M has no entries."""
        return max(float(self.data.max(initial=0)), -float(self.data.min(initial=0)))


def conv2d_matrix(
    K: ArrayLike | Kernel,
    input_shape: Numbers,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> ConvolutionMatrix:
    """Return the matrix M of a convolution with K: ``vec(Z) = M vec(V) + offset``, and so ``vec(dV) = M^T vec(G)``.

    Parameters
    ----------
    K, bias, stride, padding, dilation, groups, edge, flip
        As in ``conv2d``.
    input_shape
        V's: ``(..., C_in, H, W)``; ``(H, W)`` is enough for a 2-D kernel. Along leading axes, and for a 2-D kernel
        along channels, M is block diagonal.

    Returns
    -------
    ConvolutionMatrix
        M in compressed sparse rows. scipy takes it as ``csr_array((M.data, M.indices, M.indptr), M.shape)``.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or M does not fit into memory.

    Examples
    --------
    >>> conv2d_matrix([[1, 2]], (1, 3)).data
    array([1., 2., 1., 2.])
    """
    convolution = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    )
    return assemble(convolution.at(parse_shape(input_shape), np.float64))


@np.errstate(over="ignore", invalid="ignore")
def assemble(prepared: Prepared) -> ConvolutionMatrix:
    """Return the matrix of a convolution that was prepared in float64."""
    geometry = prepared.geometry
    b = np.zeros(()) if prepared.bias is None else prepared.bias
    weights = _with_tiling(prepared.weights, geometry)
    most = _most_nonzeros(weights, geometry)
    _refuse_beyond_memory(geometry, most)
    indices, data = np.empty(most, _index_type(geometry, most)), np.empty(most)
    counts, constants = _fill_image(weights.astype(np.float64, copy=False), geometry, indices, data)
    nonzeros = _repeat_image(int(counts.sum()), geometry, indices, data)
    return ConvolutionMatrix(
        shape=_shape(geometry),
        indptr=_row_pointers(np.tile(counts, geometry.images), indices.dtype),
        indices=indices[:nonzeros],
        data=data[:nonzeros],
        offset=_offset(constants, b, geometry),
        input_shape=prepared.input_shape,
        kernel_shape=prepared.convolution.weights.shape,
        output_shape=geometry.output_shape,
    )


def _with_tiling(K: Array, geometry: Geometry) -> Array:
    """K as (groups, C_out, tr, tc, C_in, kh, kw), with a tiling of (1, 1) where weights are shared."""
    return K.reshape(geometry.groups, geometry.out_channels, *geometry.tiling, *geometry.kernel_blocks[-3:])


def _shape(geometry: Geometry) -> tuple[int, int]:
    return prod(geometry.output_blocks), prod(geometry.input_blocks)


def _most_nonzeros(K: Array, geometry: Geometry) -> int:
    """At least as many as M has: exact unless several taps read one pixel."""
    y, x = geometry.rows, geometry.columns
    present = np.count_nonzero(K, axis=(0, 1, 4)).astype(float)
    rows, columns = (_reads(axis, geometry.edge, period) for axis, period in zip((y, x), geometry.tiling, strict=True))
    by_taps = geometry.images * int(np.einsum("pqmn,pm,qn->", present, rows, columns))
    window = geometry.in_channels * min(y.taps, y.size) * min(x.taps, x.size)
    return min(by_taps, prod(geometry.output_blocks) * window)


def _reads(axis: Axis, edge: EdgeFill, period: int) -> FloatArray:
    """How many outputs of each phase of the tiling read a pixel under each tap: (period, taps)."""
    first_pixels = axis.dilation * np.arange(axis.taps) - axis.before
    start, stop = np.zeros(axis.taps, int), np.full(axis.taps, axis.output)
    if not edge.copies:
        start = np.clip(-(first_pixels // axis.stride), 0, axis.output)
        stop = np.clip(-((first_pixels - axis.size) // axis.stride), start, axis.output)
    phase = np.arange(period)[:, np.newaxis]
    counts: IntArray = (phase - start) // period - (phase - stop) // period
    return counts.astype(float)


def _refuse_beyond_memory(geometry: Geometry, most: int) -> None:
    (rows, columns), available = _shape(geometry), available_memory()
    needed = _bytes_needed(geometry, most)
    if needed > available.bytes:
        raise GeometryError(
            f"the matrix would be {rows:,} x {columns:,} with up to {most:,} nonzeros, which take "
            f"{format_size(needed)}: there are {format_size(available.bytes)} ({available.bound}); "
            "use a smaller `input_shape`"
        )


def _bytes_needed(geometry: Geometry, most: int) -> int:
    """For M itself, and for what is held while it is made."""
    entry = BYTES_OF_A_FLOAT + _index_type(geometry, most).itemsize
    # Of a row its pointer, its offset, and twice its count.
    row = 4 * BYTES_OF_A_FLOAT
    maps = sum(BYTES_OF_A_FLOAT * axis.padded + BYTES_OF_A_READ * axis.output * axis.taps for axis in _axes(geometry))
    laid_out = max(ENTRIES_AT_ONCE, prod(geometry.kernel_blocks[-3:]))
    return most * entry + prod(geometry.output_blocks) * row + maps + laid_out * BYTES_AT_ONCE


def _axes(geometry: Geometry) -> tuple[Axis, Axis]:
    return geometry.rows, geometry.columns


def _index_type(geometry: Geometry, most: int) -> np.dtype[np.signedinteger[Any]]:
    """scipy's choice: one type for columns and pointers."""
    _, columns = _shape(geometry)
    return np.dtype(np.int32 if max(columns, most) <= np.iinfo(np.int32).max else np.int64)


def _fill_image(K: FloatArray, geometry: Geometry, indices: Array, data: FloatArray) -> tuple[IntArray, FloatArray]:
    """Fill in the entries of the first image; of its rows, how many each has, and its weights on constants, added."""
    rows, columns = (_slots(axis, geometry.edge) for axis in _axes(geometry))
    counts, constants = np.empty(geometry.output_blocks[1:], np.intp), np.empty(geometry.output_blocks[1:])
    filled = 0
    for group, channel in np.ndindex(K.shape[:2]):
        first_column = group * prod(geometry.input_blocks[2:])
        for positions in _chunks(geometry):
            window = _windows(K[group, channel], rows, columns, geometry, positions)
            stop = filled + int(np.count_nonzero(window.kept))
            indices[filled:stop] = window.columns[window.kept] + first_column
            data[filled:stop] = window.weights[window.kept]
            counts[group, channel].reshape(-1)[positions] = np.count_nonzero(window.kept, axis=(1, 2, 3))
            constants[group, channel].reshape(-1)[positions] = window.on_constants
            filled = stop
    return counts.reshape(-1), constants


class _Slots(NamedTuple):
    """The distinct pixels that each output of an axis reads, ascending, and OUTSIDE where there are fewer than taps.

    source: (outputs, taps), the pixel in each slot.  slot: (outputs, taps), the one that each tap is added to.
    moves: (outputs,), whether some tap has another slot than its own number.
    """

    source: IntArray
    slot: IntArray
    moves: NDArray[np.bool_]


def _slots(axis: Axis, edge: EdgeFill) -> _Slots:
    padded = axis.stride * np.arange(axis.output)[:, np.newaxis] + axis.dilation * np.arange(axis.taps)
    reads = axis.sources(range(axis.padded), edge)[padded]
    order = np.argsort(reads, axis=1, kind="stable")
    ascending = np.take_along_axis(reads, order, axis=1)
    slots = np.cumsum(np.diff(ascending, axis=1, prepend=ascending[:, :1]) != 0, axis=1)
    source, slot = np.full_like(reads, OUTSIDE), np.empty_like(reads)
    np.put_along_axis(source, slots, ascending, axis=1)
    np.put_along_axis(slot, order, slots, axis=1)
    return _Slots(source, slot, (slot != np.arange(axis.taps)).any(axis=1))


def _chunks(geometry: Geometry) -> Iterator[slice]:
    """The outputs of a channel, row by row, so many at once as fit."""
    outputs = geometry.rows.output * geometry.columns.output
    step = max(1, ENTRIES_AT_ONCE // prod(geometry.kernel_blocks[-3:]))
    return (slice(start, min(start + step, outputs)) for start in range(0, outputs, step))


class _Windows(NamedTuple):
    """The windows of some outputs, (outputs, C_in, kh, kw).

    Each slot has its weight, its column in M, and whether it is an entry of M. Each output has the sum of the weights
    that no pixel has.
    """

    weights: FloatArray
    columns: IntArray
    kept: NDArray[np.bool_]
    on_constants: FloatArray


def _windows(K: FloatArray, rows: _Slots, columns: _Slots, geometry: Geometry, positions: slice) -> _Windows:
    """K: (tr, tc, C_in, kh, kw)."""
    j, k = np.divmod(np.arange(positions.start, positions.stop), geometry.columns.output)
    weights = K[j % K.shape[0], k % K.shape[1]]
    _add_up(weights, rows, j)
    _add_up(weights.swapaxes(2, 3), columns, k)
    row, column = rows.source[j][:, np.newaxis, :, np.newaxis], columns.source[k][:, np.newaxis, np.newaxis, :]
    inside = (row >= 0) & (column >= 0)
    channel = np.arange(geometry.in_channels)[:, np.newaxis, np.newaxis]
    places = (channel * geometry.rows.size + row) * geometry.columns.size + column
    return _Windows(weights, places, inside & (weights != 0), np.where(inside, 0, weights).sum(axis=(1, 2, 3)))


def _add_up(weights: FloatArray, slots: _Slots, outputs: IntArray) -> None:
    """Add the weights (outputs, C_in, taps, ...) of taps that read one pixel, and bring them into its slot."""
    moved = np.flatnonzero(slots.moves[outputs])
    taps, slot, each = weights[moved], slots.slot[outputs[moved]], np.arange(len(moved))
    sums = np.zeros_like(taps)
    for tap in range(slot.shape[1]):
        sums[each, :, slot[:, tap]] += taps[:, :, tap]
    weights[moved] = sums


def _repeat_image(filled: int, geometry: Geometry, indices: Array, data: FloatArray) -> int:
    """Copy the first image's entries for every other, further right; how many there are then."""
    columns = prod(geometry.input_blocks[1:])
    for image in range(1, geometry.images):
        place = slice(image * filled, (image + 1) * filled)
        np.add(indices[:filled], image * columns, out=indices[place])
        data[place] = data[:filled]
    return filled * geometry.images


def _row_pointers(counts: IntArray, dtype: np.dtype[np.signedinteger[Any]]) -> NDArray[np.signedinteger[Any]]:
    pointers = np.zeros(len(counts) + 1, dtype)
    np.cumsum(counts, out=pointers[1:])
    return pointers


def _offset(constants: FloatArray, bias: FloatArray, geometry: Geometry) -> NDArray[np.float64]:
    offset = np.empty(geometry.output_blocks)
    offset[...] = geometry.edge.value * constants
    offset += bias
    return offset.reshape(-1)
