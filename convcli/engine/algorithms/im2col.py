"""im2col, tile by tile: copy every window into a column, then multiply matrices by BLAS.

With P the pixels of a tile and X (C_in*kh*kw, P) its windows as columns:

    forward  Z  = K X         (C_out, C_in*kh*kw) (C_in*kh*kw, P)
    kernel   dK = G X^T       (C_out, P) (P, C_in*kh*kw)

The windows of a 1x1 kernel are the tile itself.
"""

from math import ceil, prod

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import calls_seconds, elementwise_seconds, product_seconds
from convcli.engine.interface import Estimate, Fill, TileGradient, Weights, Workload
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, input_floats, largest_tile, output_floats, windows
from convcli.geometry.axes import Geometry

# A tile may be larger than the cache: BLAS packs the weights once per product, and the larger the weights, the more
# columns it takes to make up for that.
LEAST_WORKSPACE = 4 << 20
WORKSPACE_FOR_WEIGHTS = 6
# The fewest pixels of a layer for which products that give dK in another order save time.
MANY_PIXELS = 512
# How often a window's float is read or written: it is copied outside the cache, then BLAS reads and packs it.
ACCESSES = 6
# A single tile is cut by output channels if it takes more seconds than this, and so many times as long as its copies.
PART, MOST_COPYING = 1e-3, 8


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: copy every window once, and multiply it once per output channel."""
    estimate = _estimate(work, reserved=0)
    return _in_parts(estimate, work.geometry) if estimate.tile.number(work.geometry) == 1 else estimate


def _in_parts(estimate: Estimate, geometry: Geometry) -> Estimate:
    """Return the estimate of a single tile, cut by output channels into two that two threads can compute.

    Both copy all windows. So there is one tile, still, if the product does not take much longer than the copies.
    """
    copying = elementwise_seconds(estimate.moved)
    if estimate.seconds < PART + MOST_COPYING * copying or geometry.out_channels == 1:
        return estimate
    tile = estimate.tile._replace(channels=ceil(geometry.out_channels / 2))
    return estimate._replace(tile=tile, seconds=estimate.seconds + copying, moved=2 * estimate.moved)


def kernel_gradient_estimate(work: Workload) -> Estimate:
    """Estimate the cost: copy every window once, and multiply it once per output channel. The workspace includes dK."""
    return _estimate(work, reserved=prod(work.geometry.kernel_blocks))


def _estimate(work: Workload, reserved: int) -> Estimate:
    geometry = work.geometry
    limit = LEAST_WORKSPACE // work.itemsize + WORKSPACE_FOR_WEIGHTS * prod(geometry.kernel_blocks)
    limit = min(limit, work.memory // work.itemsize - reserved)
    size = evened(largest_tile(geometry, lambda size: _floats(geometry, size), limit), geometry)
    window = prod(geometry.kernel_blocks[2:])
    copied = 0 if geometry.is_pointwise else ACCESSES * window * work.output_pixels * work.itemsize
    seconds = (
        product_seconds(geometry.out_channels, window, work.output_pixels, work.itemsize)
        + elementwise_seconds(copied)
        + calls_seconds(4 * size.number(geometry))
    )
    multiplications = geometry.out_channels * window * work.output_pixels
    workspace = (_floats(geometry, size) + reserved) * work.itemsize
    return Estimate(size, seconds, multiplications, copied, workspace)


def _floats(geometry: Geometry, size: TileSize) -> int:
    columns = prod(geometry.kernel_blocks[2:]) * geometry.groups * size.pixels
    return input_floats(geometry, size) + columns + 2 * output_floats(geometry, size)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    groups, out_channels = weights.K.shape[:2]
    K = weights.K.astype(work.dtype, copy=False).reshape(groups, out_channels, -1)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        X = _columns(tile, work.geometry, out.shape[-2:], scratch)
        flat = (*out.shape[:3], out.shape[3] * out.shape[4])
        # Fill the output in place if its rows are contiguous.
        if out.strides[-2] == out.shape[-1] * out.itemsize:
            np.matmul(K, X, out=out.reshape(flat))
        else:
            out[...] = np.matmul(K, X, out=scratch.array(flat, out.dtype)).reshape(out.shape)

    return run


def kernel_gradient_runner(work: Workload, chosen: Estimate) -> TileGradient:
    """Return the function that computes what a padded tile and its part of G add to dK."""
    geometry = work.geometry
    # X G^T has more rows than G X^T, and is faster. But it takes longer to store its result in the order of dK.
    transposed = geometry.images * geometry.rows.output * geometry.columns.output >= MANY_PIXELS

    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        columns = _columns(tile, geometry, upstream.shape[-2:], scratch)
        flat = upstream.reshape(*upstream.shape[:3], -1)
        left, right = (columns, flat) if transposed else (flat, columns)
        # One image at a time, because the products of a batch would take as much memory as that many kernels.
        products = (np.matmul(first, second.swapaxes(-1, -2)) for first, second in zip(left, right, strict=True))
        dK: FloatArray = next(products)
        for product in products:
            np.add(dK, product, out=dK)
        return (dK.swapaxes(-1, -2) if transposed else dK).reshape(geometry.kernel_blocks)

    return run


def _columns(tile: FloatArray, geometry: Geometry, pixels: tuple[int, ...], scratch: Scratch) -> FloatArray:
    """Return the windows of a tile as columns, (images, groups, C_in*kh*kw, rows*columns)."""
    images, groups, channels = tile.shape[:3]
    rows, columns = pixels
    if geometry.is_pointwise:
        return tile.reshape(images, groups, channels, rows * columns)
    seen = windows(tile, geometry, rows, columns)
    # Copy in one call, because threads that copy tap by tap wait for each other.
    X = scratch.array(seen.shape, tile.dtype)
    X[...] = seen
    return X.reshape(images, groups, -1, rows * columns)
