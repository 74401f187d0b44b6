"""Reorder the rows and columns of a convolution's matrix for tensors that are stored in another order."""

import numpy as np

from convcli.arrays import IntArray
from convcli.files.memory import require_memory
from convcli.layouts import Layout, Layouts
from convcli.matrix.assembly import ConvolutionMatrix

# The bytes per entry: its column and value, its place before and after, its row, and copies.
BYTES_PER_ENTRY = 64


def ordered(M: ConvolutionMatrix, layouts: Layouts) -> ConvolutionMatrix:
    """Return the matrix whose vec lists the numbers of V and Z in the order of the layouts, given channel-major M."""
    layout, kernel_shape = layouts.maps, layouts.kernel.order(M.kernel_shape)
    if layout.is_channel_major:
        return M._replace(kernel_shape=kernel_shape, layouts=layouts)
    require_memory(BYTES_PER_ENTRY * len(M.data), "to reorder the matrix takes")
    rows, pixels = _places(M.output_shape, layout), _places(M.input_shape, layout)
    columns = np.empty_like(pixels)
    columns[pixels] = np.arange(len(pixels))
    counts = np.diff(M.indptr)[rows]
    indptr = np.concatenate(([0], np.cumsum(counts)))
    entries = np.repeat(M.indptr[rows] - indptr[:-1], counts) + np.arange(len(M.data))
    indices = columns[M.indices[entries]]
    ascending = np.lexsort((indices, np.repeat(np.arange(len(rows)), counts)))
    return M._replace(
        indptr=indptr.astype(M.indptr.dtype),
        indices=indices[ascending].astype(M.indices.dtype),
        data=M.data[entries][ascending],
        offset=M.offset[rows],
        input_shape=layout.order(M.input_shape),
        kernel_shape=kernel_shape,
        output_shape=layout.order(M.output_shape),
        input_letters=layout.order(M.input_letters),
        layouts=layouts,
    )


def _places(shape: tuple[int, ...], layout: Layout) -> IntArray:
    """Return, for each number of a tensor as it is stored, its place in channel-major order."""
    return layout.stored(np.arange(int(np.prod(shape))).reshape(shape)).reshape(-1)
