"""Sub-kernels: parts of a kernel, computed one after another.

Taps that lie far apart are computed one by one: the tap (m, n) is a 1x1 kernel on an input that starts m*dy rows and
n*dx columns later, so that no tile holds the pixels between taps. A large kernel can be computed in parts, whose
transforms take less memory. If the gradient of a kernel would fill the memory, it is computed for a few output channels
at a time.
"""

from collections.abc import Iterable, Iterator
from math import ceil, prod
from typing import NamedTuple

from convcli.arrays import BYTES_PER_FLOAT, cut
from convcli.geometry.axes import Axis, Geometry

# The gradient of a layer with more weights per output channel than pixels is cut into so many parts, which each have
# at least so many output channels: products of fewer are slower.
SHARES = 4
LEAST_CHANNELS = 64


class SubKernel(NamedTuple):
    """Some output channels, rows and columns of a kernel, and their geometry as a kernel of their own."""

    channels: slice
    rows: slice
    columns: slice
    geometry: Geometry


def sub_kernels(geometry: Geometry, window: int) -> Iterator[SubKernel]:
    """Yield the whole kernel, or each of its taps if a single window takes more than ``window`` bytes."""
    rows, columns = geometry.rows, geometry.columns
    dense = rows.dilation == columns.dilation == 1
    if dense or geometry.in_channels * rows.reach * columns.reach * BYTES_PER_FLOAT <= window:
        yield SubKernel(slice(None), slice(None), slice(None), geometry)
        return
    for m in range(rows.taps):
        for n in range(columns.taps):
            yield _sub_kernel(geometry, range(m, m + 1), range(n, n + 1))


def kernel_in_parts(geometry: Geometry, parts: int) -> Iterator[SubKernel]:
    """Yield the kernel in ``parts`` x ``parts`` pieces of about one size."""
    rows, columns = geometry.rows.taps, geometry.columns.taps
    for m in cut(range(rows), ceil(rows / parts)):
        for n in cut(range(columns), ceil(columns / parts)):
            yield _sub_kernel(geometry, m, n)


def few_channels_each(parts: Iterable[SubKernel], memory: int) -> Iterator[SubKernel]:
    """Yield the parts, each cut into so few output channels that their gradient takes at most half of ``memory`` bytes.

    Threads compute several parts at once. So the gradient of a layer with few pixels, which are one tile, is cut too.
    If outputs do not share weights, only the weights of one output are counted, because a tile computes the gradient of
    its own weights alone.
    """
    for part in parts:
        geometry = part.geometry
        weights = prod((geometry.groups, geometry.in_channels, geometry.rows.taps, geometry.columns.taps))
        together = max(1, memory // 2 // (weights * BYTES_PER_FLOAT))
        if weights > geometry.images * geometry.rows.output * geometry.columns.output:
            together = min(together, max(LEAST_CHANNELS, ceil(geometry.out_channels / SHARES)))
        for channels in cut(range(geometry.out_channels), together):
            narrower = geometry._replace(out_channels=len(channels))
            yield part._replace(channels=slice(channels.start, channels.stop), geometry=narrower)


def _sub_kernel(geometry: Geometry, rows: range, columns: range) -> SubKernel:
    alone = geometry._replace(rows=_taps(geometry.rows, rows), columns=_taps(geometry.columns, columns))
    return SubKernel(slice(None), slice(rows.start, rows.stop), slice(columns.start, columns.stop), alone)


def _taps(axis: Axis, taps: range) -> Axis:
    """Return the axis of consecutive taps alone: an input that starts where the first of them does."""
    before = axis.before - taps.start * axis.dilation
    dilation = axis.dilation if len(taps) > 1 else 1
    seen = (axis.output - 1) * axis.stride + (len(taps) - 1) * dilation + 1
    return Axis(axis.size, len(taps), axis.stride, dilation, before, seen - axis.size - before)
