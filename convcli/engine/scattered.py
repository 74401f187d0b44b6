"""Kernels whose taps lie far apart: one pass for each tap, so that no tile holds the pixels between them.

A tap (m, n) alone is a 1x1 kernel over an input that starts m*dy rows and n*dx columns later.
"""

from collections.abc import Iterator
from typing import NamedTuple

from convcli.engine.costs import CACHE
from convcli.geometry import Axis, Geometry

BYTES_OF_A_FLOAT = 8


class Part(NamedTuple):
    """A part of a kernel's rows and columns, and the geometry under which it is a kernel of its own."""

    rows: slice
    columns: slice
    geometry: Geometry


def parts(geometry: Geometry) -> Iterator[Part]:
    """The whole kernel, or each of its taps where a single window's pixels would not fit into a core's cache."""
    rows, columns = geometry.rows, geometry.columns
    dense = rows.dilation == columns.dilation == 1
    if dense or geometry.in_channels * rows.reach * columns.reach * BYTES_OF_A_FLOAT <= CACHE:
        yield Part(slice(None), slice(None), geometry)
        return
    for m in range(rows.taps):
        for n in range(columns.taps):
            alone = geometry._replace(rows=_tap(rows, m), columns=_tap(columns, n))
            yield Part(slice(m, m + 1), slice(n, n + 1), alone)


def _tap(axis: Axis, tap: int) -> Axis:
    before = axis.before - tap * axis.dilation
    seen = (axis.output - 1) * axis.stride + 1
    return Axis(axis.size, 1, axis.stride, before=before, after=seen - axis.size - before)
