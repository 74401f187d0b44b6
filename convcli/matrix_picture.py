"""The pattern of a convolution's matrix as a picture: a pixel for each entry, or for each square box of entries."""

from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.images import Metadata, encode_image, format_of
from convcli.matrix import ConvolutionMatrix

LARGEST_SIDE = 2000
# A small matrix is magnified until its longer side is about this long.
COMFORTABLE_SIDE = 500
LARGEST_MAGNIFICATION = 32

WHITE = np.array([255.0, 255, 255])
# Of ColorBrewer's RdBu, which readers blind to red or green tell apart.
BELOW = np.array([33.0, 102, 172])
ABOVE = np.array([178.0, 24, 43])
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
    scale = _scale(M.shape)
    colours = _signed_colours(_boxes(M, scale.box), float(np.abs(M.data).max(initial=0)))
    pixels = colours.repeat(scale.magnification, axis=0).repeat(scale.magnification, axis=1)
    return encode_image(np.ascontiguousarray(pixels.transpose(2, 0, 1)), None, format_of("png"), Metadata())


def _scale(shape: tuple[int, int]) -> _Scale:
    longest = max(shape)
    return _Scale(-(-longest // LARGEST_SIDE), max(1, min(LARGEST_MAGNIFICATION, COMFORTABLE_SIDE // longest)))


def _boxes(M: ConvolutionMatrix, box: int) -> FloatArray:
    """The entry of the largest magnitude in each box, 0 where there is none."""
    rows, columns = (-(-extent // box) for extent in M.shape)
    most, least = np.zeros((rows, columns)), np.zeros((rows, columns))
    for row in range(rows):
        start, stop = M.indptr[row * box], M.indptr[min((row + 1) * box, M.shape[0])]
        places: IntArray = M.indices[start:stop] // box
        np.maximum.at(most[row], places, M.data[start:stop])
        np.minimum.at(least[row], places, M.data[start:stop])
    return np.where(most >= -least, most, least)


def _signed_colours(values: FloatArray, limit: float) -> Array:
    """``(..., 3)`` uint8: white at 0, and from a faint tint to the full colour at -limit and at limit."""
    strength = np.abs(values)[..., np.newaxis] / (limit or 1)
    tint = np.where(strength > 0, FAINTEST + (1 - FAINTEST) * strength, 0)
    ends = np.where(values[..., np.newaxis] < 0, BELOW, ABOVE)
    colours: FloatArray = np.rint(WHITE + tint * (ends - WHITE))
    return colours.astype(np.uint8)
