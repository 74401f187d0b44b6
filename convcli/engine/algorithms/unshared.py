"""Weights that outputs do not share: multiply each window by the weights of its own output, in batches of products.

The output in row j = tr*u + p and column k = tc*v + q has the weights K[p,q]. X[p,q] (C_in*kh*kw, N) holds, as columns,
the windows of the N outputs (image, u, v) of a tile that have these weights:

    forward  Z[p,q]  = K[p,q] X[p,q]        (C_out, C_in*kh*kw) (C_in*kh*kw, N)
    kernel   dK[p,q] = G[p,q] X[p,q]^T      (C_out, N) (N, C_in*kh*kw)
    input    dX[p,q] = K[p,q]^T G[p,q]      each window's gradient, added to the pixels that it read

The weights of a runner are those of one tile, (groups, C_out, p, q, C_in, kh, kw).
"""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms.vertical import Blocks, cut_into_blocks
from convcli.engine.costs import calls_seconds, elementwise_seconds, product_seconds
from convcli.engine.interface import Estimate, Fill, TileGradient, Weights, Workload
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, input_floats, largest_tile, output_floats, windows
from convcli.geometry.axes import Geometry

WORKSPACE = 4 << 20
# How often a window's float is read or written: it is copied outside the cache, then BLAS reads it.
ACCESSES = 4


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: copy every window once, multiply it, and read all weights once."""
    geometry = work.geometry
    limit = min(WORKSPACE, work.memory) // work.itemsize
    size = _in_periods(largest_tile(geometry, lambda size: _floats(geometry, size), limit), geometry)
    window = prod(geometry.kernel_blocks[-3:])
    repeats = max(1, size.pixels // _weights_of(geometry, size))
    moved = (ACCESSES * window * work.output_pixels + prod(geometry.kernel_blocks)) * work.itemsize
    seconds = (
        product_seconds(geometry.out_channels, window, work.output_pixels, work.itemsize) * (1 + 1 / repeats)
        + elementwise_seconds(moved)
        + calls_seconds(8 * size.number(geometry))
    )
    multiplications = geometry.out_channels * window * work.output_pixels
    return Estimate(size, seconds, multiplications, moved, _floats(geometry, size) * work.itemsize)


kernel_gradient_estimate = estimate
input_gradient_estimate = estimate


def _floats(geometry: Geometry, size: TileSize) -> int:
    """Return the number of floats in a tile, its windows or their gradients, two outputs, and two copies of weights."""
    window = prod(geometry.kernel_blocks[-3:]) * geometry.groups
    weights = window * geometry.out_channels * _weights_of(geometry, size)
    return input_floats(geometry, size) + window * size.pixels + 2 * (output_floats(geometry, size) + weights)


def _weights_of(geometry: Geometry, size: TileSize) -> int:
    """Return how many outputs of a tile have different weights."""
    return min(size.rows, geometry.tiling[0]) * min(size.columns, geometry.tiling[1])


def _in_periods(size: TileSize, geometry: Geometry) -> TileSize:
    """Return the largest size up to this one whose tiles hold whole periods of the tiling, or lie within one."""
    rows = _whole(size.rows, geometry.tiling[0], geometry.rows.output)
    columns = _whole(size.columns, geometry.tiling[1], geometry.columns.output)
    return TileSize(size.images, rows, columns)


def _whole(most: int, period: int, outputs: int) -> int:
    if period >= outputs:
        return most
    if most >= period:
        return most // period * period
    return max(divisor for divisor in range(1, most + 1) if period % divisor == 0)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    K = weights.K.astype(work.dtype, copy=False)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        seen = windows(tile, work.geometry, *out.shape[-2:])
        for periods in _periods(out, K):
            X = _columns(periods.of(seen), scratch)
            Z = np.matmul(_matrices(periods.weights(K)), X)
            to = periods.of(out)
            to[...] = Z.reshape(*Z.shape[:-1], *_repeats(to)).transpose(4, 0, 3, 5, 1, 6, 2)

    return run


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Return the function that computes what a padded tile and its part of G add to the dK of the tile's weights."""
    geometry = work.geometry

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        own = (min(size, period) for size, period in zip(upstream.shape[-2:], geometry.tiling, strict=True))
        groups, out_channels, _, _, *window = geometry.kernel_blocks
        dK = np.zeros((groups, out_channels, *own, *window), tile.dtype)
        seen = windows(tile, geometry, *upstream.shape[-2:])
        for periods in _periods(upstream, dK):
            X = _columns(periods.of(seen), scratch)
            products = np.matmul(_upstream_columns(periods.of(upstream)), X.swapaxes(-1, -2))
            to = periods.weights(dK)
            to += products.reshape(*products.shape[:-1], *window).transpose(0, 3, 1, 2, 4, 5, 6)
        return dK

    return run


def input_gradient_runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that adds what an upstream tile gives to its input's gradient."""
    K, geometry = weights.K.astype(work.dtype, copy=False), work.geometry

    def run(upstream: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        received = windows(out, geometry, *upstream.shape[-2:], writeable=True)
        for periods in _periods(upstream, K):
            G = periods.of(upstream)
            dX = np.matmul(_matrices(periods.weights(K)).swapaxes(-1, -2), _upstream_columns(G))
            window = received.shape[2:5]
            sent = dX.reshape(*dX.shape[:3], *window, *_repeats(G)).transpose(6, 0, 3, 4, 5, 7, 1, 8, 2)
            to = periods.of(received)
            # Add tap by tap: windows overlap, but the pixels that one tap reads are distinct.
            for m, n in np.ndindex(*window[1:]):
                to[:, :, :, m, n] += sent[:, :, :, m, n]

    return run


class _Periods(NamedTuple):
    """Outputs of a tile: whole periods of the tiling, or the rest after the last whole period."""

    rows: Blocks
    columns: Blocks

    def of(self, array: FloatArray) -> FloatArray:
        """Return a view of these outputs in an array ``(..., rows, columns)``, as ``(..., u, p, v, q)``."""
        y, x = self.rows, self.columns
        pixels = array[..., y.span, x.span]
        return pixels.reshape(*pixels.shape[:-2], y.number, y.height, x.number, x.height)

    def weights(self, K: FloatArray) -> FloatArray:
        """Return the weights of these outputs."""
        return K[:, :, : self.rows.height, : self.columns.height]


def _periods(pixels: FloatArray, K: FloatArray) -> Iterator[_Periods]:
    """Yield the periods of a tile ``(..., rows, columns)`` whose first output has the first weights of K."""
    rows, columns = cut_into_blocks(pixels.shape[-2], K.shape[2]), cut_into_blocks(pixels.shape[-1], K.shape[3])
    return (_Periods(y, x) for y, x in product(rows, columns))


def _matrices(K: FloatArray) -> FloatArray:
    """Return the weights as matrices, (groups, p, q, C_out, C_in*kh*kw)."""
    return K.transpose(0, 2, 3, 1, 4, 5, 6).reshape(K.shape[0], *K.shape[2:4], K.shape[1], -1)


def _columns(seen: FloatArray, scratch: Scratch) -> FloatArray:
    """Return windows (images, groups, C_in, kh, kw, u, p, v, q) as columns (groups, p, q, C_in*kh*kw, images*u*v)."""
    apart = seen.transpose(1, 6, 8, 2, 3, 4, 0, 5, 7)
    X = scratch.array(apart.shape, seen.dtype)
    X[...] = apart
    return X.reshape(*apart.shape[:3], prod(apart.shape[3:6]), prod(apart.shape[6:]))


def _upstream_columns(G: FloatArray) -> FloatArray:
    """Return G (images, groups, C_out, u, p, v, q) as (groups, p, q, C_out, images*u*v)."""
    apart = G.transpose(1, 4, 6, 2, 0, 3, 5)
    return apart.reshape(*apart.shape[:4], prod(apart.shape[4:]))


def _repeats(pixels: FloatArray) -> tuple[int, int, int]:
    """Return the numbers of images, u and v of ``(images, ..., u, p, v, q)``."""
    return pixels.shape[0], pixels.shape[-4], pixels.shape[-2]
