"""Tiles: rectangles of the output, of one or more images; and views of the pixels that each tap reads of a tile.

Algorithms compute with arrays of five axes: a padded input tile (images, groups, C_in, h, w), weights
(groups, C_out, C_in, kh, kw), and an output tile (images, groups, C_out, oh, ow). Weights that outputs do not share
have two more axes, (groups, C_out, tr, tc, C_in, kh, kw).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arrays import FloatArray, cut
from convcli.engine.scratch import Scratch
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.edges import Runs

# Separate tiles at the edges save copying the inner tiles, but need more calls, and read some pixels twice. They are
# used only with at least so many tiles, and a kernel that reaches over at most so many columns.
LEAST_TILES = 8
MOST_REACH = 32
# Up to this many tiles are made equal, and a power of 2 in number, so that threads get equal shares of work. With more
# tiles, one tile more or less per thread hardly matters.
MOST_EVENED = 16


class Tile(NamedTuple):
    """Some images, rows and columns of the output, which are computed at once.

    channels: the output channels of each group; by default all of them.
    """

    images: range
    rows: range
    columns: range
    channels: slice = slice(None)

    @property
    def place(self) -> tuple[slice, ...]:
        """The tile's slices of Z, one for each of the five axes."""
        images, rows, columns = (slice(span.start, span.stop) for span in self.spans)
        return (images, slice(None), self.channels, rows, columns)

    @property
    def spans(self) -> tuple[range, range, range]:
        """The tile's images, rows and columns."""
        return self.images, self.rows, self.columns

    def shape(self, geometry: Geometry) -> tuple[int, int, int, int, int]:
        """Return the shape of the tile's part of Z."""
        channels = len(range(geometry.out_channels)[self.channels])
        return (len(self.images), geometry.groups, channels, len(self.rows), len(self.columns))

    def window(self, geometry: Geometry) -> tuple[range, range]:
        """Return the rows and columns of the padded input that the tile's windows read."""
        return geometry.rows.window(self.rows), geometry.columns.window(self.columns)

    def runs(self, geometry: Geometry) -> tuple[Runs, Runs]:
        """Return the runs of V's pixels that fill the rows and columns of ``window``."""
        rows, columns = self.window(geometry)
        return geometry.rows.runs(rows, geometry.edge), geometry.columns.runs(columns, geometry.edge)


class TileSize(NamedTuple):
    """The size of a plan's largest tile: images, output rows and output columns.

    inner_apart: whether outputs that read no pads are in separate tiles, whose input can then be a view of V.
    channels: the output channels of a tile; 0 for all of them.
    """

    images: int
    rows: int
    columns: int
    inner_apart: bool = False
    channels: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels of one channel."""
        return self.images * self.rows * self.columns

    def number(self, geometry: Geometry) -> int:
        """Return how many tiles of this size cover the output; separate tiles at the edges are not counted."""
        return (
            ceil(geometry.images / self.images)
            * ceil(geometry.rows.output / self.rows)
            * ceil(geometry.columns.output / self.columns)
            * len(self._channels(geometry))
        )

    def tiles(self, geometry: Geometry) -> Iterator[Tile]:
        """Yield the tiles, left to right, top to bottom, image by image."""
        for images in cut(range(geometry.images), self.images):
            for rows, columns in self._regions(geometry):
                for sides in self._cut_region(rows, columns, geometry):
                    yield from (Tile(images, *sides, channels) for channels in self._channels(geometry))

    def _channels(self, geometry: Geometry) -> list[slice]:
        if not self.channels:
            return [slice(None)]
        return [slice(each.start, each.stop) for each in cut(range(geometry.out_channels), self.channels)]

    def _regions(self, geometry: Geometry) -> Iterator[tuple[range, range]]:
        """Yield the rectangles of output that are cut into tiles: the whole, or its four edges and its inside."""
        every_column = range(geometry.columns.output)
        if not self.inner_apart:
            yield range(geometry.rows.output), every_column
            return
        above, between, below = _apart(geometry.rows)
        left, inner, right = _apart(geometry.columns)
        regions = [(above, every_column), (between, left), (between, inner), (between, right), (below, every_column)]
        yield from ((rows, columns) for rows, columns in regions if rows and columns)

    def _cut_region(self, rows: range, columns: range, geometry: Geometry) -> Iterator[tuple[range, range]]:
        # The tiles of a narrow region are higher, so that they read about as many pixels.
        width = len(columns) + geometry.columns.reach - 1
        height = max(self.rows, self.rows * self.columns // width) if self.inner_apart else self.rows
        for part in cut(rows, height):
            yield from ((part, side) for side in cut(columns, self.columns))


def _apart(axis: Axis) -> tuple[range, range, range]:
    """Split an axis into three parts: the outputs whose windows read no pads, and the outputs before and after them."""
    # Negative pads crop: no window reads them.
    first = min(max(0, -(-axis.before // axis.stride)), axis.output)
    stop = (axis.before + axis.size - axis.reach) // axis.stride + 1
    last = max(first, min(stop, axis.output))
    return range(first), range(first, last), range(last, axis.output)


def input_floats(geometry: Geometry, size: TileSize) -> int:
    """Return the number of floats in a padded input tile."""
    rows = len(geometry.rows.window(range(size.rows)))
    columns = len(geometry.columns.window(range(size.columns)))
    return size.images * geometry.groups * geometry.in_channels * rows * columns


def output_floats(geometry: Geometry, size: TileSize) -> int:
    """Return the number of floats in an output tile."""
    return size.pixels * geometry.groups * geometry.out_channels


def largest_tile(
    geometry: Geometry, floats: Callable[[TileSize], int], limit: int, columns: int | None = None
) -> TileSize:
    """Return the largest tile with at most ``limit`` floats: a part of a row, whole rows, or whole images.

    columns: the length of a row of a tile; by default that of the output.
    If even one output pixel takes more than ``limit``, the tile is one output pixel.
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
    """Return the size with as many rows, or fewer, so that all tiles have about equally many.

    If MOST_EVENED tiles are enough, their number is a power of 2, so that 2 or 4 threads get equal shares.
    """
    total = geometry.rows.output
    count = ceil(total / size.rows)
    if count <= MOST_EVENED:
        count = 1 << (count - 1).bit_length()
    return size._replace(rows=ceil(total / count))


def parted(size: TileSize, geometry: Geometry, least: int) -> TileSize:
    """Return the size with fewer rows if there are fewer than ``least`` tiles, so that threads can share the work."""
    # An empty batch has no tiles.
    parts = ceil(least / max(1, size.number(geometry)))
    return size._replace(rows=ceil(size.rows / parts)) if parts > 1 else size


def inner_apart(size: TileSize, geometry: Geometry) -> TileSize:
    """Return the size, with ``inner_apart`` set if there are many tiles and the kernel is narrow.

    This is for algorithms that can compute from a view of V.
    """
    worth = size.number(geometry) >= LEAST_TILES and geometry.columns.reach <= MOST_REACH
    return size._replace(inner_apart=worth)


def without_pads(geometry: Geometry, tile: FloatArray) -> Geometry:
    """Return the geometry of the convolution of a padded tile alone."""
    rows, columns = (
        axis._replace(size=size, before=0, after=0)
        for axis, size in zip((geometry.rows, geometry.columns), tile.shape[-2:], strict=True)
    )
    return geometry._replace(images=len(tile), rows=rows, columns=columns)


class GradientAsConvolution(NamedTuple):
    """A tile's part of dK as the convolution Z of an input V with weights K: views of the tile, of G and of dK."""

    V: FloatArray
    K: FloatArray
    Z: FloatArray
    geometry: Geometry

    @property
    def dK(self) -> FloatArray:
        """Z with the axes of dK."""
        return self.Z.transpose(1, 2, 0, 3, 4)


def gradient_as_convolution(geometry: Geometry, tile: FloatArray, upstream: FloatArray) -> GradientAsConvolution:
    """Return the convolution of a padded tile with its part of G, which gives what the tile adds to dK.

    As weights, G's pixels lie as far apart as the stride; as outputs, dK's weights lie as far apart as the dilation.
    Each input channel is an image, and each image an input channel, because dK is summed over images.
    """
    images, groups, in_channels = tile.shape[:3]
    rows, columns = (
        Axis(size, taps, stride=axis.dilation, dilation=axis.stride)
        for axis, size, taps in zip(
            (geometry.rows, geometry.columns), tile.shape[-2:], upstream.shape[-2:], strict=True
        )
    )
    return GradientAsConvolution(
        V=tile.swapaxes(0, 2),
        K=upstream.transpose(1, 2, 0, 3, 4),
        Z=np.empty((in_channels, groups, upstream.shape[2], rows.output, columns.output), tile.dtype),
        geometry=geometry._replace(images=in_channels, in_channels=images, rows=rows, columns=columns),
    )


def in_phases(tile: FloatArray, stride: int, scratch: Scratch) -> FloatArray:
    """Return a tile's rows ``(..., w)`` as ``(..., stride, columns)``, with the columns of each phase together."""
    width = tile.shape[-1]
    sorted_: FloatArray = scratch.array((*tile.shape[:-1], stride, -(-width // stride)), tile.dtype)
    for phase in range(min(stride, width)):
        columns = tile[..., phase::stride]
        sorted_[..., phase, : columns.shape[-1]] = columns
    return sorted_


def windows(tile: FloatArray, geometry: Geometry, rows: int, columns: int, *, writeable: bool = False) -> FloatArray:
    """Return a view of the pixels that each tap reads of a padded tile, ``(images, groups, C, kh, kw, rows, columns)``.

    ``[..., m, n, j, k]`` is ``tile[..., j*sy + m*dy, k*sx + n*dx]``.
    """
    y, x = geometry.rows, geometry.columns
    *leading, row, column = tile.strides
    strides = (*leading, row * y.dilation, column * x.dilation, row * y.stride, column * x.stride)
    return as_strided(tile, (*tile.shape[:-2], y.taps, x.taps, rows, columns), strides, writeable=writeable)
