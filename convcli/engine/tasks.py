"""Tasks: compute Z, or a part of dK or dV, for each tile, and leave it to the caller where the results are stored.

A task holds everything that it reads, and can be pickled. ``only`` reduces it to what a rectangle of tiles reads.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms import CONVOLUTIONS, INPUT_GRADIENTS, KERNEL_GRADIENTS
from convcli.engine.interface import Fill, Weights
from convcli.engine.plan import Choice
from convcli.engine.scratch import Scratch
from convcli.engine.threads import BLAS_ON_ONE_THREAD, each
from convcli.engine.tile_source import TileSource
from convcli.engine.tile_weights import TileWeights
from convcli.engine.tiles import Tile

Compute = Callable[[Tile, Scratch], FloatArray]


class Task(Protocol):
    """A computation that runs tile by tile."""

    @property
    def choice(self) -> Choice:
        """The algorithm and the tiles."""

    def only(self, tile: Tile) -> Self:
        """Return the task reduced to what the tiles within this rectangle read."""

    def runner(self) -> Compute:
        """Return the function that computes a tile."""


def compute(task: Task, tiles: Sequence[Tile]) -> list[FloatArray]:
    """Compute the tiles on one thread, and return their arrays."""
    made: list[FloatArray] = []
    # The prepared weights must not depend on how many threads BLAS has.
    with BLAS_ON_ONE_THREAD:
        run = task.runner()
        each(tiles, lambda tile, scratch: made.append(run(tile, scratch)), threads=1)
    return made


class OutputTask(NamedTuple):
    """The computation of Z, without the bias."""

    choice: Choice
    V: TileSource
    K: TileWeights

    def only(self, tile: Tile) -> "OutputTask":
        """Return the task with the part of V and K that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.choice.work.geometry), K=self.K.only(tile))

    def runner(self) -> Compute:
        """Return the function that computes a tile of Z."""
        fill, geometry, dtype = self.filler(), self.choice.work.geometry, self.choice.work.dtype

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            Z = np.empty(tile.shape(geometry), dtype)
            fill(tile, Z, scratch)
            return Z

        return run

    def filler(self) -> Callable[[Tile, FloatArray, Scratch], None]:
        """Return the function that fills a tile of Z."""
        work, fallback = self.choice.work, self.choice.fallback
        prepared = self.K.prepared(self._prepare(self.choice.algorithm))
        may_spread = fallback and self.V.pixels.dtype.kind == "f"

        def fill(tile: Tile, out: FloatArray, scratch: Scratch) -> None:
            loaded = self.V.load(tile, work.geometry, work.dtype, scratch)
            prepared(tile)(loaded, out, scratch)
            if may_spread and not np.isfinite(out.sum()) and not np.isfinite(loaded).all():
                self._prepare(fallback)(self.K.at(tile))(loaded, out, scratch)

        return fill

    def _prepare(self, algorithm: str) -> Callable[[Weights], Fill]:
        runner = CONVOLUTIONS[algorithm].runner
        return lambda weights: runner(weights, self.choice.work, self.choice.estimate)


class KernelGradientTask(NamedTuple):
    """The computation of what each tile adds to dK, or to the dK of the tile's own weights if these are not shared."""

    choice: Choice
    V: TileSource
    G: TileSource

    def only(self, tile: Tile) -> "KernelGradientTask":
        """Return the task with the part of V and G that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.choice.work.geometry), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes a tile's part of dK."""
        work = self.choice.work
        gradient = KERNEL_GRADIENTS[self.choice.algorithm].runner(work, self.choice.estimate)

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            upstream = np.ascontiguousarray(self.G.at(tile), dtype=work.dtype)
            return gradient(self.V.load(tile, work.geometry, work.dtype, scratch), upstream, scratch)

        return run


class InputGradientTask(NamedTuple):
    """The computation of the gradient of each tile's padded input."""

    choice: Choice
    K: TileWeights
    G: TileSource

    def only(self, tile: Tile) -> "InputGradientTask":
        """Return the task with the part of K and G that the tile reads."""
        return self._replace(K=self.K.only(tile), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes the gradient of a tile's padded input."""
        work, runner = self.choice.work, INPUT_GRADIENTS[self.choice.algorithm].runner
        geometry = work.geometry

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            rows, columns = tile.window(geometry)
            channels = (geometry.groups, geometry.in_channels)
            gradient = np.zeros((len(tile.images), *channels, len(rows), len(columns)), work.dtype)
            add_gradient = runner(self.K.at(tile), work, self.choice.estimate)
            add_gradient(np.ascontiguousarray(self.G.at(tile), dtype=work.dtype), gradient, scratch)
            return gradient

        return run
