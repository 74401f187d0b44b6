"""The pattern of a convolution's matrix as a picture: a pixel for each entry, or for each square box of entries."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray
from convcli.drawing.palette import signed_colours
from convcli.matrix.assembly import ConvolutionMatrix
from convcli.pictures.writing import encode_png

LARGEST_SIDE = 2000
# A small matrix is magnified until its longer side is about this long.
COMFORTABLE_SIDE = 500
LARGEST_MAGNIFICATION = 32

# The tint of the smallest number: next to white it would not be seen that it is there.
FAINTEST = 0.25


class _Scale(NamedTuple):
    """How many entries of M, along each axis, are a box, and how many pixels of the picture a box is."""

    box: int
    magnification: int


def matrix_png(M: ConvolutionMatrix) -> bytes:
    """The bytes of a PNG: blue below zero, red above, stronger towards the largest magnitude; what M lacks is white.

    A matrix of more than LARGEST_SIDE rows or columns is drawn in boxes, each in the colour of its entry of the
    largest magnitude; a small one is magnified by a whole factor.
    """
    scale, limit = _scale(M.shape), M.largest
    # Row by row: as floats the colours of a large picture would take a hundred megabytes.
    boxes = np.stack([signed_colours(_tinted(row, limit), limit) for row in _box_rows(M, scale.box)])
    return encode_png(boxes.repeat(scale.magnification, axis=0).repeat(scale.magnification, axis=1))


def _scale(shape: tuple[int, int]) -> _Scale:
    longest = max(shape)
    return _Scale(-(-longest // LARGEST_SIDE), max(1, min(LARGEST_MAGNIFICATION, COMFORTABLE_SIDE // longest)))


def _box_rows(M: ConvolutionMatrix, box: int) -> Iterator[FloatArray]:
    """For each row of boxes the entry of the largest magnitude in each, 0 where there is none."""
    rows, columns = (-(-extent // box) for extent in M.shape)
    for row in range(rows):
        entries = slice(M.indptr[row * box], M.indptr[min((row + 1) * box, M.shape[0])])
        most, least = np.zeros(columns), np.zeros(columns)
        np.maximum.at(most, M.indices[entries] // box, M.data[entries])
        np.minimum.at(least, M.indices[entries] // box, M.data[entries])
        yield np.where(most >= -least, most, least)


def _tinted(values: FloatArray, limit: float) -> FloatArray:
    """The same, but for those whose colour would not be seen."""
    return np.sign(values) * np.maximum(np.abs(values), np.where(values == 0, 0, FAINTEST * limit))
