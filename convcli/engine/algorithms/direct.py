"""The definition: loop over taps, vectorise over pixels.

This is the slowest algorithm. It takes every geometry, and needs little workspace. For each tap (m, n) and input
channel l, it reads all pixels V'[l, j*sy + m*dy, k*sx + n*dx] at once:

    forward  Z[i,j,k]     += K[i,l,m,n] * V'[l, j*sy + m*dy, k*sx + n*dx]
    kernel   dK[i,l,m,n]  += sum over j,k of G[i,j,k] * V'[l, j*sy + m*dy, k*sx + n*dx]
"""

from collections.abc import Iterator

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import calls_seconds, elementwise_seconds
from convcli.engine.interface import Estimate, Fill, TileGradient, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, input_floats, largest_tile, output_floats, windows
from convcli.geometry.axes import Geometry


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: per tap and input channel, one multiplication and one addition of the whole output."""
    geometry = work.geometry
    size = largest_tile(geometry, lambda size: _floats(geometry, size), cached_floats(work))
    taps = geometry.rows.taps * geometry.columns.taps * geometry.in_channels
    multiplications = taps * work.output_pixels * geometry.out_channels
    moved = 5 * multiplications * work.itemsize
    return Estimate(
        size,
        seconds=elementwise_seconds(moved) + calls_seconds(2 * taps * size.number(geometry)),
        multiplications=multiplications,
        moved=moved,
        workspace=_floats(geometry, size) * work.itemsize,
    )


def _floats(geometry: Geometry, size: TileSize) -> int:
    return input_floats(geometry, size) + 2 * output_floats(geometry, size)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    geometry, K = work.geometry, weights.K.astype(work.dtype, copy=False)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        out[...] = 0
        product = scratch.array(out.shape, out.dtype)
        seen = windows(tile, geometry, *out.shape[-2:])
        for channel, m, n in _taps(geometry):
            np.multiply(seen[:, :, channel, None, m, n], K[:, :, channel, m, n, None, None], out=product)
            np.add(out, product, out=out)

    return run


kernel_gradient_estimate = estimate


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Return the function that computes what a padded tile and its part of G add to dK."""
    geometry = work.geometry

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        dK = np.empty(geometry.kernel_blocks, tile.dtype)
        product = scratch.array(upstream.shape, tile.dtype)
        seen = windows(tile, geometry, *upstream.shape[-2:])
        for channel, m, n in _taps(geometry):
            np.multiply(upstream, seen[:, :, channel, None, m, n], out=product)
            dK[:, :, channel, m, n] = product.sum(axis=(0, 3, 4))
        return dK

    return run


def _taps(geometry: Geometry) -> Iterator[tuple[int, int, int]]:
    """Yield every (input channel, kernel row, kernel column)."""
    return np.ndindex(geometry.in_channels, geometry.rows.taps, geometry.columns.taps)
