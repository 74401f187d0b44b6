"""Bands: consecutive tiles that go to a cluster worker together."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from convcli.engine.tile_weights import own_floats
from convcli.engine.tiles import Tile, TileSize, input_floats, output_floats
from convcli.geometry.axes import Geometry


class Band(NamedTuple):
    """Consecutive tiles, and the rectangle of output around them."""

    tiles: tuple[Tile, ...]
    bounds: Tile


def bands(tiles: Iterable[Tile], geometry: Geometry, floats: int) -> Iterator[Band]:
    """Yield bands of consecutive tiles, each with as many tiles as fit in ``floats``, but at least one.

    The input that the tiles read, their weights if outputs do not share them, and their output are counted.
    """
    band: Band | None = None
    for tile in tiles:
        longer = Band((*band.tiles, tile), _bounds(band.bounds, tile)) if band else Band((tile,), tile)
        if band and _floats(longer.bounds, geometry) > floats:
            yield band
            longer = Band((tile,), tile)
        band = longer
    if band:
        yield band


def _bounds(first: Tile, second: Tile) -> Tile:
    spans = zip(first.spans, second.spans, strict=True)
    images, rows, columns = (range(min(a.start, b.start), max(a.stop, b.stop)) for a, b in spans)
    return Tile(images, rows, columns)


def _floats(bounds: Tile, geometry: Geometry) -> int:
    size = TileSize(len(bounds.images), len(bounds.rows), len(bounds.columns))
    return input_floats(geometry, size) + output_floats(geometry, size) + own_floats(bounds, geometry)
