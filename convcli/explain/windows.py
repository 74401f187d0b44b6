"""The windows of a convolution: for each output, the pixels and weights that it multiplies.

The window at output (i,j,k) pairs V'[l, j*sy + m*dy, k*sx + n*dx] with K[i,l,m,n], for all l, m and n.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.prepared import Prepared
from convcli.explain.terms import Sum, Tensors, is_inside
from convcli.geometry.edges import pad


class Window(NamedTuple):
    """The pairs of pixels and weights at one output.

    number: of the output, in row-major order.  at: its place.
    pixels, weights: ``(C_in, kh, kw)``, in the order of the weights.
    places, sources, taps: ``(C_in, kh, kw, rank)``, the indices of the pixels in V' and in V (OUTSIDE for constants),
    and those of the weights in K.
    """

    number: int
    at: tuple[int, ...]
    pixels: FloatArray
    weights: FloatArray
    places: IntArray
    sources: IntArray
    taps: IntArray

    @property
    def output(self) -> IntArray:
        """The row and column of the output."""
        return np.array(self.at[-2:])


def windows(prepared: Prepared, tensors: Tensors, numbers: range) -> Iterator[Window]:
    """Yield the windows at the outputs with these numbers."""
    geometry, letters = prepared.geometry, tensors.output_letters
    shape = (geometry.in_channels, geometry.rows.taps, geometry.columns.taps)
    axes = tuple(
        {letter: np.arange(extent)} for letter, extent in zip("lmn", shape, strict=True) if letter not in letters
    )
    for number in numbers:
        at = tuple(int(index) for index in np.unravel_index(number, geometry.output_shape))
        pairs = Sum(("V'", "K"), dict(zip(letters, at, strict=True)), axes)
        pixels, weights = tensors.terms(pairs, np.arange(prod(shape))).factors
        assert pixels.pixels is not None
        yield Window(
            number=number,
            at=at,
            pixels=pixels.values.reshape(shape),
            weights=weights.values.reshape(shape),
            places=_in_shape(pixels.at, shape),
            sources=_in_shape(pixels.pixels.sources, shape),
            taps=_in_shape(weights.at, shape),
        )


def padded_input(prepared: Prepared, V: Array) -> FloatArray:
    """Return V' in float64."""
    geometry = prepared.geometry
    rows, columns = geometry.rows, geometry.columns
    out = np.empty((*V.shape[:-2], rows.padded, columns.padded))
    row_runs, column_runs = (axis.runs(range(axis.padded), geometry.edge) for axis in (rows, columns))
    pad(V, row_runs, column_runs, geometry.edge.value, out)
    return out


def in_padding(prepared: Prepared) -> Array:
    """Return ``(rows, columns)`` of V': whether a pixel lies in the padding."""
    axes = prepared.geometry.rows, prepared.geometry.columns
    rows, columns = (is_inside(np.arange(axis.padded), axis) for axis in axes)
    return ~(rows[:, np.newaxis] & columns)


def _in_shape(indices: IntArray, shape: tuple[int, ...]) -> IntArray:
    return indices.reshape(*shape, -1)
