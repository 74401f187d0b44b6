"""Tiles: rectangles of output for a few images, and the strided view that one kernel tap has of their input.

Everything an algorithm touches has five axes: a padded input tile is (images, groups, C_in, h, w), weights
are (groups, C_out, C_in, kh, kw), an output tile is (images, groups, C_out, oh, ow).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from convcli.arrays import FloatArray
from convcli.geometry import Geometry


class Tile(NamedTuple):
    """Which part of the output: images, rows and columns."""

    images: range
    rows: range
    columns: range


@dataclass(frozen=True, slots=True)
class Extent:
    """The largest tile of a plan: how many images, output rows and output columns."""

    images: int
    rows: int
    columns: int

    def count(self, geometry: Geometry) -> int:
        """How many tiles cover the output."""
        return (
            ceil(geometry.images / self.images)
            * ceil(geometry.rows.output / self.rows)
            * ceil(geometry.columns.output / self.columns)
        )

    def tiles(self, geometry: Geometry) -> Iterator[Tile]:
        """The tiles, left to right, top to bottom, image by image."""
        for images in _cut(geometry.images, self.images):
            for rows in _cut(geometry.rows.output, self.rows):
                for columns in _cut(geometry.columns.output, self.columns):
                    yield Tile(images, rows, columns)


def _cut(total: int, step: int) -> Iterator[range]:
    for start in range(0, total, step):
        yield range(start, min(start + step, total))


def largest_extent(geometry: Geometry, column_floats: int, limit: int) -> Extent:
    """The largest tile whose floats stay within ``limit``: whole rows first, then more rows, then more images.

    column_floats: what the algorithm keeps for one output pixel of one group, beyond the tile and its output.
    A single output pixel is never refused, whatever it takes.
    """
    rows, columns, images = geometry.rows.output, geometry.columns.output, geometry.images

    def fits(extent: Extent) -> bool:
        return tile_floats(geometry, extent, column_floats) <= limit

    if not fits(Extent(1, 1, columns)):
        return Extent(1, 1, _largest(columns, lambda n: fits(Extent(1, 1, n))))
    if not fits(Extent(1, rows, columns)):
        return Extent(1, _largest(rows, lambda n: fits(Extent(1, n, columns))), columns)
    return Extent(_largest(images, lambda n: fits(Extent(n, rows, columns))), rows, columns)


def tile_floats(geometry: Geometry, extent: Extent, column_floats: int) -> int:
    """How many floats a tile takes: its padded input, the algorithm's own, and its output."""
    rows = len(geometry.rows.window(range(extent.rows)))
    columns = len(geometry.columns.window(range(extent.columns)))
    pixels = extent.rows * extent.columns
    each = geometry.in_channels * rows * columns + (column_floats + geometry.out_channels) * pixels
    return extent.images * geometry.groups * each


def tap_view(tile: FloatArray, geometry: Geometry, m: int, n: int, rows: int, columns: int) -> FloatArray:
    """What tap (m, n) reads of a padded tile: ``tile[..., j*sy + m*dy, k*sx + n*dx]`` for rows x columns outputs."""
    y, x = geometry.rows, geometry.columns
    top, left = m * y.dilation, n * x.dilation
    bottom, right = top + (rows - 1) * y.stride + 1, left + (columns - 1) * x.stride + 1
    return tile[..., top : bottom : y.stride, left : right : x.stride]


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest n from 1 to most that fits, by bisection; 1 if none does."""
    return max(1, bisect_right(range(1, most + 1), False, key=lambda n: not fits(n)))
