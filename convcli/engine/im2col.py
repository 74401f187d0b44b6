"""im2col in bands: every window laid out as a column, then one matrix product through BLAS.

With P the pixels of a tile and X (C_in*kh*kw, P) its windows as columns:

    forward  Z  = K X         (C_out, C_in*kh*kw) (C_in*kh*kw, P)
    kernel   dK = G X^T       (C_out, P) (P, C_in*kh*kw)
"""

from math import prod

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import COPY, PRODUCT, Estimate
from convcli.engine.tiles import tap_view
from convcli.geometry import Geometry

name = "im2col"


def column_floats(geometry: Geometry) -> int:
    """Floats kept for one output pixel: its window, and its products."""
    return _window(geometry) + geometry.out_channels


def estimate(geometry: Geometry, tiles: int) -> Estimate:
    """Every window copied once, then multiplied once for each output channel."""
    window = _window(geometry)
    pixels = geometry.images * geometry.groups * geometry.rows.output * geometry.columns.output
    seconds = pixels * window * (COPY + geometry.out_channels * PRODUCT)
    return Estimate(seconds, calls=(geometry.rows.taps * geometry.columns.taps + 1) * tiles)


def _window(geometry: Geometry) -> int:
    return prod(geometry.kernel_blocks[2:])


def convolve(tile: FloatArray, weights: FloatArray, geometry: Geometry, out: FloatArray) -> None:
    """Fill ``out`` with the correlation of a padded tile with the weights."""
    columns = _columns(tile, geometry, *out.shape[-2:])
    groups, out_channels = weights.shape[:2]
    out[...] = np.matmul(weights.reshape(groups, out_channels, -1), columns).reshape(out.shape)


def kernel_gradient(tile: FloatArray, upstream: FloatArray, geometry: Geometry, out: FloatArray) -> None:
    """Add to ``out`` (a dK) what this padded tile and its part of G give."""
    columns = _columns(tile, geometry, *upstream.shape[-2:])
    flat = upstream.reshape(*upstream.shape[:3], -1)
    # Image by image: a batch of products would be as many kernels at once.
    for G, X in zip(flat, columns, strict=True):
        out += np.matmul(G, X.swapaxes(-1, -2)).reshape(out.shape)


def _columns(tile: FloatArray, geometry: Geometry, rows: int, columns: int) -> FloatArray:
    """The windows of a tile, (images, groups, C_in*kh*kw, rows*columns)."""
    images, groups, channels = tile.shape[:3]
    kh, kw = geometry.rows.taps, geometry.columns.taps
    windows = np.empty((images, groups, channels, kh, kw, rows, columns), tile.dtype)
    for m, n in np.ndindex(kh, kw):
        windows[:, :, :, m, n] = tap_view(tile, geometry, m, n, rows, columns)
    return windows.reshape(images, groups, channels * kh * kw, rows * columns)
