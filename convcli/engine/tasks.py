"""Tasks: what is computed for each tile (Z, a part of dK, or a part of dV), apart from where it is stored.

A task holds everything that it reads and can be pickled. ``only`` cuts it down to some tiles and what they read.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms import CONVOLUTIONS, DEFINITION, KERNEL_GRADIENTS, unshared
from convcli.engine.plan import Choice
from convcli.engine.scratch import Scratch
from convcli.engine.slabs import Slab, Weights
from convcli.engine.threads import BLAS, each
from convcli.engine.tiles import Tile

Compute = Callable[[Tile, Scratch], FloatArray]


class Task(Protocol):
    """Something that can be computed tile by tile."""

    @property
    def choice(self) -> Choice:
        """The algorithm and the tiles."""

    def only(self, tile: Tile) -> Self:
        """Return the task for the tiles within this one."""

    def runner(self) -> Compute:
        """Return the function that computes a tile."""


def compute(task: Task, tiles: Sequence[Tile]) -> list[FloatArray]:
    """Return what the task computes for each tile, on one thread."""
    made: list[FloatArray] = []
    run = task.runner()
    each(tiles, lambda tile, scratch: made.append(run(tile, scratch)), threads=1)
    return made


class OutputTask(NamedTuple):
    """Computes tiles of Z, without the bias."""

    choice: Choice
    V: Slab
    K: Weights

    def only(self, tile: Tile) -> "OutputTask":
        """Return the task with the part of V and K that the tile reads."""
        geometry = self.choice.work.geometry
        return self._replace(V=self.V.read_by(tile, geometry), K=self.K.of(tile, geometry))

    def runner(self) -> Compute:
        """Return the function that computes a tile of Z."""
        fill, geometry, dtype = self.filler(), self.choice.work.geometry, self.choice.work.dtype

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            Z = np.empty(tile.shape(geometry), dtype)
            fill(tile, Z, scratch)
            return Z

        return run

    # What is made of the kernel must be the same wherever BLAS has more threads.
    @BLAS.held()
    def filler(self) -> Callable[[Tile, FloatArray, Scratch], None]:
        """The function that fills a tile of Z."""
        work, estimate = self.choice.work, self.choice.estimate
        geometry, algorithm = work.geometry, CONVOLUTIONS[self.choice.algorithm]
        shared = algorithm.runner(self.K.K, work, estimate) if geometry.shares_weights else None
        may_spread = self.V.pixels.dtype.kind == "f" and estimate.spreads

        def fill(tile: Tile, out: FloatArray, scratch: Scratch) -> None:
            loaded = self.V.load(tile, geometry, work.dtype, scratch)
            run = shared or algorithm.runner(self.K.at(tile, geometry), work, estimate)
            run(loaded, out, scratch)
            if may_spread and not np.isfinite(out.sum()) and not np.isfinite(loaded).all():
                CONVOLUTIONS[DEFINITION].runner(self.K.K, work, estimate)(loaded, out, scratch)

        return fill


class KernelGradientTask(NamedTuple):
    """Computes what each tile adds to dK, or to the dK of the tile's own weights."""

    choice: Choice
    V: Slab
    G: Slab

    def only(self, tile: Tile) -> "KernelGradientTask":
        """Return the task with the part of V and G that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.choice.work.geometry), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes a tile's part of dK."""
        work = self.choice.work
        gradient = KERNEL_GRADIENTS[self.choice.algorithm].gradient_runner(work, self.choice.estimate)

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            upstream = np.ascontiguousarray(self.G.at(tile), dtype=work.dtype)
            return gradient(self.V.load(tile, work.geometry, work.dtype, scratch), upstream, scratch)

        return run


class InputGradientTask(NamedTuple):
    """Computes the gradient of the padded input that each tile's windows read, for weights that are not shared."""

    choice: Choice
    K: Weights
    G: Slab

    def only(self, tile: Tile) -> "InputGradientTask":
        """Return the task with the part of K and G that the tile reads."""
        return self._replace(K=self.K.of(tile, self.choice.work.geometry), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes the gradient of a tile's padded input."""
        work = self.choice.work
        geometry = work.geometry

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            rows, columns = tile.window(geometry)
            channels = (geometry.groups, geometry.in_channels)
            gradient = np.zeros((len(tile.images), *channels, len(rows), len(columns)), work.dtype)
            send = unshared.adjoint_runner(self.K.at(tile, geometry), work, self.choice.estimate)
            send(np.ascontiguousarray(self.G.at(tile), dtype=work.dtype), gradient, scratch)
            return gradient

        return run
