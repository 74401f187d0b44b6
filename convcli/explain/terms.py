"""The terms of the sums that define Z and its gradients: products of numbers of G, V' and K.

    G[i,j,k]      V'[l, j*sy + m*dy, k*sx + n*dx]      K[i,l,m,n]

A 2-D kernel has no index i: it maps channel l to channel l. The terms of a transposed convolution are those of the
convolution that it transposes, with V and G exchanged, but only in name.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.formulas import Formulas, index_letters, output_letters, transposed_symbols
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.prepared import Prepared
from convcli.convolution.transposed import PreparedTransposed
from convcli.geometry.axes import Axis
from convcli.geometry.edges import OUTSIDE, sources
from convcli.layouts import DEFAULT, Layouts
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

    symbol: ``V'`` (``V`` without padding), ``K`` or ``G``; of a transposed convolution ``G'``, ``K`` or ``V``.
    letters: those of the tensor's axes.  at: ``(terms, rank)``, its indices.  values: ``(terms,)``, float64.
    pixels: for V' (or G'), the origins of the pixels; otherwise None.
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

    factors: the symbols of the tensors that are multiplied: V', V, K, G.  fixed: the indices that it does not run over.
    axes: the axes that the sum runs over; several indices may run together along one axis. Terms are numbered in
    row-major order of the axes.
    """

    factors: tuple[str, ...]
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


@frozen_value(compared=("layer", "V", "G"))
class Tensors:
    """The tensors that the factors of terms come from, under the names that they have in a convolution.

    layer: the convolution, or a transposed one.  prepared: the convolution, or the one that is transposed.
    V: ``(..., C_in, H, W)`` or ``(H, W)``; of a transposed convolution its G.
    G: shaped like Z, or None if no term has a factor of it; of a transposed convolution its V.
    layouts: the order of indices in formulas.
    """

    def __init__(self, layer: PreparedLayer, V: Array, G: Array | None, layouts: Layouts = DEFAULT) -> None:
        self.layer, self.V, self.G = layer, V, G
        if isinstance(layer, PreparedTransposed):
            self.prepared = layer.forward
            self.V = np.broadcast_to(0.0, layer.output_shape) if G is None else G
            self.G = V.reshape(layer.forward.output_shape)
        else:
            assert isinstance(layer, Prepared)
            self.prepared = layer
        self.geometry, self.K = self.prepared.geometry, self.prepared.convolution.weights
        self.formulas = Formulas.of(self.prepared, layouts)

    @property
    def transposed(self) -> bool:
        """Return whether the convolution is transposed."""
        return isinstance(self.layer, PreparedTransposed)

    @property
    def is_plane(self) -> bool:
        """Return whether the kernel filters every channel alone."""
        return self.K.ndim == 2

    @property
    def input_letters(self) -> list[str]:
        """The indices of V."""
        return index_letters("input", self.V.ndim)

    @property
    def output_letters(self) -> list[str]:
        """The indices of Z and G."""
        return output_letters(self.V.ndim, self.K.ndim)

    @property
    def extents(self) -> dict[str, int]:
        """The extents of V's axes before its rows and columns."""
        return dict(zip(self.input_letters[:-2], self.V.shape[:-2], strict=True))

    def symbol(self, own: str) -> str:
        """Return the symbol under which a tensor is shown: a transposed convolution shows V as G."""
        return transposed_symbols(own) if self.transposed else own

    def terms(self, sum_: Sum, numbers: IntArray) -> Terms:
        """Return the terms of a sum with these numbers."""
        indices = sum_.indices(numbers)
        factor = {"V'": self._pixels, "V": self._inputs, "K": self._weights, "G": self._upstream}
        factors = tuple(factor[symbol](indices) for symbol in sum_.factors)
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
        in_pads = ~(is_inside(rows, y) & is_inside(columns, x))
        at = np.stack([*before, rows, columns], axis=-1)
        symbol = self.symbol(self.formulas.pixel_symbol)
        return Factor(symbol, tuple(self.input_letters), at, values, Pixels(source, in_pads))

    def _inputs(self, indices: Indices) -> Factor:
        return _factor(self.symbol("V"), self.V, self.input_letters, indices)

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
        return _factor(self.symbol("G"), self.G, self.output_letters, indices)


def _factor(symbol: str, tensor: Array, letters: Sequence[str], indices: Indices) -> Factor:
    at = [indices[letter] for letter in letters]
    return Factor(symbol, tuple(letters), np.stack(at, axis=-1), np.asarray(tensor[tuple(at)], np.float64))


def is_inside(padded: IntArray, axis: Axis) -> Array:
    """Return whether padded pixels of an axis lie in the image."""
    return (axis.before <= padded) & (padded < axis.before + axis.size)
