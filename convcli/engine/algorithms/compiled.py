"""Compiled loops: the definition, whose loops Numba compiles, so that each pixel is read once for many products.

NumPy makes several passes over memory, one per operation. The loops of ``convcli.engine.compiled`` make one: they keep
the sums of many outputs in registers while they add a block of taps, in the order of the definition:

    Z[i,j,k] = sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

The gradient of the kernel keeps the sums of a block of taps in registers, while it reads each pixel of V and G once:

    dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]

The columns of a tile are first sorted by their phase of a horizontal stride above 1, so that pixels that are read
together lie next to each other. This needs the extra ``fast``.
"""

from math import prod

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.algorithms.lines import (
    in_adjacent_columns,
    in_lines,
    lengthened,
    lines_floats,
    sized_for_lines,
    sorted_bytes,
)
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.blocks import (
    MOST_ADDED,
    MOST_SUMS,
    VECTOR,
    Blocks,
    GradientBlocks,
    blocks_of,
    gradient_blocks_of,
    number_of_blocks,
    row_steps,
)
from convcli.engine.compiled.level_loops import level_filler
from convcli.engine.costs import calls_seconds, compiled_seconds, elementwise_seconds
from convcli.engine.interface import Estimate, Fill, LevelFiller, TileGradient, Weights, Workload, cached_floats
from convcli.engine.levels import LevelStore
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, largest_tile, output_floats
from convcli.geometry.axes import Geometry

# How often a sum is read or written in cache per block of taps.
ACCESSES = 2
# Seconds to begin with a block of taps in some rows of output.
BEGIN = 3e-8
# The same for a block of sums of dK; and to add up the lanes of one of its sums.
BEGIN_SUMS = 5e-9
TOTAL = 1.1e-8
# With fewer sums, each product waits for the one before it.
LEAST_SUMS = 4


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: the multiplications of the definition, and one pass over the outputs per block of taps."""
    geometry, blocks = work.geometry, _blocks(work)
    size = largest_tile(geometry, lambda size: _floats(geometry, size), cached_floats(work))
    size = sized_for_lines(size, geometry)
    pairs = geometry.in_channels * geometry.out_channels
    multiplications = geometry.rows.taps * geometry.columns.taps * pairs * work.output_pixels
    passes = number_of_blocks(geometry, blocks) * pairs
    sums = ACCESSES * passes * work.output_pixels * work.itemsize
    begun = passes * work.output_pixels / size.columns / blocks.rows_together
    moved = sorted_bytes(work, size)
    return Estimate(
        size,
        seconds=compiled_seconds(multiplications * lengthened(size.columns, work.itemsize), work.itemsize)
        + BEGIN * begun
        + elementwise_seconds(sums + moved)
        + calls_seconds(2 * size.number(geometry)),
        multiplications=multiplications,
        moved=moved,
        workspace=_floats(geometry, size) * work.itemsize,
        blocks={"rows": blocks.height, "columns": blocks.width},
    )


def _blocks(work: Workload) -> Blocks:
    return blocks_of(work.geometry, str(work.dtype))


def _floats(geometry: Geometry, size: TileSize) -> int:
    return lines_floats(geometry, size) + 2 * output_floats(geometry, size)


def recipes(work: Workload) -> tuple[Blocks]:
    """Return the recipe of the loops: the blocks of the kernel."""
    return (_blocks(work),)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Load or compile the loops, and return the function that fills an output tile from a padded input tile."""
    fill, geometry = machine_code.loops(_blocks(work)), work.geometry
    K = np.ascontiguousarray(weights.K, work.dtype)
    step, dilation = row_steps(geometry.rows)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        lines, columns = in_lines(tile, geometry.columns, scratch)
        fill(lines, out, K, columns, step, dilation)

    return in_adjacent_columns(run)


def kernel_gradient_estimate(work: Workload) -> Estimate:
    """Estimate the cost: the multiplications of the definition, and the sums over lanes of each block of taps."""
    geometry, blocks = work.geometry, _gradient_blocks(work).blocks
    dK = prod(geometry.kernel_blocks)
    size = largest_tile(geometry, lambda size: _gradient_floats(geometry, size), cached_floats(work))
    size = sized_for_lines(size, geometry)
    pairs = geometry.in_channels * geometry.out_channels
    taps = geometry.rows.taps * geometry.columns.taps
    multiplications = taps * pairs * work.output_pixels
    waiting = max(1.0, LEAST_SUMS / (blocks.height * blocks.width))
    strips = number_of_blocks(geometry, blocks) * pairs * work.output_pixels / size.columns
    pixels = min(size.rows * size.columns, MOST_ADDED * VECTOR // work.itemsize)
    moved = sorted_bytes(work, size)
    return Estimate(
        size,
        seconds=compiled_seconds(multiplications * waiting * lengthened(size.columns, work.itemsize), work.itemsize)
        + BEGIN_SUMS * strips / blocks.rows_together
        + TOTAL * taps * pairs * work.output_pixels / pixels
        + elementwise_seconds(moved)
        + calls_seconds(4 * size.number(geometry)),
        multiplications=multiplications,
        moved=moved,
        workspace=_gradient_floats(geometry, size) * work.itemsize + dK * np.dtype(np.float64).itemsize,
        blocks={"rows": blocks.height, "columns": blocks.width},
    )


def _gradient_blocks(work: Workload) -> GradientBlocks:
    return gradient_blocks_of(work.geometry, str(work.dtype))


def _gradient_floats(geometry: Geometry, size: TileSize) -> int:
    return lines_floats(geometry, size) + output_floats(geometry, size)


def kernel_gradient_recipes(work: Workload) -> tuple[GradientBlocks]:
    """Return the recipe of the loops of dK: the blocks of the kernel."""
    return (_gradient_blocks(work),)


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Load or compile the loops, and return the function that computes what a tile and its part of G add to dK."""
    add, geometry = machine_code.loops(_gradient_blocks(work)), work.geometry
    step, dilation = row_steps(geometry.rows)

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        lines, columns = in_lines(tile, geometry.columns, scratch)
        # The loops read neighbouring columns at once.
        G = upstream if upstream.strides[-1] == upstream.itemsize else np.ascontiguousarray(upstream)
        dK = np.zeros(geometry.kernel_blocks)
        add(lines, G, dK, scratch.array((MOST_SUMS, VECTOR // tile.itemsize), tile.dtype), columns, step, dilation)
        return dK

    return run


def level_runner(
    weights: Weights, work: Workload, V: Array, store: LevelStore, bias: FloatArray | None
) -> LevelFiller | None:
    """Return how V becomes the levels of a store in one pass, for weights that filter every channel alone."""
    geometry = work.geometry
    if not geometry.maps_one_to_one or geometry.groups > 1 or geometry.columns.stride > 1 or np.ndim(bias or 0):
        return None
    K = np.ascontiguousarray(weights.K, work.dtype)
    return level_filler(K, _blocks(work), work, V, store, bias)
