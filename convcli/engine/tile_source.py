"""Where tiles read V or G: from the whole array, or from the images, rows and columns of it that a band needs.

Tiles always give positions in the whole array; a source knows which rows and columns it holds. It holds each pixel
once, and no pads: these are filled when a tile is loaded.
"""

from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import Tile
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import Runs, pad

# Spans of an axis, from left to right, that do not touch.
Spans = tuple[range, ...]


class TileSource(NamedTuple):
    """Some images, rows and columns of an array ``(images, groups, channels, H, W)``, and which they are."""

    pixels: Array
    first_image: int
    rows: Spans
    columns: Spans

    @classmethod
    def whole(cls, array: Array) -> "TileSource":
        """Return a source that holds all of an array."""
        height, width = array.shape[-2:]
        return cls(array, 0, (range(height),), (range(width),))

    def read_by(self, tile: Tile, geometry: Geometry) -> "TileSource":
        """Return the part of V that the windows of a tile read, including pixels that they read as copies in pads."""
        rows, columns = tile.runs(geometry)
        return self._only(tile.images, _sources(rows), _sources(columns))

    def within(self, tile: Tile) -> "TileSource":
        """Return the part of G that a tile covers."""
        return self._only(tile.images, (tile.rows,), (tile.columns,))

    def _only(self, images: range, rows: Spans, columns: Spans) -> "TileSource":
        pixels = _joined(_joined(self.pixels[images.start : images.stop], 3, rows), 4, columns)
        return TileSource(np.ascontiguousarray(pixels), images.start, rows, columns)

    def at(self, tile: Tile) -> Array:
        """Return a view of the pixels of G that a tile covers."""
        (rows,), (columns,) = self.rows, self.columns
        return self._images(tile)[..., _slice(tile.rows, rows.start), _slice(tile.columns, columns.start)]

    def load(self, tile: Tile, geometry: Geometry, dtype: np.dtype[Any], scratch: Scratch) -> FloatArray:
        """Return the padded input of a tile's windows as floats: a view of V if its type fits and no pads are read."""
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


def _sources(runs: Runs) -> Spans:
    """Return the spans of pixels that runs copy, each pixel once."""
    found: list[range] = []
    for span in sorted((_pixels(run.source) for run in runs if run.source), key=lambda span: span.start):
        if found and span.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return tuple(found)


def _pixels(source: slice) -> range:
    """Return the pixels of a run from left to right."""
    if source.step != -1:
        return range(source.start, source.stop)
    return range(0 if source.stop is None else source.stop + 1, source.start + 1)


def _joined(array: Array, axis: int, spans: Spans) -> Array:
    """Return the spans of an axis joined into one array: a view if there is only one span."""
    before = (slice(None),) * axis
    found = [array[*before, slice(span.start, span.stop)] for span in spans]
    return found[0] if len(found) == 1 else np.concatenate([array[*before, :0], *found], axis)


def _moved(runs: Runs, held: Spans) -> Runs:
    """Return runs on the whole axis as runs on the part of it that is held: these spans, joined."""
    if held and held[0].start == 0 and len(held) == 1:
        return runs
    return tuple(run if run.source is None else run._replace(source=_place(run.source, held)) for run in runs)


def _place(source: slice, held: Spans) -> slice:
    before = 0
    for span in held:
        if source.start in span:
            return _shifted(source, span.start - before)
        before += len(span)
    raise AssertionError(f"pixel {source.start} is in none of {held}")


def _shifted(source: slice, by: int) -> slice:
    if source.step != -1:
        return slice(source.start - by, source.stop - by)
    stop = (-1 if source.stop is None else source.stop) - by
    return slice(source.start - by, None if stop < 0 else stop, -1)


def _slice(span: range, first: int) -> slice:
    return slice(span.start - first, span.stop - first)


def _fits_blas(V: Array) -> bool:
    """Return whether BLAS can read V without a copy: its rows are contiguous, in order, and do not overlap."""
    row, column = V.strides[-2:]
    return column == V.itemsize and row >= V.shape[-1] * V.itemsize
