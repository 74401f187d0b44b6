"""Tasks: compute Z, or a part of dK or dV, for each tile, and leave it to the caller where the results are stored.

A task holds everything that it reads, and can be pickled. ``only`` reduces it to what a rectangle of tiles reads.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from convcli.arrays import Array, FloatArray, is_whole
from convcli.engine.algorithms import CONVOLUTIONS, INPUT_GRADIENTS, KERNEL_GRADIENTS
from convcli.engine.guards import Note, in_layers, minus_reference, one_by_one, rounded, unless_even, within_windows
from convcli.engine.interface import Estimate, Fill, TileGradient, Weights, Workload
from convcli.engine.plan import Choice, choose_convolution
from convcli.engine.scratch import Scratch
from convcli.engine.threads import BLAS_ON_ONE_THREAD, each
from convcli.engine.tile_source import TileSource
from convcli.engine.tile_weights import TileWeights
from convcli.engine.tiles import Tile, gradient_as_convolution, without_pads

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
        work, estimate = self.choice.computed, self.choice.estimate
        runner, stored = CONVOLUTIONS[self.choice.algorithm].runner, self.V.pixels.dtype

        def prepare(weights: Weights) -> Fill:
            return _guarded(runner(weights, work, estimate), weights.K, work, estimate, stored, note)

        prepared = self.K.prepared(prepare)

        def fill(tile: Tile, out: FloatArray, scratch: Scratch) -> None:
            run = prepared(tile)
            if self.reference is not None:
                c = self.reference[tile.images.start : tile.images.stop]
                run = minus_reference(run, self.K.at(tile).K, work.geometry, c, note)
            run(self.V.load(tile, work.geometry, work.dtype, scratch), out, scratch)

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
        work, estimate = self.choice.computed, self.choice.estimate
        gradient = KERNEL_GRADIENTS[self.choice.algorithm].runner(work, estimate)
        if estimate.spreads:
            stored = np.result_type(self.V.pixels, self.G.pixels)
            gradient = _guarded_gradient(gradient, work, estimate, stored, note)
        if estimate.mixes:
            gradient = one_by_one(gradient, work.geometry, note)

        def run(tile: Tile, scratch: Scratch) -> FloatArray:
            upstream = self.G.at(tile).astype(work.dtype, copy=False)
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


def _guarded(fill: Fill, K: Array, work: Workload, estimate: Estimate, stored: np.dtype[Any], note: Note) -> Fill:
    """Return a function that fills a tile as ``fill`` does, with the fallbacks of the plan.

    stored: the type of V.
    """
    geometry, guarded = work.geometry, fill
    # Layers would drop infinite weights where V is 0.
    layered = estimate.mixes and bool(np.isfinite(K).all())
    if layered:
        guarded = in_layers(guarded, geometry, note)
    # Integers are finite.
    if estimate.spreads and stored.kind == "f":
        guarded = within_windows(guarded, partial(_with_other_weights, work.in_double), K, geometry, note)
    if layered:
        guarded = unless_even(fill, guarded, geometry)
    return rounded(guarded, geometry, stored) if estimate.rounded else guarded


def _with_other_weights(work: Workload, K: Array) -> Fill:
    """Return the function that fills a tile of Z for other weights, by the fastest algorithm."""

    def fill(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        geometry, source = without_pads(work.geometry, tile), TileSource.whole(tile)
        # The result must not depend on what this process has loaded.
        limits = work.limits._replace(compiled=False)
        choice = choose_convolution(Workload(geometry, work.dtype, work.memory, limits=limits))
        run = CONVOLUTIONS[choice.algorithm].runner(Weights(K), choice.work, choice.estimate)
        for part in choice.tiles:
            with scratch.borrowed():
                run(source.load(part, geometry, work.dtype, scratch), out[part.place], scratch)

    return fill


def _guarded_gradient(
    gradient: TileGradient, work: Workload, estimate: Estimate, stored: np.dtype[Any], note: Note
) -> TileGradient:
    """Return a function that computes what ``gradient`` does, with the fallbacks of the plan.

    The guards see a convolution of the tile with its part of G.  stored: the type of V and G together.
    """

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        convolution = gradient_as_convolution(work.geometry, tile, upstream)
        whole = estimate.rounded and (stored.kind != "f" or is_whole(upstream))

        def fill(V: FloatArray, Z: FloatArray, scratch: Scratch) -> None:
            Z[...] = gradient(V.swapaxes(0, 2), upstream, scratch).transpose(2, 0, 1, 3, 4)

        as_convolution = work._replace(geometry=convolution.geometry)
        guarded = _guarded(fill, convolution.K, as_convolution, estimate._replace(rounded=whole), stored, note)
        guarded(convolution.V, convolution.Z, scratch)
        return convolution.dK

    return run
