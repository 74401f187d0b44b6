"""The executor: for each tile of the plan, load a padded float tile, compute, store. It decides nothing.

V, K, Z, G and dK come with the five axes that ``Geometry`` gives them, V and G in any real type, K in float64.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.factors import rank_of
from convcli.engine.interface import Estimate, Scratch, Workload
from convcli.engine.plan import CONVOLUTIONS, KERNEL_GRADIENTS, plan_convolution, plan_kernel_gradient
from convcli.engine.scattered import parts
from convcli.engine.threads import WORTH_THREADS, available_threads, each_tile
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.geometry import Geometry
from convcli.padding import pad

# Bytes of workspace for each thread.
MEMORY = 16 << 20


@dataclass(frozen=True, slots=True)
class Execution:
    """How a call is to be computed: by which algorithm, on how many threads, in how many bytes a thread."""

    algorithm: str = "auto"
    threads: int | None = None
    memory: int = MEMORY

    def __post_init__(self) -> None:
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
    K: FloatArray,
    geometry: Geometry,
    out: FloatArray,
    bias: FloatArray | None = None,
    execution: Execution = AUTOMATIC,
) -> None:
    """Fill ``out`` (a Z) with the correlation of V and K, plus the bias, which broadcasts against it."""
    for number, part in enumerate(parts(geometry)):
        weights = K[..., part.rows, part.columns]
        if number == 0:
            _convolve(V, weights, part.geometry, out, bias, execution)
        else:
            # What is there already is added like a bias.
            _convolve(V, weights, part.geometry, out, out, execution)


def _convolve(
    V: Array, K: FloatArray, geometry: Geometry, out: FloatArray, bias: FloatArray | None, execution: Execution
) -> None:
    work = Workload(geometry, out.dtype, execution.memory, *rank_of(K))
    plan = plan_convolution(work, execution.algorithm)
    run = CONVOLUTIONS[plan.algorithm].runner(K, work, plan.estimate)
    shifts = None if bias is None else np.broadcast_to(bias, out.shape)

    def fill(tile: Tile, scratch: Scratch) -> None:
        part = _part(tile)
        filled = out[part] if shifts is None else scratch.array("filled", out[part].shape)
        with np.errstate(over="ignore", invalid="ignore"):
            run(_load(V, geometry, tile, scratch), filled, scratch)
            if shifts is not None:
                np.add(filled, shifts[part], out=out[part])

    tiles = list(plan.estimate.extent.tiles(geometry))
    deque(each_tile(tiles, fill, threads=execution.threads_for(plan.estimate), dtype=out.dtype), maxlen=0)


def kernel_gradient(V: Array, G: Array, geometry: Geometry, out: FloatArray, execution: Execution = AUTOMATIC) -> None:
    """Add to ``out`` (a dK) the sum over images and pixels of G times V as each tap sees it."""
    for part in parts(geometry):
        _kernel_gradient(V, G, part.geometry, out[..., part.rows, part.columns], execution)


def _kernel_gradient(V: Array, G: Array, geometry: Geometry, out: FloatArray, execution: Execution) -> None:
    dtype = out.dtype
    work = Workload(geometry, dtype, execution.memory)
    plan = plan_kernel_gradient(work, execution.algorithm)
    run = KERNEL_GRADIENTS[plan.algorithm].gradient_runner(work, plan.estimate)

    def part_of(tile: Tile, scratch: Scratch) -> FloatArray:
        upstream = np.ascontiguousarray(G[_part(tile)], dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            return run(_load(V, geometry, tile, scratch), upstream, scratch)

    tiles = list(plan.estimate.extent.tiles(geometry))
    for part in each_tile(tiles, part_of, threads=execution.threads_for(plan.estimate), dtype=dtype):
        out += part


def _part(tile: Tile) -> tuple[slice, ...]:
    """Where a tile lies in Z."""
    images, rows, columns = (slice(span.start, span.stop) for span in tile)
    return (images, slice(None), slice(None), rows, columns)


def _load(V: Array, geometry: Geometry, tile: Tile, scratch: Scratch) -> FloatArray:
    """The padded input that a tile's windows cover, as floats; a view of V where that is what V holds already."""
    images = V[tile.images.start : tile.images.stop]
    rows, columns = geometry.rows.window(tile.rows), geometry.columns.window(tile.columns)
    row_runs, column_runs = geometry.rows.runs(rows, geometry.edge), geometry.columns.runs(columns, geometry.edge)
    inside = geometry.rows.is_inside(rows) and geometry.columns.is_inside(columns)
    if inside and V.dtype == scratch.dtype and V.strides[-1] == V.itemsize:
        return images[..., row_runs[0].source, column_runs[0].source]
    padded = scratch.array("tile", (*images.shape[:3], len(rows), len(columns)))
    pad(images, row_runs, column_runs, geometry.edge.value, padded)
    return padded
