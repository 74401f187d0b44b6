"""How often an axis' pixels are used, and how many of them each output sees.

An output sees the taps that lie in the image; the others lie in the pads. A pixel is used once by each output that sees
it. Windows are products of rows and columns, and so are both counts.
"""

from collections.abc import Iterator

import numpy as np

from convcli.arrays import IntArray
from convcli.errors import GeometryError
from convcli.geometry.axes import MOST_SEARCHED, Axis


def uses(axis: Axis) -> IntArray:
    """Return how many outputs use each input pixel."""
    counts = np.zeros(axis.size, int)
    for pixels in _pixels_of_taps(axis):
        counts[pixels[(pixels >= 0) & (pixels < axis.size)]] += 1
    return counts


def sights(axis: Axis) -> IntArray:
    """Return how many input pixels each output sees."""
    counts = np.zeros(max(0, axis.output), int)
    for pixels in _pixels_of_taps(axis):
        counts += (pixels >= 0) & (pixels < axis.size)
    return counts


def _pixels_of_taps(axis: Axis) -> Iterator[IntArray]:
    """Yield the pixels that the outputs read under each tap; those in the pads are outside the image."""
    if axis.padded > MOST_SEARCHED:
        expected = f"expected at most {MOST_SEARCHED:,} padded rows or columns to count pixels"
        raise GeometryError(f"{expected}, given {axis.padded:,}; use a smaller input, padding or dilation")
    for tap in range(axis.taps):
        yield np.arange(max(0, axis.output)) * axis.stride + tap * axis.dilation - axis.before
