"""A convolution as a sparse matrix: vec(Z) = M vec(V) + offset, and so vec(dV) = M^T vec(G).

vec lists the numbers of an array in row-major order. Let R[j,m] be the row of V that padded row j*sy + m*dy holds, and
C[k,n] the column of V that padded column k*sx + n*dx holds. The entry of M for output (i,j,k) and input (l,a,c) is

    M[(i,j,k), (l,a,c)] = sum over m with R[j,m] = a, over n with C[k,n] = c, of K[i,l,m,n]

The two conditions are independent: the taps that read the same row are added up first, then those that read the same
column. If R or C holds a constant instead of a pixel, the weight times the constant is added to offset, as the bias is.

The matrix of a transposed convolution is the transpose of M, and its offset is the bias.
"""

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.arrays import BYTES_PER_FLOAT, Array, FloatArray, IntArray, cut
from convcli.convolution.formulas import formulas_of
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.prepared import Prepared
from convcli.convolution.transposed import PreparedTransposed
from convcli.errors import GeometryError
from convcli.files.memory import available_memory, format_size
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.fills import EdgeFill
from convcli.layouts import DEFAULT, Layouts
from convcli.values import frozen_value

# The number of weights that are computed at once. A window with more weights is still computed as a whole.
WEIGHTS_AT_ONCE = 1 << 18
# The memory per such weight: the weight, its column, whether it is an entry, and temporary copies.
BYTES_PER_WEIGHT = 48
# The memory per entry for the transpose: its data, columns and their order, and the rows of M.
_EXTRA_BYTES_TO_TRANSPOSE = 4 * BYTES_PER_FLOAT
# The memory per output and tap of an axis: the pixels that are read, their order, and the slots of the taps.
BYTES_PER_READ = 48
# The longest side, in pixels, of a pattern in a notebook.
_SIDE_IN_NOTEBOOKS = 500


@frozen_value()
class ConvolutionMatrix(NamedTuple):
    """The matrix M of a convolution: ``vec(Z) = M vec(V) + offset`` and ``vec(dV) = M^T vec(G)``.

    vec lists the numbers of an array in row-major order. M is stored in compressed sparse rows.

    Attributes
    ----------
    shape
        The rows and columns of M: the numbers in Z and in V.
    indptr
        ``(rows + 1,)``. The entries of row r are ``data[indptr[r]:indptr[r+1]]``.
    indices
        ``(nonzeros,)``. The column of each entry, ascending within a row; int32 like indptr, or int64 if M needs it.
    data
        ``(nonzeros,)``, float64. The entries; none is 0.
    offset
        ``(rows,)``, float64. ``vec(Z)`` for V = 0: the bias, and what a constant edge fill adds.
    input_shape, kernel_shape, output_shape
        The shapes of V, K and Z.
    edge
        The edge fill.
    input_letters
        The letters of V's axes: those of ``V[l,a,c]``, or ``V[i,j,k]`` for a transposed convolution.
    layouts
        The order of the axes of V, K and Z.
    """

    shape: tuple[int, int]
    indptr: NDArray[np.signedinteger[Any]]
    indices: NDArray[np.signedinteger[Any]]
    data: NDArray[np.float64]
    offset: NDArray[np.float64]
    input_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    edge: str
    input_letters: tuple[str, ...]
    layouts: Layouts = DEFAULT

    @property
    def largest(self) -> float:
        """The largest magnitude in data; 0 if M has no entries."""
        return max(float(self.data.max(initial=0)), -float(self.data.min(initial=0)))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the entries of a small matrix, and the pattern of a large one."""
        from convcli.drawing.html import MOST_SIDE, card, facts, picture, tensor

        rows, columns = self.shape
        members = {"nonzeros": f"{len(self.data):,}", "V": self.input_shape, "Z": self.output_shape, "edge": self.edge}
        if max(self.shape) <= MOST_SIDE:
            shown = tensor("M", self._dense()) + (tensor("offset", self.offset) if self.offset.any() else "")
        else:
            from convcli.matrix.picture import matrix_png

            shown = picture(matrix_png(self, _SIDE_IN_NOTEBOOKS), f"the pattern of M, {rows:,} x {columns:,}")
        return card(f"M, {rows:,} x {columns:,}", facts(members), shown)

    def _dense(self) -> FloatArray:
        dense = np.zeros(self.shape)
        dense[np.repeat(np.arange(self.shape[0]), np.diff(self.indptr)), self.indices] = self.data
        return dense


def assemble(prepared: PreparedLayer) -> ConvolutionMatrix:
    """Return the matrix of a convolution, or of a transposed one, that is prepared in float64."""
    if isinstance(prepared, PreparedTransposed):
        return _transposed(_assemble(prepared.forward, _EXTRA_BYTES_TO_TRANSPOSE), prepared)
    assert isinstance(prepared, Prepared)
    return _assemble(prepared)


@np.errstate(over="ignore", invalid="ignore")
def _assemble(prepared: Prepared, extra: int = 0) -> ConvolutionMatrix:
    """Return the matrix of a convolution. extra: the bytes per entry that will be needed besides."""
    geometry = prepared.geometry
    b = np.zeros(()) if prepared.bias is None else prepared.bias
    weights = _with_tiling(prepared.kernel.K, geometry)
    most = _most_nonzeros(weights, geometry)
    _refuse_beyond_memory(geometry, most, extra)
    indices, data = np.empty(most, _index_type(geometry, most)), np.empty(most)
    rows = _fill_image(weights.astype(np.float64, copy=False), geometry, indices, data)
    nonzeros = _repeat_image(int(rows.counts.sum()), geometry, indices, data)
    return ConvolutionMatrix(
        shape=_shape(geometry),
        indptr=_row_pointers(np.tile(rows.counts, geometry.images), indices.dtype),
        indices=indices[:nonzeros],
        data=data[:nonzeros],
        offset=_offset(rows.on_constants, b, geometry),
        input_shape=prepared.input_shape,
        kernel_shape=prepared.convolution.weights.shape,
        output_shape=geometry.output_shape,
        edge=str(geometry.edge),
        input_letters=_input_letters(prepared),
    )


def _with_tiling(K: Array, geometry: Geometry) -> Array:
    """Return K with the axes (groups, C_out, tr, tc, C_in, kh, kw); shared weights get a tiling of (1, 1)."""
    return K.reshape(geometry.groups, geometry.out_channels, *geometry.tiling, *geometry.kernel_blocks[-3:])


def _shape(geometry: Geometry) -> tuple[int, int]:
    return prod(geometry.output_blocks), prod(geometry.input_blocks)


def _most_nonzeros(K: Array, geometry: Geometry) -> int:
    """Return an upper limit of the nonzeros, which is exact unless several taps read the same pixel."""
    y, x = geometry.rows, geometry.columns
    present = np.count_nonzero(K, axis=(0, 1, 4)).astype(float)
    rows, columns = (_reads(axis, geometry.edge, period) for axis, period in zip((y, x), geometry.tiling, strict=True))
    by_taps = geometry.images * int(np.einsum("pqmn,pm,qn->", present, rows, columns))
    window = geometry.in_channels * min(y.taps, y.size) * min(x.taps, x.size)
    return min(by_taps, prod(geometry.output_blocks) * window)


def _reads(axis: Axis, edge: EdgeFill, period: int) -> FloatArray:
    """Return (period, taps): the number of outputs in each phase of the tiling that read a pixel under each tap."""
    first_pixels = axis.dilation * np.arange(axis.taps) - axis.before
    start, stop = np.zeros(axis.taps, int), np.full(axis.taps, axis.output)
    if not edge.copies:
        start = np.clip(-(first_pixels // axis.stride), 0, axis.output)
        stop = np.clip(-((first_pixels - axis.size) // axis.stride), start, axis.output)
    phase = np.arange(period)[:, np.newaxis]
    counts: IntArray = (phase - start) // period - (phase - stop) // period
    return counts.astype(float)


def _refuse_beyond_memory(geometry: Geometry, most: int, extra: int) -> None:
    (rows, columns), available = _shape(geometry), available_memory()
    needed = _bytes_needed(geometry, most) + most * extra
    if needed > available.bytes:
        raise GeometryError(
            f"the matrix would be {rows:,} x {columns:,} with up to {most:,} nonzeros, which take "
            f"{format_size(needed)}, but the limit is {format_size(available.bytes)} ({available.bound}): "
            "use a smaller `input_shape`"
        )


def _bytes_needed(geometry: Geometry, most: int) -> int:
    """Return the bytes of M and of the temporary arrays of its assembly."""
    entry = BYTES_PER_FLOAT + _index_type(geometry, most).itemsize
    # Each row has a pointer, an offset, and two copies of its number of entries.
    row = 4 * BYTES_PER_FLOAT
    maps = sum(BYTES_PER_FLOAT * axis.padded + BYTES_PER_READ * axis.output * axis.taps for axis in _axes(geometry))
    at_once = max(WEIGHTS_AT_ONCE, prod(geometry.kernel_blocks[-3:]))
    return most * entry + prod(geometry.output_blocks) * row + maps + at_once * BYTES_PER_WEIGHT


def _axes(geometry: Geometry) -> tuple[Axis, Axis]:
    return geometry.rows, geometry.columns


def _index_type(geometry: Geometry, most: int) -> np.dtype[np.signedinteger[Any]]:
    """Return the type of columns and pointers, the same that scipy chooses."""
    _, columns = _shape(geometry)
    return np.dtype(np.int32 if max(columns, most) <= np.iinfo(np.int32).max else np.int64)


class _Rows(NamedTuple):
    """The rows of M for one image: each row's number of entries, and the sum of its weights that multiply constants."""

    counts: IntArray
    on_constants: FloatArray


def _fill_image(K: FloatArray, geometry: Geometry, indices: Array, data: FloatArray) -> _Rows:
    """Fill ``indices`` and ``data`` with the entries of the first image; return its rows."""
    rows, columns = (_slots(axis, geometry.edge) for axis in _axes(geometry))
    counts, on_constants = np.empty(geometry.output_blocks[1:], np.intp), np.empty(geometry.output_blocks[1:])
    filled = 0
    for group, channel in np.ndindex(K.shape[:2]):
        first_column = group * prod(geometry.input_blocks[2:])
        for outputs in _output_chunks(geometry):
            window = _windows(K[group, channel], rows, columns, geometry, outputs)
            stop = filled + int(np.count_nonzero(window.is_entry))
            indices[filled:stop] = window.columns[window.is_entry] + first_column
            data[filled:stop] = window.weights[window.is_entry]
            part = slice(outputs.start, outputs.stop)
            counts[group, channel].reshape(-1)[part] = np.count_nonzero(window.is_entry, axis=(1, 2, 3))
            on_constants[group, channel].reshape(-1)[part] = window.on_constants
            filled = stop
    return _Rows(counts.reshape(-1), on_constants)


class _Slots(NamedTuple):
    """The slots of each output of an axis: one for each distinct pixel that it reads, in ascending order.

    source: (outputs, taps), the pixel of each slot; OUTSIDE for constants and for slots that are not needed.
    slot: (outputs, taps), the slot that each tap is added to.
    moves: (outputs,), whether any tap m is added to a slot other than slot m.
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


def _output_chunks(geometry: Geometry) -> Iterator[range]:
    """Yield the outputs of a channel in row-major order, in ranges as long as WEIGHTS_AT_ONCE permits."""
    outputs = geometry.rows.output * geometry.columns.output
    return cut(range(outputs), max(1, WEIGHTS_AT_ONCE // prod(geometry.kernel_blocks[-3:])))


class _Windows(NamedTuple):
    """The windows of some outputs.

    weights, columns, is_entry: (outputs, C_in, kh, kw), the weight of each slot, its column in M, and whether it is an
    entry of M.  on_constants: (outputs,), the sum of the weights that multiply constants.
    """

    weights: FloatArray
    columns: IntArray
    is_entry: NDArray[np.bool_]
    on_constants: FloatArray


def _windows(K: FloatArray, rows: _Slots, columns: _Slots, geometry: Geometry, outputs: range) -> _Windows:
    """Return the windows of outputs of a channel. K: (tr, tc, C_in, kh, kw)."""
    j, k = np.divmod(np.arange(outputs.start, outputs.stop), geometry.columns.output)
    weights = K[j % K.shape[0], k % K.shape[1]]
    _add_up(weights, rows, j)
    _add_up(weights.swapaxes(2, 3), columns, k)
    row, column = rows.source[j][:, np.newaxis, :, np.newaxis], columns.source[k][:, np.newaxis, np.newaxis, :]
    inside = (row >= 0) & (column >= 0)
    channel = np.arange(geometry.in_channels)[:, np.newaxis, np.newaxis]
    return _Windows(
        weights=weights,
        columns=(channel * geometry.rows.size + row) * geometry.columns.size + column,
        is_entry=inside & (weights != 0),
        on_constants=np.where(inside, 0, weights).sum(axis=(1, 2, 3)),
    )


def _add_up(weights: FloatArray, slots: _Slots, outputs: IntArray) -> None:
    """Move weights (outputs, C_in, taps, ...) to the slots of their taps, in place; add up the weights of one slot."""
    moving = np.flatnonzero(slots.moves[outputs])
    taps, slot, output = weights[moving], slots.slot[outputs[moving]], np.arange(len(moving))
    sums = np.zeros_like(taps)
    for tap in range(slot.shape[1]):
        sums[output, :, slot[:, tap]] += taps[:, :, tap]
    weights[moving] = sums


def _repeat_image(filled: int, geometry: Geometry, indices: Array, data: FloatArray) -> int:
    """Copy the entries of the first image to the columns of each other image; return the total number of entries."""
    columns = prod(geometry.input_blocks[1:])
    for image in range(1, geometry.images):
        part = slice(image * filled, (image + 1) * filled)
        np.add(indices[:filled], image * columns, out=indices[part])
        data[part] = data[:filled]
    return filled * geometry.images


def _row_pointers(counts: IntArray, dtype: np.dtype[np.signedinteger[Any]]) -> NDArray[np.signedinteger[Any]]:
    pointers = np.zeros(len(counts) + 1, dtype)
    np.cumsum(counts, out=pointers[1:])
    return pointers


def _offset(on_constants: FloatArray, bias: FloatArray, geometry: Geometry) -> NDArray[np.float64]:
    offset = np.empty(geometry.output_blocks)
    offset[...] = geometry.edge.value * on_constants
    offset += bias
    return offset.reshape(-1)


def _transposed(M: ConvolutionMatrix, prepared: PreparedTransposed) -> ConvolutionMatrix:
    """Return M^T, with the bias of a transposed convolution as its offset."""
    order = np.argsort(M.indices, kind="stable")
    rows = np.repeat(np.arange(M.shape[0], dtype=M.indices.dtype), np.diff(M.indptr))
    offset = np.zeros(prepared.output_blocks)
    if prepared.bias is not None:
        offset += prepared.bias
    return M._replace(
        shape=M.shape[::-1],
        indptr=_row_pointers(np.bincount(M.indices, minlength=M.shape[1]), M.indices.dtype),
        indices=rows[order],
        data=M.data[order],
        offset=offset.reshape(-1),
        input_shape=prepared.input_shape,
        output_shape=prepared.output_shape,
        input_letters=_input_letters(prepared),
    )


def _input_letters(prepared: PreparedLayer) -> tuple[str, ...]:
    return tuple(formulas_of(prepared).letters("input", len(prepared.input_shape)))
