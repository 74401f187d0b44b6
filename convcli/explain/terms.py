"""The terms of the sums that define Z and its gradients: products of numbers of G, V' and K.

    G[i,j,k]      V'[l, j*sy + m*dy, k*sx + n*dx]      K[i,l,m,n]

A 2-D kernel has no index i: it maps channel l to channel l.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.formulas import Formulas, index_letters, output_letters
from convcli.convolution.prepared import Prepared
from convcli.geometry.axes import Axis
from convcli.geometry.edges import OUTSIDE, sources
from convcli.values import frozen_value

Indices = Mapping[str, IntArray]


class Pixels(NamedTuple):
    """The origins of padded pixels.

    sources: ``(terms, rank)``, the index in V of the pixel that each padded pixel holds; OUTSIDE for a constant.
    in_pads: ``(terms,)``, whether each padded pixel lies in the pads.
    """

    sources: IntArray
    in_pads: Array


class Factor(NamedTuple):
    """The factor that one tensor contributes to each of several terms.

    symbol: ``V'`` (``V`` without padding), ``K`` or ``G``.  letters: those of the tensor's axes.
    at: ``(terms, rank)``, its indices.  values: ``(terms,)``, float64.
    pixels: for V', the origins of the pixels; otherwise None.
    """

    symbol: str
    letters: tuple[str, ...]
    at: IntArray
    values: FloatArray
    pixels: Pixels | None = None


class Terms(NamedTuple):
    """Several terms of a sum: the values of the indices that the sum runs over, and the factors."""

    indices: Indices
    factors: tuple[Factor, ...]

    @property
    def products(self) -> FloatArray:
        """The product of each term's factors."""
        with np.errstate(over="ignore", invalid="ignore"):
            product: FloatArray = np.prod([factor.values for factor in self.factors], axis=0)
        return product


class Sum(NamedTuple):
    """A sum of products.

    factors: the letters of the tensors that are multiplied: V, K, G.  fixed: the indices that it does not run over.
    axes: the axes that the sum runs over; several indices may run together along one axis. Terms are numbered in
    row-major order of the axes.
    """

    factors: str
    fixed: Mapping[str, int]
    axes: tuple[Indices, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the axes."""
        return tuple(len(next(iter(axis.values()))) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of terms."""
        return prod(self.shape)

    @property
    def letters(self) -> list[str]:
        """The indices that the sum runs over."""
        return [letter for axis in self.axes for letter in axis]

    def indices(self, numbers: IntArray) -> dict[str, IntArray]:
        """Return all indices of the terms with these numbers, the fixed ones included."""
        steps = np.unravel_index(numbers, self.shape) if self.axes else ()
        indices = {letter: np.full(len(numbers), value) for letter, value in self.fixed.items()}
        for axis, step in zip(self.axes, steps, strict=True):
            indices |= {letter: values[step] for letter, values in axis.items()}
        return indices


@frozen_value(compared=("prepared", "V", "G"))
class Tensors:
    """The tensors that the factors of terms come from.

    V: ``(..., C_in, H, W)`` or ``(H, W)``.  G: shaped like Z; None if no term has a factor of it.
    """

    def __init__(self, prepared: Prepared, V: Array, G: Array | None) -> None:
        self.prepared, self.geometry, self.K = prepared, prepared.geometry, prepared.convolution.weights
        self.V, self.G = V, G
        self.formulas = Formulas.of(prepared)

    @property
    def is_plane(self) -> bool:
        """Return whether the kernel filters every channel alone."""
        return self.K.ndim == 2

    @property
    def output_letters(self) -> list[str]:
        """The indices of Z and G."""
        return output_letters(self.V.ndim, self.K.ndim)

    @property
    def extents(self) -> dict[str, int]:
        """The extents of V's axes before its rows and columns."""
        return dict(zip(self._input_letters[:-2], self.V.shape[:-2], strict=True))

    def terms(self, sum_: Sum, numbers: IntArray) -> Terms:
        """Return the terms of a sum with these numbers."""
        indices = sum_.indices(numbers)
        factor = {"V": self._pixels, "K": self._weights, "G": self._upstream}
        factors = tuple(factor[letter](indices) for letter in sum_.factors)
        return Terms({letter: indices[letter] for letter in sum_.letters}, factors)

    def reads(self, axis: int, pixel: int) -> tuple[IntArray, IntArray]:
        """Return the outputs and taps that read an input row (axis 0) or column (axis 1), or a copy of it."""
        side = self._axes[axis]
        output, tap = np.indices((side.output, side.taps)).reshape(2, -1)
        reading = self._source(side, self._read(side, output, tap)) == pixel
        return output[reading], tap[reading]

    def copies(self, axis: int, pixel: int) -> tuple[int, ...]:
        """Return the padded rows (axis 0) or columns (axis 1) that hold an input row or column."""
        side = self._axes[axis]
        return tuple(np.flatnonzero(self._source(side, np.arange(side.padded)) == pixel).tolist())

    def outputs_of(self, index: Mapping[str, int]) -> IntArray:
        """Return the output channels that read the input channel ``l`` of an index, for a bank."""
        group = index.get("l", 0) // self.geometry.in_channels
        return group * self.geometry.out_channels + np.arange(self.geometry.out_channels)

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        return self.geometry.rows, self.geometry.columns

    @np.errstate(over="ignore", invalid="ignore")
    def _pixels(self, indices: Indices) -> Factor:
        y, x = self._axes
        rows, columns = self._read(y, indices["j"], indices["m"]), self._read(x, indices["k"], indices["n"])
        before = [self._before(letter, indices) for letter in self.extents]
        source = np.stack([*before, self._source(y, rows), self._source(x, columns)], axis=-1)
        outside = (source == OUTSIDE).any(axis=-1)
        values = np.asarray(self.V[tuple(np.maximum(source, 0).T)], np.float64)
        values[outside], source[outside] = self.geometry.edge.value, OUTSIDE
        in_pads = ~(_inside(rows, y) & _inside(columns, x))
        at = np.stack([*before, rows, columns], axis=-1)
        return Factor(self.formulas.pixel_symbol, tuple(self._input_letters), at, values, Pixels(source, in_pads))

    @property
    def _input_letters(self) -> list[str]:
        return index_letters("input", self.V.ndim)

    def _read(self, axis: Axis, output: IntArray, tap: IntArray) -> IntArray:
        """Return the padded pixel of an axis that each output reads with its tap."""
        flip = self.prepared.convolution.options.flip
        return output * axis.stride + (axis.taps - 1 - tap if flip else tap) * axis.dilation

    def _source(self, axis: Axis, padded: IntArray) -> IntArray:
        """Return the input pixel of an axis that each padded pixel is a copy of."""
        return sources(axis.size, padded - axis.before, self.geometry.edge)

    def _before(self, letter: str, indices: Indices) -> IntArray:
        """Return the indices of one of V's axes before rows and columns; l counts within the group of channel i."""
        if letter != "l" or self.is_plane:
            return indices[letter]
        return indices["i"] // self.geometry.out_channels * self.geometry.in_channels + indices["l"]

    def _weights(self, indices: Indices) -> Factor:
        tr, tc = self.geometry.tiling
        known = {**indices, "p": indices["j"] % tr, "q": indices["k"] % tc}
        return _factor("K", self.K, index_letters("kernel", self.K.ndim), known)

    def _upstream(self, indices: Indices) -> Factor:
        if self.G is None:
            raise ValueError("expected G, because these terms hold it")
        return _factor("G", self.G, self.output_letters, indices)


def _factor(symbol: str, tensor: Array, letters: Sequence[str], indices: Indices) -> Factor:
    at = [indices[letter] for letter in letters]
    return Factor(symbol, tuple(letters), np.stack(at, axis=-1), np.asarray(tensor[tuple(at)], np.float64))


def _inside(padded: IntArray, axis: Axis) -> Array:
    """Return whether padded pixels of an axis lie in the image."""
    return (axis.before <= padded) & (padded < axis.before + axis.size)
