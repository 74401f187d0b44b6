"""Compute every tile of a plan, in this process or on a cluster, and store the tiles or add them up.

V, K, Z, G and dK have the engine's axes (``Geometry.input_blocks`` and so on), and any real type.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, cut
from convcli.engine.algorithms import CONVOLUTIONS, KERNEL_GRADIENTS
from convcli.engine.bands import bands
from convcli.engine.compiled.starts import miss
from convcli.engine.execution import Execution
from convcli.engine.factors import KernelBlocks
from convcli.engine.interface import Algorithm, LevelFiller, Weights
from convcli.engine.levels import LevelStore
from convcli.engine.plan import Choice, Pass, Plan
from convcli.engine.reference import references, shift_of
from convcli.engine.scratch import Scratch
from convcli.engine.tasks import InputGradientTask, KernelGradientTask, OutputTask, Task, compute
from convcli.engine.threads import BLAS_ON_ONE_THREAD, OrderedQueue, each
from convcli.engine.tile_source import TileSource
from convcli.engine.tile_weights import TileWeights, WeightsOfChannels, tile_weights
from convcli.engine.tiles import Tile
from convcli.geometry.edges import pad_adjoint

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster

# Stores one finished tile of Z, given its slices in Z and its numbers. Several threads call it at once.
Store = Callable[[tuple[slice, ...], FloatArray], None]


# How many input channels of dK are stored together.
TOGETHER = 8

# How many tiles each algorithm computed, and how many of them took each fallback.
Tally = Counter[str]


class Job(NamedTuple):
    """A task, its tiles, and the function that takes each tile with its result."""

    task: Task
    tiles: Sequence[Tile]
    take: Callable[[Tile, FloatArray], None]


def convolve(V: Array, kernel: KernelBlocks, plan: Plan, out: FloatArray, bias: FloatArray | None = None) -> Tally:
    """Fill ``out`` with Z: the correlation of V and the kernel, plus the bias, which broadcasts against Z."""
    tally, reference = Tally(), _reference(V, plan)
    for number, each_pass in enumerate(plan.passes):
        # Later passes add the sum of the earlier ones, as if it were a bias.
        added = _shifted(bias, kernel.K, reference) if number == 0 else out
        tally.update(_convolve(V, kernel, each_pass, reference, _WholeZ(out, added), plan.execution))
    return tally


def convolve_and_store(
    V: Array, kernel: KernelBlocks, plan: Plan, store: Store, bias: FloatArray | None = None
) -> Tally:
    """Compute Z, and pass each finished tile to ``store`` once, while the tile is in cache."""
    work = plan.first.work
    shape = work.geometry.output_blocks
    if len(plan.passes) == 1:
        reference = _reference(V, plan)
        if isinstance(store, LevelStore) and reference is None:
            filler = _level_filler(V, kernel, plan, store, bias)
            if filler:
                return _fill_levels(filler, plan, store)
        output = _SeparateTiles(shape, work.dtype, store, _shifted(bias, kernel.K, reference))
        return _convolve(V, kernel, plan.passes[0], reference, output, plan.execution)
    Z = np.empty(shape, work.dtype)
    tally = convolve(V, kernel, plan, Z, bias)
    store((slice(None),) * Z.ndim, Z)
    return tally


def _level_filler(
    V: Array, kernel: KernelBlocks, plan: Plan, store: LevelStore, bias: FloatArray | None
) -> LevelFiller | None:
    """Return how V becomes levels in one pass, if the plan's algorithm can do that in this process."""
    run = CONVOLUTIONS[plan.first.algorithm].levels
    if run is None or not plan.makes_levels:
        return None
    return run(Weights(kernel.K), plan.first.work, V, store, bias)


def _fill_levels(filler: LevelFiller, plan: Plan, store: LevelStore) -> Tally:
    choice, tallies = plan.first, list[Any]()
    advance = _advancer(choice, plan.execution, len(filler.tiles))

    def fill(tile: range, scratch: Scratch) -> None:
        tallies.append(filler.fill(tile, scratch))
        advance()

    each(filler.tiles, fill, threads=plan.execution.threads_for(choice.estimate))
    store.count(filler.statistics(tallies))
    return Tally([choice.algorithm] * len(filler.tiles))


def _advancer(choice: Choice, execution: Execution, tiles: int) -> Callable[[], None]:
    """Return the function that reports that one of the tiles of a pass is finished."""
    watch = execution.watch
    if watch is None:
        return lambda: None
    # Once per pass, because a cluster's scheduler is asked how many workers it has.
    seconds = execution.seconds_for(choice.estimate) / tiles
    return lambda: watch.advance(seconds)


def _reference(V: Array, plan: Plan) -> FloatArray | None:
    return references(V) if plan.first.work.cancels else None


def _shifted(bias: FloatArray | None, K: Array, reference: FloatArray | None) -> FloatArray | None:
    """Return the bias plus what the subtracted reference adds to Z."""
    if reference is None:
        return bias
    shift = shift_of(K, reference)
    return shift if bias is None else bias + shift


class _WholeZ:
    """The whole of Z as an array of floats. Tiles are computed in place, or in scratch memory if a bias is added."""

    def __init__(self, out: FloatArray, bias: FloatArray | None) -> None:
        self._out, self._bias = out, None if bias is None else np.broadcast_to(bias, out.shape)

    def array_for(self, part: tuple[slice, ...], scratch: Scratch) -> FloatArray:
        """Return the array in which to compute a tile."""
        out = self._out[part]
        return out if self._bias is None else scratch.array(out.shape, out.dtype)

    def finish(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        """Add the bias to a tile that was computed in its array, and store it."""
        if self._bias is not None:
            np.add(tile, self._bias[part], out=self._out[part])

    def take(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        """Store a tile that a cluster computed, plus the bias."""
        if self._bias is None:
            self._out[part] = tile
        else:
            self.finish(part, tile)


class _SeparateTiles:
    """Z as separate tiles. Each is computed in scratch memory, and passed to ``store``."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], store: Store, bias: FloatArray | None) -> None:
        self._shape, self._dtype, self._store = shape, dtype, store
        self._bias = None if bias is None else np.broadcast_to(bias, shape)

    def array_for(self, part: tuple[slice, ...], scratch: Scratch) -> FloatArray:
        """Return the array in which to compute a tile."""
        shape = tuple(len(range(*span.indices(size))) for span, size in zip(part, self._shape, strict=True))
        tile: FloatArray = scratch.array(shape, self._dtype)
        return tile

    def finish(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        """Add the bias to a tile that was computed in its array, and store it."""
        if self._bias is not None:
            np.add(tile, self._bias[part], out=tile)
        self._store(part, tile)

    take = finish


def _convolve(
    V: Array,
    kernel: KernelBlocks,
    each_pass: Pass,
    reference: FloatArray | None,
    output: _WholeZ | _SeparateTiles,
    execution: Execution,
) -> Tally:
    choice, fallbacks = each_pass.choice, list[str]()
    task, tiles = OutputTask(choice, TileSource.whole(V), _weights(kernel, each_pass), reference), choice.tiles
    advance = _advancer(choice, execution, len(tiles))
    _count_savings(CONVOLUTIONS, choice)
    if execution.cluster:
        for tile, made in _on_cluster(task, execution.cluster, execution.limits.band, fallbacks):
            output.take(tile.place, made)
            advance()
        return Tally([choice.algorithm] * len(tiles) + fallbacks)
    # One context for preparing and computing: leaving and entering again takes as long as convolving a small image.
    with BLAS_ON_ONE_THREAD:
        fill = task.filler(fallbacks.append)

        def fill_in_place(tile: Tile, scratch: Scratch) -> None:
            part = tile.place
            filled = output.array_for(part, scratch)
            fill(tile, filled, scratch)
            output.finish(part, filled)
            advance()

        each(tiles, fill_in_place, threads=execution.threads_for(choice.estimate))
    return Tally([choice.algorithm] * len(tiles) + fallbacks)


def _count_savings(algorithms: Mapping[str, Algorithm[Any]], choice: Choice) -> None:
    """Count what this choice would have saved by algorithms whose loops are not loaded."""
    for name, seconds in choice.saved_by_others:
        miss(algorithms[name].loops(choice.work), seconds)


def _weights(kernel: KernelBlocks, each_pass: Pass) -> TileWeights:
    part, choice = each_pass.sub_kernel, each_pass.choice
    if choice.estimate.tile.channels:
        return WeightsOfChannels(kernel.K[..., part.rows, part.columns])
    # BLAS adds in another order, and rounds differently, if the weights are not contiguous, as in a rotated kernel.
    K = np.ascontiguousarray(kernel.K[..., part.rows, part.columns])
    if not CONVOLUTIONS[choice.algorithm].factored:
        return tile_weights(K, part.geometry)
    factors = kernel.at(part.rows, part.columns).factors_of(choice.work.traits, choice.computed.dtype)
    return tile_weights(K, part.geometry, factors)


def kernel_gradient(V: Array, G: Array, plan: Plan, out: FloatArray) -> None:
    """Fill ``out``, which holds zeros, with dK: per tap, the sum of G times the pixels of V that the tap reads.

    Products are computed in the plan's type, and tiles are added up in float64.
    """
    source = TileSource.whole(V)
    sums: list[_SumOfTiles] = []
    jobs: list[Job] = []
    for each_pass in plan.passes:
        _count_savings(KERNEL_GRADIENTS, each_pass.choice)
        upstream, tiles = TileSource.whole(G[:, :, each_pass.sub_kernel.channels]), each_pass.choice.tiles
        sums.append(_SumOfTiles(each_pass, len(tiles), out))
        jobs.append(Job(KernelGradientTask(each_pass.choice, source, upstream), tiles, sums[-1].add))
    _compute_in_order(jobs, plan.execution)
    for total in sums:
        total.store()


class _SumOfTiles:
    """The sum of the gradients of a pass's tiles, in float64, because a long sum in float32 would round."""

    def __init__(self, each_pass: Pass, tiles: int, out: FloatArray) -> None:
        part, self._geometry = each_pass.sub_kernel, each_pass.choice.work.geometry
        self._out = out[:, part.channels, ..., part.rows, part.columns]
        self._alone = tiles == 1
        # Each tile has weights of its own, if outputs do not share them.
        own = self._out if out.dtype == np.float64 else np.zeros(self._out.shape)
        self._total: FloatArray | None = None if self._geometry.shares_weights else own

    def add(self, tile: Tile, gradient: FloatArray) -> None:
        """Add the gradient of a tile."""
        if self._total is None:
            # The sum has the gradient's order in memory: adding arrays of different orders takes several times as long.
            self._total = gradient if self._alone else gradient.astype(np.float64)
        else:
            to = tile_weights(self._total, self._geometry).at(tile).K
            np.add(to, gradient, out=to)

    def store(self) -> None:
        """Store the sum."""
        if self._total is not None and self._total is not self._out:
            # A few input channels at a time, so that they stay in cache if the arrays have different orders.
            for channels in cut(range(self._geometry.in_channels), TOGETHER):
                some = ..., slice(channels.start, channels.stop), slice(None), slice(None)
                self._out[some] = self._total[some]


def input_gradient(G: Array, K: Array, plan: Plan, out: FloatArray) -> Tally:
    """Add dV to ``out``: compute each padded tile's gradient from G, then apply the adjoint of padding.

    This is for weights that outputs do not share. Otherwise dV is a convolution of G
    (``convcli.convolution.backward``).
    """
    tally = Tally()
    for each_pass in plan.passes:
        part = each_pass.sub_kernel
        _input_gradient(G, K[..., part.rows, part.columns], each_pass.choice, out, plan.execution)
        tally[each_pass.choice.algorithm] += len(each_pass.choice.tiles)
    return tally


def _input_gradient(G: Array, K: Array, choice: Choice, out: FloatArray, execution: Execution) -> None:
    geometry = choice.work.geometry

    def unload(tile: Tile, gradient: FloatArray) -> None:
        pad_adjoint(gradient, *tile.runs(geometry), out[tile.images.start : tile.images.stop])

    task = InputGradientTask(choice, tile_weights(K, geometry), TileSource.whole(G))
    _compute_in_order([Job(task, choice.tiles, unload)], execution)


def _compute_in_order(jobs: Sequence[Job], execution: Execution) -> None:
    """Compute each tile of each task, and pass the tile and its result on, in the tiles' order.

    The fixed order gives sums that have the same bits in every run.
    """
    # Nobody asks for the fallbacks of gradients.
    fallbacks: list[str] = []
    advances = [_advancer(job.task.choice, execution, len(job.tiles)) for job in jobs]
    if execution.cluster:
        for job, advance in zip(jobs, advances, strict=True):
            for tile, made in _on_cluster(job.task, execution.cluster, execution.limits.band, fallbacks):
                job.take(tile, made)
                advance()
        return
    queue: OrderedQueue[tuple[int, Tile, FloatArray]] = OrderedQueue(lambda made: jobs[made[0]].take(*made[1:]))
    runs = [job.task.runner(fallbacks.append) for job in jobs]
    tiles = [(place, tile) for place, job in enumerate(jobs) for tile in job.tiles]

    def compute_one(numbered: tuple[int, tuple[int, Tile]], scratch: Scratch) -> None:
        number, (place, tile) = numbered
        queue.put(number, (place, tile, runs[place](tile, scratch)))
        advances[place]()

    threads = max((execution.threads_for(job.task.choice.estimate) for job in jobs), default=1)
    each(list(enumerate(tiles)), compute_one, threads=threads)


def _on_cluster(
    task: Task, cluster: "Cluster", bytes_of_band: int, fallbacks: list[str]
) -> Iterator[tuple[Tile, FloatArray]]:
    """Yield each tile, in order, and the array that a cluster's workers computed for it, one band per task.

    fallbacks: a list; the name of each fallback that a tile takes is added to it.
    """
    work = task.choice.work
    in_bands = list(bands(task.choice.tiles, work.geometry, bytes_of_band // work.itemsize))
    made = cluster.map(_compute_band, ((task.only(band.bounds), band.tiles) for band in in_bands))
    for band, (arrays, taken) in zip(in_bands, made, strict=True):
        fallbacks += taken
        yield from zip(band.tiles, arrays, strict=True)


def _compute_band(band: tuple[Task, Sequence[Tile]]) -> tuple[list[FloatArray], list[str]]:
    task, tiles = band
    return compute(task, tiles)
