"""Compiled loops: the definition, whose loops Numba compiles, so that each pixel is read once for many products.

NumPy makes several passes over memory, one per operation. The loops of ``convcli.engine.compiled`` make one: they keep
the sums of many outputs in registers while they add a block of taps, in the order of the definition:

    Z[i,j,k] = sum over l,m,n of V'[l, j*sy + m*dy, k*sx + n*dx] * K[i,l,m,n]

The columns of a tile are first sorted by their phase of a horizontal stride above 1, so that pixels that are read
together lie next to each other. This needs the extra ``fast``.
"""

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms.lines import in_adjacent_columns, in_lines, lengthened, row_steps
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.blocks import ROWS, Blocks, blocks_of, number_of_blocks
from convcli.engine.costs import calls_seconds, compiled_seconds, elementwise_seconds
from convcli.engine.interface import Estimate, Fill, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, inner_apart, input_floats, largest_tile, output_floats
from convcli.geometry.axes import Geometry

# How often a sum is read or written in cache per block of taps.
ACCESSES = 2
# Seconds to begin with a block of taps in some rows of output.
BEGIN = 3e-8


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: the multiplications of the definition, and one pass over the outputs per block of taps."""
    geometry, blocks = work.geometry, _blocks(work)
    size = evened(largest_tile(geometry, lambda size: _floats(geometry, size), cached_floats(work)), geometry)
    if geometry.columns.stride == 1:
        size = inner_apart(size, geometry)
    pairs = geometry.in_channels * geometry.out_channels
    multiplications = geometry.rows.taps * geometry.columns.taps * pairs * work.output_pixels
    passes = number_of_blocks(geometry, blocks) * pairs
    sums = ACCESSES * passes * work.output_pixels * work.itemsize
    begun = passes * work.output_pixels / size.columns / (ROWS if blocks.share_rows else 1)
    moved = 0
    if geometry.columns.stride > 1:
        moved = 2 * input_floats(geometry, size) * size.number(geometry) * work.itemsize
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
    copies = 1 if geometry.columns.stride == 1 else 2
    return copies * input_floats(geometry, size) + 2 * output_floats(geometry, size)


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
