"""Sub-kernels: parts of a kernel, computed one after another.

Taps that lie far apart are computed one by one: the tap (m, n) is a 1x1 kernel on an input that starts m*dy rows and
n*dx columns later, so that no tile holds the pixels between taps. If the gradient of a kernel would fill the memory, it
is computed for a few output channels at a time.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from convcli.arrays import BYTES_PER_FLOAT, cut
from convcli.geometry.axes import Axis, Geometry


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
            alone = geometry._replace(rows=_tap(rows, m), columns=_tap(columns, n))
            yield SubKernel(slice(None), slice(m, m + 1), slice(n, n + 1), alone)


def gradient_sub_kernels(geometry: Geometry, window: int, memory: int) -> Iterator[SubKernel]:
    """Yield sub-kernels of so few output channels that their gradient takes at most half of ``memory`` bytes.

    window: the most bytes of a window whose taps are computed together.
    If outputs do not share weights, only the weights of one output are counted, because a tile computes the gradient of
    its own weights alone.
    """
    for part in sub_kernels(geometry, window):
        weights = prod((geometry.groups, geometry.in_channels, part.geometry.rows.taps, part.geometry.columns.taps))
        together = max(1, memory // 2 // (weights * BYTES_PER_FLOAT))
        for channels in cut(range(geometry.out_channels), together):
            narrower = part.geometry._replace(out_channels=len(channels))
            yield part._replace(channels=slice(channels.start, channels.stop), geometry=narrower)


def _tap(axis: Axis, tap: int) -> Axis:
    before = axis.before - tap * axis.dilation
    seen = (axis.output - 1) * axis.stride + 1
    return Axis(axis.size, 1, axis.stride, before=before, after=seen - axis.size - before)
