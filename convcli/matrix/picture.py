"""Draw the pattern of a convolution's matrix: a square for each entry, or a pixel for each square box of entries."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from convcli.arrays import FloatArray
from convcli.drawing.palette import signed_colours
from convcli.pictures.writing import encode_png

if TYPE_CHECKING:
    from convcli.matrix.assembly import ConvolutionMatrix

LARGEST_SIDE = 2000
# A small matrix is magnified until its longer side is about this long.
COMFORTABLE_SIDE = 500
LARGEST_MAGNIFICATION = 32

# The share of the darkest tint that the smallest numbers get, because a paler tint would look white.
FAINTEST = 0.25


class _Scale(NamedTuple):
    """The scale of a picture: the entries of M along each side of a box, and the pixels along each side of a box."""

    box: int
    magnification: int


def matrix_png(M: "ConvolutionMatrix", largest_side: int = LARGEST_SIDE) -> bytes:
    """Return a PNG of the pattern: blue below zero, red above, darker towards the largest magnitude, white for zero.

    A matrix of more than ``largest_side`` rows or columns is drawn in boxes; each has the colour of its entry with the
    largest magnitude. A small matrix is magnified by a whole factor.
    """
    scale, limit = _scale(M.shape, largest_side), M.largest
    # Row by row, because the colours of a large picture would take a hundred megabytes as floats.
    boxes = np.stack([signed_colours(_tinted(row, limit), limit) for row in _box_rows(M, scale.box)])
    return encode_png(boxes.repeat(scale.magnification, axis=0).repeat(scale.magnification, axis=1))


def _scale(shape: tuple[int, int], largest_side: int) -> _Scale:
    longest = max(shape)
    return _Scale(-(-longest // largest_side), max(1, min(LARGEST_MAGNIFICATION, COMFORTABLE_SIDE // longest)))


def _box_rows(M: "ConvolutionMatrix", box: int) -> Iterator[FloatArray]:
    """Yield for each row of boxes the entry with the largest magnitude in each box; 0 for an empty box."""
    rows, columns = (-(-extent // box) for extent in M.shape)
    for row in range(rows):
        entries = slice(M.indptr[row * box], M.indptr[min((row + 1) * box, M.shape[0])])
        most, least = np.zeros(columns), np.zeros(columns)
        np.maximum.at(most, M.indices[entries] // box, M.data[entries])
        np.minimum.at(least, M.indices[entries] // box, M.data[entries])
        yield np.where(most >= -least, most, least)


def _tinted(values: FloatArray, limit: float) -> FloatArray:
    """Return the values; those that would look white are enlarged to FAINTEST of the limit."""
    return np.sign(values) * np.maximum(np.abs(values), np.where(values == 0, 0, FAINTEST * limit))
