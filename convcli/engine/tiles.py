"""Tiles: rectangles of output for a few images, and the strided view that kernel taps have of their input.

Everything an algorithm touches has five axes: a padded input tile is (images, groups, C_in, h, w), weights
are (groups, C_out, C_in, kh, kw), an output tile is (images, groups, C_out, oh, ow). Weights that are not shared
have two axes more, (groups, C_out, tr, tc, C_in, kh, kw).

In memory a padded tile has its channels within its rows, (images, groups, h, C_in, w), so that some rows of all
channels are one matrix, whatever row they start from.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

from numpy.lib.stride_tricks import as_strided

from convcli.arrays import FloatArray, cut
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import Runs

# Tiles at the edges are more calls, which the copies saved within must be worth; so are their windows' pixels.
LEAST_TILES = 8
MOST_REACH = 32
# With more tiles than this the last ones hardly matter.
MOST_EVENED = 16


class Tile(NamedTuple):
    """Which part of the output: images, rows and columns."""

    images: range
    rows: range
    columns: range

    @property
    def place(self) -> tuple[slice, ...]:
        """Where it lies in Z, which has five axes."""
        images, rows, columns = (slice(span.start, span.stop) for span in self)
        return (images, slice(None), slice(None), rows, columns)

    def shape(self, geometry: Geometry) -> tuple[int, int, int, int, int]:
        """The shape of that part of Z."""
        return (len(self.images), geometry.groups, geometry.out_channels, len(self.rows), len(self.columns))

    def window(self, geometry: Geometry) -> tuple[range, range]:
        """The padded rows and columns that its outputs read."""
        return geometry.rows.window(self.rows), geometry.columns.window(self.columns)

    def runs(self, geometry: Geometry) -> tuple[Runs, Runs]:
        """Which pixels of V those rows and columns hold."""
        rows, columns = self.window(geometry)
        return geometry.rows.runs(rows, geometry.edge), geometry.columns.runs(columns, geometry.edge)


@dataclass(frozen=True, slots=True)
class TileSize:
    """The largest tile of a plan: how many images, output rows and output columns.

    inner_apart: whether the outputs that read no pads are cut apart from those that do, so that their tiles can be
    views of the input.
    """

    images: int
    rows: int
    columns: int
    inner_apart: bool = False

    @property
    def pixels(self) -> int:
        """Output pixels of one channel."""
        return self.images * self.rows * self.columns

    def count(self, geometry: Geometry) -> int:
        """How many tiles cover the output; what is cut apart at its edges is not counted."""
        return (
            ceil(geometry.images / self.images)
            * ceil(geometry.rows.output / self.rows)
            * ceil(geometry.columns.output / self.columns)
        )

    def tiles(self, geometry: Geometry) -> Iterator[Tile]:
        """The tiles, left to right, top to bottom, image by image."""
        for images in cut(range(geometry.images), self.images):
            for rows, columns in self._regions(geometry):
                yield from (Tile(images, *sides) for sides in self._cut_region(rows, columns, geometry))

    def _regions(self, geometry: Geometry) -> Iterator[tuple[range, range]]:
        """Rectangles of the output to be cut into tiles: all of it, or its edges and what lies between."""
        every_column = range(geometry.columns.output)
        if not self.inner_apart:
            yield range(geometry.rows.output), every_column
            return
        above, between, below = _apart(geometry.rows)
        left, inner, right = _apart(geometry.columns)
        regions = [(above, every_column), (between, left), (between, inner), (between, right), (below, every_column)]
        yield from ((rows, columns) for rows, columns in regions if rows and columns)

    def _cut_region(self, rows: range, columns: range, geometry: Geometry) -> Iterator[tuple[range, range]]:
        # The tiles of a narrow region are higher, and read about as many pixels.
        width = len(columns) + geometry.columns.reach - 1
        height = max(self.rows, self.rows * self.columns // width) if self.inner_apart else self.rows
        for part in cut(rows, height):
            yield from ((part, side) for side in cut(columns, self.columns))


def _apart(axis: Axis) -> tuple[range, range, range]:
    """The outputs before, within and after those whose window touches no padding."""
    # Where pads are negative, they crop: no window touches them.
    first = min(max(0, -(-axis.before // axis.stride)), axis.output)
    stop = (axis.before + axis.size - axis.reach) // axis.stride + 1
    last = max(first, min(stop, axis.output))
    return range(first), range(first, last), range(last, axis.output)


def input_floats(geometry: Geometry, size: TileSize) -> int:
    """Floats of a padded input tile."""
    rows = len(geometry.rows.window(range(size.rows)))
    columns = len(geometry.columns.window(range(size.columns)))
    return size.images * geometry.groups * geometry.in_channels * rows * columns


def output_floats(geometry: Geometry, size: TileSize) -> int:
    """Floats of an output tile."""
    return size.pixels * geometry.groups * geometry.out_channels


def largest_tile(
    geometry: Geometry, floats: Callable[[TileSize], int], limit: int, columns: int | None = None
) -> TileSize:
    """The largest tile whose ``floats`` stay within ``limit``: whole rows first, then more rows, then more images.

    A row is of so many ``columns``, or of all of them. A single output pixel is never refused, whatever it takes.
    """
    images, rows, columns = geometry.images, geometry.rows.output, columns or geometry.columns.output

    def largest(most: int, size: Callable[[int], TileSize]) -> TileSize:
        return size(max(1, bisect_right(range(1, most + 1), False, key=lambda n: floats(size(n)) > limit)))

    if floats(TileSize(1, 1, columns)) > limit:
        return largest(columns, lambda n: TileSize(1, 1, n))
    if floats(TileSize(1, rows, columns)) > limit:
        return largest(rows, lambda n: TileSize(1, n, columns))
    return largest(images, lambda n: TileSize(n, rows, columns))


def evened(size: TileSize, geometry: Geometry) -> TileSize:
    """The size with rows that give a few threads equal shares: up to 16 tiles of rows become a power of two."""
    total = geometry.rows.output
    count = ceil(total / size.rows)
    if count <= MOST_EVENED:
        count = 1 << (count - 1).bit_length()
    return replace(size, rows=ceil(total / count))


def inner_apart(size: TileSize, geometry: Geometry) -> TileSize:
    """The tiles of an algorithm that computes from views; apart unless few, or with edges as large as the rest."""
    worth = size.count(geometry) >= LEAST_TILES and geometry.columns.reach <= MOST_REACH
    return replace(size, inner_apart=worth)


def windows(tile: FloatArray, geometry: Geometry, rows: int, columns: int, *, writeable: bool = False) -> FloatArray:
    """What each tap reads of a padded tile for rows x columns outputs, ``(images, groups, C, kh, kw, rows, columns)``.

    A view: ``[..., m, n, j, k]`` is ``tile[..., j*sy + m*dy, k*sx + n*dx]``.
    """
    y, x = geometry.rows, geometry.columns
    *leading, row, column = tile.strides
    strides = (*leading, row * y.dilation, column * x.dilation, row * y.stride, column * x.stride)
    return as_strided(tile, (*tile.shape[:-2], y.taps, x.taps, rows, columns), strides, writeable=writeable)
