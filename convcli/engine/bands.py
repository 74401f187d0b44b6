"""The executor: for each tile of the plan, load a padded float tile, compute, store.

It decides nothing, but that a tile of infinities or NaN is done by the definition.

V, K, Z, G and dK come with the five axes that ``Geometry`` gives them, in any real type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine import unshared
from convcli.engine.factors import rank_of
from convcli.engine.interface import Estimate, Workload
from convcli.engine.partition import gradient_parts, parts
from convcli.engine.plan import (
    AUTO,
    CONVOLUTIONS,
    DEFINITION,
    KERNEL_GRADIENTS,
    Plan,
    plan_convolution,
    plan_kernel_gradient,
)
from convcli.engine.scratch import Scratch
from convcli.engine.threads import WORTH_THREADS, InOrder, available_threads, each
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.geometry import Geometry
from convcli.padding import Runs, pad, pad_adjoint

# Bytes of workspace for each thread.
MEMORY = 16 << 20

# Takes a finished part of Z, given where it lies; called by several threads at once.
Store = Callable[[tuple[slice, ...], FloatArray], None]


@dataclass(frozen=True, slots=True)
class Execution:
    """How a call is to be computed: by which algorithm, on how many threads, in how many bytes a thread."""

    algorithm: str = AUTO
    threads: int | None = None
    memory: int = MEMORY

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


def plan_for(K: Array, geometry: Geometry, dtype: np.dtype[Any], execution: Execution = AUTOMATIC) -> Plan:
    """The plan of a convolution with K, which is looked at only for its rank."""
    return plan_convolution(Workload(geometry, dtype, execution.memory, *rank_of(K, dtype)), execution.algorithm)


def _convolve(V: Array, K: Array, geometry: Geometry, output: _Output | _Stored, execution: Execution) -> None:
    plan = plan_for(K, geometry, output.dtype, execution)
    algorithm = CONVOLUTIONS[plan.algorithm]
    shared = algorithm.runner(K, plan.work, plan.estimate) if geometry.shares_weights else None
    may_spread = V.dtype.kind == "f" and plan.estimate.spreads

    def fill(tile: Tile, scratch: Scratch) -> None:
        part = _part(tile)
        filled, loaded = output.tile(part, scratch), _load(V, geometry, tile, plan.work.dtype, scratch)
        run = shared or algorithm.runner(_weights_at(tile, K, geometry), plan.work, plan.estimate)
        run(loaded, filled, scratch)
        if may_spread and not np.isfinite(filled.sum()) and not np.isfinite(loaded).all():
            CONVOLUTIONS[DEFINITION].runner(K, plan.work, plan.estimate)(loaded, filled, scratch)
        output.finish(part, filled)

    each(list(plan.estimate.extent.tiles(geometry)), fill, threads=execution.threads_for(plan.estimate))


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
    plan = plan_for_kernel_gradient(geometry, dtype, execution)
    run = KERNEL_GRADIENTS[plan.algorithm].gradient_runner(plan.work, plan.estimate)

    def add(part: tuple[Tile, FloatArray]) -> None:
        tile, gradient = part
        to = out if geometry.shares_weights else _weights_at(tile, out, geometry)
        np.add(to, gradient, out=to)

    # The same sum whichever thread is first.
    sum_ = InOrder(add)

    def part_of(numbered: tuple[int, Tile], scratch: Scratch) -> None:
        number, tile = numbered
        upstream = np.ascontiguousarray(G[_part(tile)], dtype=dtype)
        sum_.bring(number, (tile, run(_load(V, geometry, tile, dtype, scratch), upstream, scratch)))

    each(list(enumerate(plan.estimate.extent.tiles(geometry))), part_of, threads=execution.threads_for(plan.estimate))


def input_gradient(G: Array, K: Array, geometry: Geometry, out: FloatArray, execution: Execution = AUTOMATIC) -> None:
    """Add dV to ``out``, for weights that are not shared: compute each tile from G, and unload it.

    Unloading is the adjoint of loading. For shared weights dV is a convolution of G (``convcli.gradients``).
    """
    for part in parts(geometry):
        _input_gradient(G, K[..., part.rows, part.columns], part.geometry, out, execution)


def _input_gradient(G: Array, K: Array, geometry: Geometry, out: FloatArray, execution: Execution) -> None:
    plan = plan_for_kernel_gradient(geometry, out.dtype, execution)

    def unload(part: tuple[Tile, FloatArray]) -> None:
        tile, gradient = part
        runs = _runs(geometry, *_window(geometry, tile))
        pad_adjoint(gradient, *runs, out[tile.images.start : tile.images.stop])

    sum_ = InOrder(unload)

    def part_of(numbered: tuple[int, Tile], scratch: Scratch) -> None:
        number, tile = numbered
        rows, columns = _window(geometry, tile)
        gradient = np.zeros((len(tile.images), *out.shape[1:3], len(rows), len(columns)), out.dtype)
        run = unshared.adjoint_runner(_weights_at(tile, K, geometry), plan.work, plan.estimate)
        run(np.ascontiguousarray(G[_part(tile)], dtype=out.dtype), gradient, scratch)
        sum_.bring(number, (tile, gradient))

    each(list(enumerate(plan.estimate.extent.tiles(geometry))), part_of, threads=execution.threads_for(plan.estimate))


def _weights_at(tile: Tile, K: Array, geometry: Geometry) -> Array:
    rows, columns = geometry.weights_at(tile.rows, tile.columns)
    return K[:, :, rows, columns]


def _window(geometry: Geometry, tile: Tile) -> tuple[range, range]:
    """The padded rows and columns that a tile's outputs read."""
    return geometry.rows.window(tile.rows), geometry.columns.window(tile.columns)


def _runs(geometry: Geometry, rows: range, columns: range) -> tuple[Runs, Runs]:
    """Which pixels of V these padded rows and columns hold."""
    return geometry.rows.runs(rows, geometry.edge), geometry.columns.runs(columns, geometry.edge)


def _part(tile: Tile) -> tuple[slice, ...]:
    """Where a tile lies in Z."""
    images, rows, columns = (slice(span.start, span.stop) for span in tile)
    return (images, slice(None), slice(None), rows, columns)


def _load(V: Array, geometry: Geometry, tile: Tile, dtype: np.dtype[Any], scratch: Scratch) -> FloatArray:
    """The padded input that a tile's windows cover, as floats; a view of V where that is what V holds already."""
    images = V[tile.images.start : tile.images.stop]
    rows, columns = _window(geometry, tile)
    row_runs, column_runs = _runs(geometry, rows, columns)
    inside = geometry.rows.is_inside(rows) and geometry.columns.is_inside(columns)
    if inside and V.dtype == dtype and _fits_blas(V):
        return images[..., row_runs[0].source, column_runs[0].source]
    padded: FloatArray = scratch.array((*images.shape[:3], len(rows), len(columns)), dtype)
    pad(images, row_runs, column_runs, geometry.edge.value, padded)
    return padded


def _fits_blas(V: Array) -> bool:
    """Whether rows are as BLAS takes them: whole, and one after the other."""
    row, column = V.strides[-2:]
    return column == V.itemsize and row >= V.shape[-1] * V.itemsize
