"""The weights of each tile's outputs: those that all outputs share, or those of the outputs themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from convcli.arrays import Array
from convcli.engine.factors import Factors
from convcli.engine.interface import Fill, Weights
from convcli.engine.tiles import Tile
from convcli.geometry.axes import Geometry


@dataclass(frozen=True, slots=True)
class SharedWeights:
    """A kernel that all outputs share."""

    weights: Weights

    def only(self, tile: Tile) -> "SharedWeights":
        """Return the weights that a tile's outputs need: all."""
        return self

    def at(self, tile: Tile) -> Weights:
        """Return the weights of a tile: all."""
        return self.weights

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Prepare the weights once, and return the function that returns each tile's Fill."""
        fill = prepare(self.weights)
        return lambda tile: fill


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """Weights of each output's own, ``(groups, C_out, tr, tc, C_in, kh, kw)``.

    first: the row and the column of the tiling where K starts.
    """

    K: Array
    geometry: Geometry
    first: tuple[int, int] = (0, 0)

    def only(self, tile: Tile) -> "OwnWeights":
        """Return the weights that a tile's outputs need; all along an axis if these lie in more than one period."""
        rows, columns = _periods(tile, self.geometry)
        K = np.ascontiguousarray(self.K[:, :, rows, columns])
        return OwnWeights(K, self.geometry, (rows.start, columns.start))

    def at(self, tile: Tile) -> Weights:
        """Return a view of the weights of a tile, which starts with a period or lies within one."""
        rows, columns = self.geometry.weights_at(tile.rows, tile.columns)
        y, x = self.first
        return Weights(self.K[:, :, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x])

    def prepared(self, prepare: Callable[[Weights], Fill]) -> Callable[[Tile], Fill]:
        """Return the function that prepares each tile's weights and returns its Fill."""
        return lambda tile: prepare(self.at(tile))


TileWeights = SharedWeights | OwnWeights


def tile_weights(K: Array, geometry: Geometry, factors: Factors | None = None) -> TileWeights:
    """Return a kernel with the engine's axes, and the factors that an algorithm needs, as the weights of its tiles."""
    return SharedWeights(Weights(K, factors)) if geometry.shares_weights else OwnWeights(K, geometry)


def own_floats(tile: Tile, geometry: Geometry) -> int:
    """Return how many weights a tile's outputs do not share with all others."""
    if geometry.shares_weights:
        return 0
    rows, columns = _periods(tile, geometry)
    return prod(geometry._replace(tiling=(rows.stop - rows.start, columns.stop - columns.start)).kernel_blocks)


def _periods(tile: Tile, geometry: Geometry) -> tuple[slice, slice]:
    rows, columns = geometry.tiling
    return _period(tile.rows, rows), _period(tile.columns, columns)


def _period(outputs: range, period: int) -> slice:
    """Return the weights of outputs along one axis: some within a period, or all."""
    first = outputs.start % period
    return slice(first, first + len(outputs)) if first + len(outputs) <= period else slice(0, period)
