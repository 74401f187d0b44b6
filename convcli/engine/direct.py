"""The definition: loop over taps, vectorise over pixels. Little workspace, any geometry, the slowest.

forward  Z[i]         += K[i,l,m,n] * V'[l] as tap (m, n) sees it
kernel   dK[i,l,m,n]  += sum over pixels of G[i] * V'[l] as tap (m, n) sees it
"""

from collections.abc import Iterator

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import ARITHMETIC, Estimate
from convcli.engine.tiles import tap_view
from convcli.geometry import Geometry

name = "direct"


def column_floats(geometry: Geometry) -> int:
    """Floats kept for one output pixel: the product that is added next."""
    return geometry.out_channels


def estimate(geometry: Geometry, tiles: int) -> Estimate:
    """Two passes over the output for every tap and input channel."""
    taps = geometry.rows.taps * geometry.columns.taps * geometry.in_channels
    return Estimate(seconds=2 * taps * _outputs(geometry) * ARITHMETIC, calls=2 * taps * tiles)


def _outputs(geometry: Geometry) -> int:
    images, groups, channels, rows, columns = geometry.output_blocks
    return images * groups * channels * rows * columns


def convolve(tile: FloatArray, weights: FloatArray, geometry: Geometry, out: FloatArray) -> None:
    """Fill ``out`` with the correlation of a padded tile with the weights."""
    out[...] = 0
    product = np.empty_like(out)
    for channel, m, n in _taps(geometry):
        seen = tap_view(tile[:, :, channel, None], geometry, m, n, *out.shape[-2:])
        np.multiply(seen, weights[:, :, channel, m, n, None, None], out=product)
        out += product


def kernel_gradient(tile: FloatArray, upstream: FloatArray, geometry: Geometry, out: FloatArray) -> None:
    """Add to ``out`` (a dK) what this padded tile and its part of G give."""
    for channel, m, n in _taps(geometry):
        seen = tap_view(tile[:, :, channel, None], geometry, m, n, *upstream.shape[-2:])
        out[:, :, channel, m, n] += (upstream * seen).sum(axis=(0, 3, 4))


def _taps(geometry: Geometry) -> Iterator[tuple[int, int, int]]:
    """Every (input channel, kernel row, kernel column)."""
    return np.ndindex(geometry.in_channels, geometry.rows.taps, geometry.columns.taps)
