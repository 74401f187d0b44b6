"""What is computed of a tile, apart from where it goes: Z, a part of dK, or windows' gradients.

A task holds all that it reads, and can be pickled; ``only`` is the same task for fewer tiles, with what these read.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms import unshared
from convcli.engine.plan import CONVOLUTIONS, DEFINITION, KERNEL_GRADIENTS, Plan
from convcli.engine.scratch import Scratch
from convcli.engine.slabs import Slab, Weights
from convcli.engine.threads import BLAS, each
from convcli.engine.tiles import Tile

Compute = Callable[[Tile, Scratch], FloatArray]


class Task(Protocol):
    """What ``compute`` does for tiles."""

    @property
    def plan(self) -> Plan:
        """Which tiles there are."""

    def only(self, tile: Tile) -> Self:
        """The task for the tiles within this one."""

    def runner(self) -> Compute:
        """The function that computes a tile."""


def compute(task: Task, tiles: Sequence[Tile]) -> list[FloatArray]:
    """What the task makes of each tile, on one thread."""
    made: list[FloatArray] = []
    run = task.runner()
    each(tiles, lambda tile, scratch: made.append(run(tile, scratch)), threads=1)
    return made


class Convolution(NamedTuple):
    """Z's tiles, without the bias."""

    plan: Plan
    V: Slab
    K: Weights

    def only(self, tile: Tile) -> "Convolution":
        """Return the task with the part of V and K that the tile reads."""
        geometry = self.plan.work.geometry
        return self._replace(V=self.V.read_by(tile, geometry), K=self.K.of(tile, geometry))

    def runner(self) -> Compute:
        """Return the function that computes a tile of Z."""
        fill, geometry, dtype = self.filler(), self.plan.work.geometry, self.plan.work.dtype

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            Z = np.empty(tile.shape(geometry), dtype)
            fill(tile, Z, scratch)
            return Z

        return run

    # What is made of the kernel must be the same wherever BLAS has more threads.
    @BLAS.held()
    def filler(self) -> Callable[[Tile, FloatArray, Scratch], None]:
        """The function that fills a tile of Z."""
        plan, geometry = self.plan, self.plan.work.geometry
        algorithm = CONVOLUTIONS[plan.algorithm]
        shared = algorithm.runner(self.K.K, plan.work, plan.estimate) if geometry.shares_weights else None
        may_spread = self.V.pixels.dtype.kind == "f" and plan.estimate.spreads

        def fill(tile: Tile, out: FloatArray, scratch: Scratch) -> None:
            loaded = self.V.load(tile, geometry, plan.work.dtype, scratch)
            run = shared or algorithm.runner(self.K.at(tile, geometry), plan.work, plan.estimate)
            run(loaded, out, scratch)
            if may_spread and not np.isfinite(out.sum()) and not np.isfinite(loaded).all():
                CONVOLUTIONS[DEFINITION].runner(self.K.K, plan.work, plan.estimate)(loaded, out, scratch)

        return fill


class KernelGradient(NamedTuple):
    """What each tile adds to dK, or to that of its own weights."""

    plan: Plan
    V: Slab
    G: Slab

    def only(self, tile: Tile) -> "KernelGradient":
        """Return the task with the part of V and G that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.plan.work.geometry), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes a tile's part of dK."""
        plan, dtype = self.plan, self.plan.work.dtype
        gradient = KERNEL_GRADIENTS[plan.algorithm].gradient_runner(plan.work, plan.estimate)

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            upstream = np.ascontiguousarray(self.G.at(tile), dtype=dtype)
            return gradient(self.V.load(tile, plan.work.geometry, dtype, scratch), upstream, scratch)

        return run


class InputGradient(NamedTuple):
    """The gradient of the padded input that each tile's windows read, for weights that are not shared."""

    plan: Plan
    K: Weights
    G: Slab

    def only(self, tile: Tile) -> "InputGradient":
        """Return the task with the part of K and G that the tile reads."""
        return self._replace(K=self.K.of(tile, self.plan.work.geometry), G=self.G.within(tile))

    def runner(self) -> Compute:
        """Return the function that computes the gradient of a tile's padded input."""
        plan, (geometry, dtype, *_) = self.plan, self.plan.work

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            rows, columns = tile.window(geometry)
            channels = (geometry.groups, geometry.in_channels)
            gradient = np.zeros((len(tile.images), *channels, len(rows), len(columns)), dtype)
            send = unshared.adjoint_runner(self.K.at(tile, geometry), plan.work, plan.estimate)
            send(np.ascontiguousarray(self.G.at(tile), dtype=dtype), gradient, scratch)
            return gradient

        return run
