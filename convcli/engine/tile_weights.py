"""The weights that each tile needs: one kernel for all tiles, or the outputs' own weights if they do not share any."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.engine.factors import Factors
from convcli.engine.interface import Fill, Weights
from convcli.engine.tiles import Tile
from convcli.geometry.axes import Geometry


class SharedWeights(NamedTuple):
    """A kernel that all outputs share."""

    weights: Weights

    def only(self, tile: Tile) -> "SharedWeights":
        """Return all weights, because every tile needs them."""
        return self

    def at(self, tile: Tile) -> Weights:
        """Return the kernel, which is the same for every tile."""
        return self.weights

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Prepare the weights once, and return a function that returns this one Fill for each tile."""
        fill = prepare(self.weights)
        return lambda tile: fill


class WeightsOfChannels(NamedTuple):
    """A kernel that all outputs share, of which each tile needs the weights of its output channels.

    They are copied and prepared when the tile is computed, so that threads share that work, too.
    """

    K: Array

    def only(self, tile: Tile) -> "WeightsOfChannels":
        """Return all weights, because tiles of all channels follow each other."""
        return self

    def at(self, tile: Tile) -> Weights:
        """Return the weights of a tile's output channels."""
        return Weights(np.ascontiguousarray(self.K[:, tile.channels]))

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Return a function that prepares a tile's weights and returns the tile's Fill."""
        return lambda tile: prepare(self.at(tile))


class OwnWeights(NamedTuple):
    """Weights that outputs do not share, ``(groups, C_out, tr, tc, C_in, kh, kw)``.

    K: the weights, or a part of the tiling.  first: the row and the column of the tiling where K starts.
    """

    K: Array
    geometry: Geometry
    first: tuple[int, int] = (0, 0)

    def only(self, tile: Tile) -> "OwnWeights":
        """Return the weights that a tile's outputs need.

        Along an axis where the outputs lie in more than one period of the tiling, these are all weights of a period.
        """
        rows, columns = _periods(tile, self.geometry)
        K = np.ascontiguousarray(self.K[:, :, rows, columns])
        return OwnWeights(K, self.geometry, (rows.start, columns.start))

    def at(self, tile: Tile) -> Weights:
        """Return a view of the weights of a tile. The tile starts where a period starts, or lies within one period."""
        rows, columns = self.geometry.weights_at(tile.rows, tile.columns)
        y, x = self.first
        return Weights(self.K[:, :, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x])

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Return a function that prepares a tile's weights and returns the tile's Fill."""
        return lambda tile: prepare(self.at(tile))


TileWeights = SharedWeights | WeightsOfChannels | OwnWeights


def tile_weights(K: Array, geometry: Geometry, factors: Factors | None = None) -> TileWeights:
    """Return what gives each tile its weights.

    K: a kernel with the engine's axes.  factors: its factors, if the algorithm uses them.
    """
    return SharedWeights(Weights(K, factors)) if geometry.shares_weights else OwnWeights(K, geometry)


def own_floats(tile: Tile, geometry: Geometry) -> int:
    """Return how many weights a tile needs; 0 if all outputs share them, because then every tile needs the same."""
    if geometry.shares_weights:
        return 0
    rows, columns = _periods(tile, geometry)
    return prod(geometry._replace(tiling=(rows.stop - rows.start, columns.stop - columns.start)).kernel_blocks)


def _periods(tile: Tile, geometry: Geometry) -> tuple[slice, slice]:
    rows, columns = geometry.tiling
    return _period(tile.rows, rows), _period(tile.columns, columns)


def _period(outputs: range, period: int) -> slice:
    """Return the slice of a period that outputs along one axis need: a part if they lie in one period, or all of it."""
    first = outputs.start % period
    return slice(first, first + len(outputs)) if first + len(outputs) <= period else slice(0, period)
