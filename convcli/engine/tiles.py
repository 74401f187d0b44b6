"""Tiles: rectangles of output for a few images, and the strided view that one kernel tap has of their input.

Everything an algorithm touches has five axes: a padded input tile is (images, groups, C_in, h, w), weights
are (groups, C_out, C_in, kh, kw), an output tile is (images, groups, C_out, oh, ow).

In memory a padded tile has its channels within its rows, (images, groups, h, C_in, w), so that some rows of all
channels are one matrix, whatever row they start from.
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

    @property
    def pixels(self) -> int:
        """Output pixels of one channel."""
        return self.images * self.rows * self.columns

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


def input_floats(geometry: Geometry, extent: Extent) -> int:
    """Floats of a padded input tile."""
    rows = len(geometry.rows.window(range(extent.rows)))
    columns = len(geometry.columns.window(range(extent.columns)))
    return extent.images * geometry.groups * geometry.in_channels * rows * columns


def output_floats(geometry: Geometry, extent: Extent) -> int:
    """Floats of an output tile."""
    return extent.pixels * geometry.groups * geometry.out_channels


def largest_extent(geometry: Geometry, floats: Callable[[Extent], int], limit: int) -> Extent:
    """The largest tile whose ``floats`` stay within ``limit``: whole rows first, then more rows, then more images.

    A single output pixel is never refused, whatever it takes.
    """
    images, rows, columns = geometry.images, geometry.rows.output, geometry.columns.output

    def largest(most: int, extent: Callable[[int], Extent]) -> Extent:
        return extent(max(1, bisect_right(range(1, most + 1), False, key=lambda n: floats(extent(n)) > limit)))

    if floats(Extent(1, 1, columns)) > limit:
        return largest(columns, lambda n: Extent(1, 1, n))
    if floats(Extent(1, rows, columns)) > limit:
        return largest(rows, lambda n: Extent(1, n, columns))
    return largest(images, lambda n: Extent(n, rows, columns))


def tap_view(tile: FloatArray, geometry: Geometry, m: int, n: int, rows: int, columns: int) -> FloatArray:
    """What tap (m, n) reads of a padded tile, for rows x columns outputs: ``tile[..., j*sy + m*dy, k*sx + n*dx]``."""
    y, x = geometry.rows, geometry.columns
    top, left = m * y.dilation, n * x.dilation
    bottom, right = top + (rows - 1) * y.stride + 1, left + (columns - 1) * x.stride + 1
    return tile[..., top : bottom : y.stride, left : right : x.stride]
