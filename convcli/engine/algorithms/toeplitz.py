"""Vertical Toeplitz blocks: the sparse matrix of a convolution, cut into small dense blocks for BLAS.

Each horizontal tap is one product with a shifted view of the tile, so that nothing is copied. The vertical stride is
part of the blocks (``convcli.engine.algorithms.vertical``). For a horizontal stride above 1, the tile's columns are
first copied phase by phase.
"""

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms.vertical import (
    cut_into_blocks,
    multiply,
    multiply_adjoint,
    rows_under,
    toeplitz,
    toeplitz_adjoint,
)
from convcli.engine.costs import MOST_PREPARED, calls_seconds, elementwise_seconds, product_seconds
from convcli.engine.interface import Estimate, Fill, Refusal, TileGradient, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, in_phases, inner_apart, input_floats, largest_tile, output_floats
from convcli.geometry.axes import Geometry

BLOCK_ROWS = (2, 4, 8, 16)
# With more pairs of an input and an output channel per group, multiplying the zeros in T takes longer than the copies
# of im2col.
MOST_PAIRS = 1024


def estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost with the fastest block height; refuse many pairs of channels, and large blocks."""
    pairs = work.geometry.in_channels * work.geometry.out_channels
    if pairs > MOST_PAIRS:
        return Refusal(f"{pairs} pairs of channels in a group, above {MOST_PAIRS}: its blocks would be mostly zeros")
    geometry = work.geometry
    size = evened(largest_tile(geometry, lambda size: _floats(geometry, size), cached_floats(work)), geometry)
    if geometry.columns.stride == geometry.in_channels == 1:
        size = inner_apart(size, geometry)
    fitting = [rows for rows in BLOCK_ROWS if _weights_floats(geometry, rows) * work.itemsize <= MOST_PREPARED]
    if not fitting:
        taken = _weights_floats(geometry, BLOCK_ROWS[0]) * work.itemsize
        return Refusal(f"its blocks would take {taken:,} bytes, above {MOST_PREPARED:,}")
    return min((_estimate(work, size, rows) for rows in fitting), key=lambda found: found.seconds)


def _weights_floats(geometry: Geometry, block: int) -> int:
    """Return the number of floats in T."""
    depth = rows_under(geometry.rows, block) * geometry.in_channels
    return geometry.groups * geometry.columns.taps * block * geometry.out_channels * depth


def _estimate(work: Workload, size: TileSize, block: int) -> Estimate:
    geometry = work.geometry
    block = min(block, size.rows)
    rows, depth = block * geometry.out_channels, rows_under(geometry.rows, block) * geometry.in_channels
    taps, columns = geometry.columns.taps, work.output_pixels / block
    moved = 3 * taps * work.output_pixels * geometry.out_channels * work.itemsize
    seconds = (
        taps * product_seconds(rows, depth, columns, work.itemsize)
        + elementwise_seconds(moved)
        + calls_seconds(2 * taps * size.number(geometry))
    )
    workspace = _floats(geometry, size) * work.itemsize
    return Estimate(size, seconds, int(taps * rows * depth * columns), moved, workspace, {"rows": block}, spreads=True)


def _floats(geometry: Geometry, size: TileSize) -> int:
    copies = 1 if geometry.columns.stride == geometry.in_channels == 1 else 2
    return copies * input_floats(geometry, size) + 2 * output_floats(geometry, size)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    geometry, block = work.geometry, chosen.blocks["rows"]
    T = toeplitz(weights.K.astype(work.dtype, copy=False), geometry.rows, block)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        source = _by_phase(tile, geometry.columns.stride, scratch)
        for blocks in cut_into_blocks(out.shape[-2], block):
            multiply(T, source, geometry, blocks, out, scratch)

    return run


def kernel_gradient_estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost as that of Z. The products with the zeros of blocks are not summed, so that none spreads."""
    found = estimate(work)
    return found._replace(spreads=False) if isinstance(found, Estimate) else found


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Return the function that computes what a padded tile and its part of G add to dK."""
    geometry, block = work.geometry, chosen.blocks["rows"]

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        source = _by_phase(tile, geometry.columns.stride, scratch)
        dK = np.zeros(geometry.kernel_blocks, tile.dtype)
        for blocks in cut_into_blocks(upstream.shape[-2], block):
            dT = multiply_adjoint(source, geometry, blocks, upstream, scratch)
            dK += toeplitz_adjoint(dT, geometry, blocks.height)
        return dK

    return run


def _by_phase(tile: FloatArray, stride: int, scratch: Scratch) -> FloatArray:
    """Return a tile's rows, ``(images, groups, h*C_in, stride, columns)``, with the columns of each phase together.

    The channels of a row lie one below another, so that any consecutive rows of all channels are one matrix.
    """
    images, groups, channels, height, _ = tile.shape
    if channels == stride == 1:
        return tile.transpose(0, 1, 3, 2, 4)
    phases = in_phases(tile.swapaxes(2, 3), stride, scratch)
    return phases.reshape(images, groups, height * channels, *phases.shape[-2:])
