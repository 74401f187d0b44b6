"""The executor: every tile of the plan computed, here or on a cluster, and stored or added up.

V, K, Z, G and dK come with the five axes that ``Geometry`` gives them, in any real type.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.algorithms.factors import rank_of
from convcli.engine.interface import Estimate, Workload
from convcli.engine.partition import gradient_parts, parts
from convcli.engine.plan import (
    AUTO,
    CONVOLUTIONS,
    Plan,
    plan_convolution,
    plan_kernel_gradient,
)
from convcli.engine.scratch import Scratch
from convcli.engine.slabs import Slab, Weights, bands
from convcli.engine.tasks import Convolution, InputGradient, KernelGradient, Task, compute
from convcli.engine.threads import WORTH_THREADS, InOrder, available_threads, each
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import pad_adjoint

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster

# Bytes of workspace for each thread.
MEMORY = 16 << 20
# Bytes of input and output that a cluster's worker is sent and sends back at a time: more keep a worker waiting for
# them, and fewer take longer to hand out than to compute.
BAND = 8 << 20

# Takes a finished part of Z, given where it lies; called by several threads at once.
Store = Callable[[tuple[slice, ...], FloatArray], None]


@dataclass(frozen=True, slots=True)
class Execution:
    """How a call is to be computed: by which algorithm, on how many threads, in how many bytes a thread.

    cluster: whose workers compute the tiles, one thread each; the result is the same to the last bit.
    """

    algorithm: str = AUTO
    threads: int | None = None
    memory: int = MEMORY
    cluster: "Cluster | None" = None

    def __post_init__(self) -> None:
        if self.algorithm not in (AUTO, *CONVOLUTIONS):
            raise OptionError(f"unknown algorithm {self.algorithm!r}: expected {AUTO}, {', '.join(CONVOLUTIONS)}")
        for name, count in (("threads", self.threads), ("memory", self.memory)):
            if count is not None and (not isinstance(count, int) or count < 1):
                raise OptionError(f"{name}: expected an integer of at least 1, given {count!r}")

    def threads_for(self, estimate: Estimate) -> int:
        """The threads that an estimate is worth."""
        worth = estimate.seconds > WORTH_THREADS
        return (self.threads or available_threads()) if worth else 1


AUTOMATIC = Execution()


def convolve(
    V: Array,
    K: Array,
    geometry: Geometry,
    out: FloatArray,
    bias: FloatArray | None = None,
    execution: Execution = AUTOMATIC,
) -> None:
    """Fill ``out`` (a Z) with the correlation of V and K, plus the bias, which broadcasts against it."""
    for number, part in enumerate(parts(geometry)):
        # What earlier parts left there is added like a bias.
        shift = bias if number == 0 else out
        _convolve(V, K[..., part.rows, part.columns], part.geometry, _Output(out, shift), execution)


def convolve_and_store(
    V: Array,
    K: Array,
    geometry: Geometry,
    dtype: np.dtype[Any],
    store: Store,
    bias: FloatArray | None = None,
    execution: Execution = AUTOMATIC,
) -> None:
    """The same, computed in ``dtype``, each part of Z given to ``store`` once, while it is in cache."""
    first, *others = parts(geometry)
    if not others:
        _convolve(V, K, first.geometry, _Stored(geometry, dtype, store, bias), execution)
        return
    Z = np.empty(geometry.output_blocks, dtype)
    convolve(V, K, geometry, Z, bias, execution)
    store((slice(None),) * Z.ndim, Z)


class _Output:
    """Z as floats, computed where they stay."""

    def __init__(self, out: FloatArray, bias: FloatArray | None) -> None:
        self.dtype = out.dtype
        self._out, self._bias = out, None if bias is None else np.broadcast_to(bias, out.shape)

    def tile(self, part: tuple[slice, ...], scratch: Scratch) -> FloatArray:
        out = self._out[part]
        return out if self._bias is None else scratch.array(out.shape, out.dtype)

    def finish(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        if self._bias is not None:
            np.add(tile, self._bias[part], out=self._out[part])

    def take(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        """Finish a tile that was computed somewhere else."""
        if self._bias is None:
            self._out[part] = tile
        else:
            self.finish(part, tile)


class _Stored:
    """Z handed on tile by tile, computed in a thread's scratch."""

    def __init__(self, geometry: Geometry, dtype: np.dtype[Any], store: Store, bias: FloatArray | None) -> None:
        self.dtype = dtype
        self._shape, self._store = geometry.output_blocks, store
        self._bias = None if bias is None else np.broadcast_to(bias, self._shape)

    def tile(self, part: tuple[slice, ...], scratch: Scratch) -> FloatArray:
        shape = tuple(len(range(*span.indices(size))) for span, size in zip(part, self._shape, strict=True))
        tile: FloatArray = scratch.array(shape, self.dtype)
        return tile

    def finish(self, part: tuple[slice, ...], tile: FloatArray) -> None:
        if self._bias is not None:
            np.add(tile, self._bias[part], out=tile)
        self._store(part, tile)

    take = finish


def plan_for(K: Array, geometry: Geometry, dtype: np.dtype[Any], execution: Execution = AUTOMATIC) -> Plan:
    """The plan of a convolution with K, which is looked at only for its rank."""
    return plan_convolution(Workload(geometry, dtype, execution.memory, *rank_of(K, dtype)), execution.algorithm)


def _convolve(V: Array, K: Array, geometry: Geometry, output: _Output | _Stored, execution: Execution) -> None:
    # BLAS rounds in another order where numbers lie apart, as they do in a kernel turned round.
    K = np.ascontiguousarray(K)
    task = Convolution(plan_for(K, geometry, output.dtype, execution), Slab.whole(V), Weights(K))
    if execution.cluster:
        for tile, made in _elsewhere(task, execution.cluster):
            output.take(tile.place, made)
        return
    fill = task.filler()

    def fill_in_place(tile: Tile, scratch: Scratch) -> None:
        part = tile.place
        filled = output.tile(part, scratch)
        fill(tile, filled, scratch)
        output.finish(part, filled)

    each(task.plan.tiles, fill_in_place, threads=execution.threads_for(task.plan.estimate))


def kernel_gradient(
    V: Array,
    G: Array,
    geometry: Geometry,
    dtype: np.dtype[Any],
    out: FloatArray,
    execution: Execution = AUTOMATIC,
) -> None:
    """Add to ``out`` (a dK) the sum over images and pixels of G times V as each tap sees it.

    The products are made in ``dtype``; out should be float64, for it takes the sum of many tiles.
    """
    for part in gradient_parts(geometry, execution.memory):
        to = out[:, part.channels, ..., part.rows, part.columns]
        _kernel_gradient(V, G[:, :, part.channels], part.geometry, dtype, to, execution)


def plan_for_kernel_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution = AUTOMATIC) -> Plan:
    """The plan of a kernel's gradient."""
    return plan_kernel_gradient(Workload(geometry, dtype, execution.memory), execution.algorithm)


def _kernel_gradient(
    V: Array, G: Array, geometry: Geometry, dtype: np.dtype[Any], out: FloatArray, execution: Execution
) -> None:
    def add(tile: Tile, gradient: FloatArray) -> None:
        to = out if geometry.shares_weights else Weights(out).at(tile, geometry)
        np.add(to, gradient, out=to)

    plan = plan_for_kernel_gradient(geometry, dtype, execution)
    _in_order(KernelGradient(plan, Slab.whole(V), Slab.whole(G)), add, execution)


def input_gradient(G: Array, K: Array, geometry: Geometry, out: FloatArray, execution: Execution = AUTOMATIC) -> None:
    """Add dV to ``out``, for weights that are not shared: compute each tile from G, and unload it.

    Unloading is the adjoint of loading. For shared weights dV is a convolution of G
    (``convcli.convolution.gradients``).
    """
    for part in parts(geometry):
        _input_gradient(G, K[..., part.rows, part.columns], part.geometry, out, execution)


def _input_gradient(G: Array, K: Array, geometry: Geometry, out: FloatArray, execution: Execution) -> None:
    def unload(tile: Tile, gradient: FloatArray) -> None:
        pad_adjoint(gradient, *tile.runs(geometry), out[tile.images.start : tile.images.stop])

    plan = plan_for_kernel_gradient(geometry, out.dtype, execution)
    _in_order(InputGradient(plan, Weights(K), Slab.whole(G)), unload, execution)


def _in_order(task: Task, take: Callable[[Tile, FloatArray], None], execution: Execution) -> None:
    """Give ``take`` what the task makes of each tile, one after the other: the same sum whoever is first."""
    if execution.cluster:
        for tile, made in _elsewhere(task, execution.cluster):
            take(tile, made)
        return
    queue: InOrder[tuple[Tile, FloatArray]] = InOrder(lambda made: take(*made))
    run = task.runner()

    def bring(numbered: tuple[int, Tile], scratch: Scratch) -> None:
        number, tile = numbered
        queue.bring(number, (tile, run(tile, scratch)))

    each(list(enumerate(task.plan.tiles)), bring, threads=execution.threads_for(task.plan.estimate))


def _elsewhere(task: Task, cluster: "Cluster") -> Iterator[tuple[Tile, FloatArray]]:
    """Each tile with what the task makes of it on a cluster's workers, in their order."""
    plan = task.plan
    in_bands = list(bands(plan.tiles, plan.work.geometry, BAND // plan.work.itemsize))
    made = cluster.map(_compute_band, ((task.only(band.hull), band.tiles) for band in in_bands))
    for band, arrays in zip(in_bands, made, strict=True):
        yield from zip(band.tiles, arrays, strict=True)


def _compute_band(band: tuple[Task, Sequence[Tile]]) -> list[FloatArray]:
    task, tiles = band
    return compute(task, tiles)
