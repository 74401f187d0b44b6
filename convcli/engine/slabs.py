"""Slabs: what some tiles read of an array, apart from the rest of it, so that other machines can compute them.

Tiles keep their places in the whole. A slab knows where its rows and columns come from, and holds what pads copy once:
filling the edges is left to whoever loads a tile.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.factors import Factors
from convcli.engine.interface import Fill, Weights
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import Extent, Tile, input_floats, output_floats
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import Runs, pad

# Stretches of an axis, from left to right, that do not adjoin.
Stretches = tuple[range, ...]


class Slab(NamedTuple):
    """Some images, rows and columns of an array ``(images, groups, channels, H, W)``, and which they are."""

    pixels: Array
    first_image: int
    rows: Stretches
    columns: Stretches

    @classmethod
    def whole(cls, array: Array) -> "Slab":
        """All of an array."""
        height, width = array.shape[-2:]
        return cls(array, 0, (range(height),), (range(width),))

    def read_by(self, tile: Tile, geometry: Geometry) -> "Slab":
        """What the windows of a tile's outputs read, their pads included; of the whole, as the other two."""
        rows, columns = tile.runs(geometry)
        return self._only(tile.images, _sources(rows), _sources(columns))

    def within(self, tile: Tile) -> "Slab":
        """The pixels of a tile itself, as for G."""
        return self._only(tile.images, (tile.rows,), (tile.columns,))

    def _only(self, images: range, rows: Stretches, columns: Stretches) -> "Slab":
        pixels = _taken(_taken(self.pixels[images.start : images.stop], 3, rows), 4, columns)
        return Slab(np.ascontiguousarray(pixels), images.start, rows, columns)

    def at(self, tile: Tile) -> Array:
        """The pixels of a tile: a view."""
        (rows,), (columns,) = self.rows, self.columns
        return self._images(tile)[..., _slice(tile.rows, rows.start), _slice(tile.columns, columns.start)]

    def load(self, tile: Tile, geometry: Geometry, dtype: np.dtype[Any], scratch: Scratch) -> FloatArray:
        """The padded input that a tile's windows cover, as floats; a view where that is what the slab holds already."""
        images, (rows, columns) = self._images(tile), tile.window(geometry)
        row_runs, column_runs = map(_moved, tile.runs(geometry), (self.rows, self.columns))
        inside = geometry.rows.is_inside(rows) and geometry.columns.is_inside(columns)
        if inside and images.dtype == dtype and _fits_blas(images):
            return images[..., row_runs[0].source, column_runs[0].source]
        padded: FloatArray = scratch.array((*images.shape[:3], len(rows), len(columns)), dtype)
        pad(images, row_runs, column_runs, geometry.edge.value, padded)
        return padded

    def _images(self, tile: Tile) -> Array:
        return self.pixels[_slice(tile.images, self.first_image)]


@dataclass(frozen=True, slots=True)
class SharedWeights:
    """A kernel that all outputs share, with the engine's axes."""

    weights: Weights

    def only(self, tile: Tile) -> "SharedWeights":
        """Return the weights that a tile's outputs need: all."""
        return self

    def at(self, tile: Tile) -> Weights:
        """Return the weights of a tile."""
        return self.weights

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Prepare the weights once; return the function that returns each tile's Fill."""
        fill = prepare(self.weights)
        return lambda tile: fill


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """A kernel with weights of their own for outputs, or those of some outputs.

    first: the row and the column of the tiling where K starts.
    """

    K: Array
    geometry: Geometry
    first: tuple[int, int] = (0, 0)

    def only(self, tile: Tile) -> "OwnWeights":
        """Return the weights that a tile's outputs need; all along an axis where these lie in more than one period."""
        rows, columns = _weights_of(tile, self.geometry)
        K = np.ascontiguousarray(self.K[:, :, rows, columns])
        return OwnWeights(K, self.geometry, (rows.start, columns.start))

    def at(self, tile: Tile) -> Weights:
        """Return a view of the weights of a tile, which starts or lies within one period."""
        rows, columns = self.geometry.weights_at(tile.rows, tile.columns)
        y, x = self.first
        return Weights(self.K[:, :, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x])

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Return the function that prepares each tile's weights and returns its Fill."""
        return lambda tile: prepare(self.at(tile))


TileWeights = SharedWeights | OwnWeights


def weights_of(K: Array, geometry: Geometry, factors: Factors | None = None) -> TileWeights:
    """Return a kernel with the engine's axes, and its factors if needed, as the weights of its outputs."""
    return SharedWeights(Weights(K, factors)) if geometry.shares_weights else OwnWeights(K, geometry)


class Band(NamedTuple):
    """Some tiles, one after the other, and the rectangle of output around them."""

    tiles: tuple[Tile, ...]
    hull: Tile


def bands(tiles: Iterable[Tile], geometry: Geometry, floats: int) -> Iterator[Band]:
    """The tiles in bands, each so large that what its hull reads and gives stays within so many floats; or one tile."""
    band: Band | None = None
    for tile in tiles:
        longer = Band((*band.tiles, tile), _hull(band.hull, tile)) if band else Band((tile,), tile)
        if band and _floats(longer.hull, geometry) > floats:
            yield band
            longer = Band((tile,), tile)
        band = longer
    if band:
        yield band


def _hull(first: Tile, second: Tile) -> Tile:
    spans = zip(first, second, strict=True)
    return Tile(*(range(min(a.start, b.start), max(a.stop, b.stop)) for a, b in spans))


def _floats(hull: Tile, geometry: Geometry) -> int:
    extent = Extent(len(hull.images), len(hull.rows), len(hull.columns))
    rows, columns = _weights_of(hull, geometry)
    tiling = (rows.stop - rows.start, columns.stop - columns.start)
    weights = 0 if geometry.shares_weights else prod(geometry._replace(tiling=tiling).kernel_blocks)
    return input_floats(geometry, extent) + output_floats(geometry, extent) + weights


def _weights_of(tile: Tile, geometry: Geometry) -> tuple[slice, slice]:
    rows, columns = geometry.tiling
    return _within_period(tile.rows, rows), _within_period(tile.columns, columns)


def _within_period(outputs: range, period: int) -> slice:
    first = outputs.start % period
    return slice(first, first + len(outputs)) if first + len(outputs) <= period else slice(0, period)


def _sources(found: Runs) -> Stretches:
    """The pixels that runs hold, each once."""
    stretches: list[range] = []
    for held in sorted((_pixels(run.source) for run in found if run.source), key=lambda held: held.start):
        if stretches and held.start <= stretches[-1].stop:
            stretches[-1] = range(stretches[-1].start, max(stretches[-1].stop, held.stop))
        else:
            stretches.append(held)
    return tuple(stretches)


def _pixels(source: slice) -> range:
    """The pixels of a run from left to right."""
    if source.step != -1:
        return range(source.start, source.stop)
    return range(0 if source.stop is None else source.stop + 1, source.start + 1)


def _taken(array: Array, axis: int, stretches: Stretches) -> Array:
    """These stretches of an axis, one after the other: a view of a single one."""
    before = (slice(None),) * axis
    parts = [array[*before, slice(stretch.start, stretch.stop)] for stretch in stretches]
    return parts[0] if len(parts) == 1 else np.concatenate([array[*before, :0], *parts], axis)


def _moved(found: Runs, held: Stretches) -> Runs:
    """Runs of the whole as those of what is held of it."""
    if held and held[0].start == 0 and len(held) == 1:
        return found
    return tuple(run if run.source is None else run._replace(source=_place(run.source, held)) for run in found)


def _slice(span: range, first: int) -> slice:
    return slice(span.start - first, span.stop - first)


def _place(source: slice, held: Stretches) -> slice:
    before = 0
    for stretch in held:
        if source.start in stretch:
            return _shifted(source, stretch.start - before)
        before += len(stretch)
    raise AssertionError(f"pixel {source.start} is none of {held}")


def _shifted(source: slice, by: int) -> slice:
    if source.step != -1:
        return slice(source.start - by, source.stop - by)
    stop = (-1 if source.stop is None else source.stop) - by
    return slice(source.start - by, None if stop < 0 else stop, -1)


def _fits_blas(V: Array) -> bool:
    """Whether rows are as BLAS takes them: whole, and one after the other."""
    row, column = V.strides[-2:]
    return column == V.itemsize and row >= V.shape[-1] * V.itemsize
