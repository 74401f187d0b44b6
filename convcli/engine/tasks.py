"""Tasks: compute Z, or a part of dK or dV, for each tile, and leave it to the caller where the results are stored.

A task holds everything that it reads, and can be pickled. ``only`` reduces it to what a rectangle of tiles reads.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.algorithms import CONVOLUTIONS, INPUT_GRADIENTS, KERNEL_GRADIENTS
from convcli.engine.guards import Note, in_layers, minus_reference, rounded, unless_even, within_windows
from convcli.engine.interface import Fill, Weights, Workload
from convcli.engine.plan import Choice, choose_convolution
from convcli.engine.scratch import Scratch
from convcli.engine.threads import BLAS_ON_ONE_THREAD, each
from convcli.engine.tile_source import TileSource
from convcli.engine.tile_weights import TileWeights
from convcli.engine.tiles import Tile, without_pads

Compute = Callable[[Tile, Scratch], FloatArray]


class Task(Protocol):
    """A computation that runs tile by tile."""

    @property
    def choice(self) -> Choice:
        """The algorithm and the tiles."""

    def only(self, tile: Tile) -> Self:
        """Return the task reduced to what the tiles within this rectangle read."""

    def runner(self, note: Note) -> Compute:
        """Return the function that computes a tile, and calls ``note`` for each fallback that it takes."""


def compute(task: Task, tiles: Sequence[Tile]) -> tuple[list[FloatArray], list[str]]:
    """Return what the task computes for each tile, on one thread, and the names of the fallbacks that tiles took."""
    made: list[FloatArray] = []
    fallbacks: list[str] = []
    # The prepared weights must not depend on how many threads BLAS has.
    with BLAS_ON_ONE_THREAD:
        run = task.runner(fallbacks.append)
        each(tiles, lambda tile, scratch: made.append(run(tile, scratch)), threads=1)
    return made, fallbacks


class OutputTask(NamedTuple):
    """The computation of Z, without the bias.

    reference: what is subtracted from each plane of V first, ``(images, groups, channels)``; or None.
    """

    choice: Choice
    V: TileSource
    K: TileWeights
    reference: FloatArray | None = None

    def only(self, tile: Tile) -> "OutputTask":
        """Return the task with the part of V and K that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.choice.work.geometry), K=self.K.only(tile))

    def runner(self, note: Note) -> Compute:
        """Return the function that computes a tile of Z."""
        fill, geometry, dtype = self.filler(note), self.choice.work.geometry, self.choice.work.dtype

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            Z = np.empty(tile.shape(geometry), dtype)
            fill(tile, Z, scratch)
            return Z

        return run

    def filler(self, note: Note) -> Callable[[Tile, FloatArray, Scratch], None]:
        """Return the function that fills a tile of Z, and calls ``note`` for each fallback that it takes."""
        work = self.choice.computed
        prepared = self.K.prepared(lambda weights: self._guarded(weights, note))

        def fill(tile: Tile, out: FloatArray, scratch: Scratch) -> None:
            run = prepared(tile)
            if self.reference is not None:
                c = self.reference[tile.images.start : tile.images.stop]
                run = minus_reference(run, self.K.at(tile).K, work.geometry, c, note)
            run(self.V.load(tile, work.geometry, work.dtype, scratch), out, scratch)

        return fill

    def _guarded(self, weights: Weights, note: Note) -> Fill:
        geometry, estimate = self.choice.work.geometry, self.choice.estimate
        fill = guarded = CONVOLUTIONS[self.choice.algorithm].runner(weights, self.choice.computed, estimate)
        if estimate.mixes:
            guarded = in_layers(guarded, geometry, note)
        # Integers are finite.
        if estimate.spreads and self.V.pixels.dtype.kind == "f":
            guarded = within_windows(guarded, self._with_other_weights, weights.K, geometry, note)
        if estimate.mixes:
            guarded = unless_even(fill, guarded, geometry)
        return rounded(guarded, geometry, self.V.pixels.dtype) if estimate.rounded else guarded

    def _with_other_weights(self, K: Array) -> Fill:
        """Return the function that fills a tile of Z for other weights, in float64, by the fastest algorithm."""
        work = self.choice.computed.in_double

        def fill(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
            geometry, source = without_pads(work.geometry, tile), TileSource.whole(tile)
            choice = choose_convolution(Workload(geometry, work.dtype, work.memory, limits=work.limits))
            run = CONVOLUTIONS[choice.algorithm].runner(Weights(K), choice.work, choice.estimate)
            for part in choice.tiles:
                with scratch.borrowed():
                    run(source.load(part, geometry, work.dtype, scratch), out[part.place], scratch)

        return fill


class KernelGradientTask(NamedTuple):
    """The computation of what each tile adds to dK, or to the dK of the tile's own weights if these are not shared."""

    choice: Choice
    V: TileSource
    G: TileSource

    def only(self, tile: Tile) -> "KernelGradientTask":
        """Return the task with the part of V and G that the tile reads."""
        return self._replace(V=self.V.read_by(tile, self.choice.work.geometry), G=self.G.within(tile))

    def runner(self, note: Note) -> Compute:
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

    def runner(self, note: Note) -> Compute:
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
