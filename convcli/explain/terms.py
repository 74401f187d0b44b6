"""Terms of the definition's sums: what the indices i, l, j, k, m, n lead to in G, V' and K.

    G[i,j,k]      V'[l, j*sy + m*dy, k*sx + n*dx]      K[i,l,m,n]

A 2-D kernel has no i: what it makes of channel l is channel l.
"""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.formulas import index_letters, output_letters
from convcli.convolution.prepared import Prepared
from convcli.geometry.axes import Axis
from convcli.geometry.edges import OUTSIDE, sources

Indices = Mapping[str, IntArray]


class Pixels(NamedTuple):
    """Where padded pixels come from.

    sources: the indices of the pixel of V that stands there, or OUTSIDE, ``(terms, 3)``.  in_pads: ``(terms,)``.
    """

    sources: IntArray
    in_pads: Array


class Factor(NamedTuple):
    """One factor of some terms.

    symbol: ``V'``, ``K`` or ``G``.  places: its indices, ``(terms, rank)``.  values: ``(terms,)``, float64.
    pixels: for V', where they come from; else None.
    """

    symbol: str
    places: IntArray
    values: FloatArray
    pixels: Pixels | None = None


class Terms(NamedTuple):
    """Some terms of a sum: the values of the indices that it runs over, and the factors."""

    indices: Indices
    factors: tuple[Factor, ...]

    @property
    def products(self) -> FloatArray:
        """One for each term."""
        with np.errstate(over="ignore", invalid="ignore"):
            product: FloatArray = np.prod([factor.values for factor in self.factors], axis=0)
        return product


class Sum(NamedTuple):
    """What is multiplied (letters of V, K and G), indices that are fixed, and axes along which the others run.

    Along one axis several indices may run together. Terms are counted in row-major order of the axes.
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
        """How many terms there are."""
        return prod(self.shape)

    @property
    def running(self) -> list[str]:
        """The indices that the sum runs over."""
        return [letter for axis in self.axes for letter in axis]

    def indices(self, ordinals: IntArray) -> dict[str, IntArray]:
        """Every index of these terms, the fixed ones too."""
        places = np.unravel_index(ordinals, self.shape) if self.axes else ()
        found = {letter: np.full(len(ordinals), value) for letter, value in self.fixed.items()}
        for axis, place in zip(self.axes, places, strict=True):
            found |= {letter: values[place] for letter, values in axis.items()}
        return found


class Tensors:
    """V ``(C_in, H, W)``, K as given, and G shaped like Z, or None where no term holds one."""

    def __init__(self, prepared: Prepared, V: Array, G: Array | None) -> None:
        self.V, self.K, self.G, self.geometry = V, prepared.convolution.weights, G, prepared.geometry
        self._flip = prepared.convolution.options.flip

    @property
    def is_plane(self) -> bool:
        """Whether the kernel filters every channel alone."""
        return self.K.ndim == 2

    @property
    def output_letters(self) -> str:
        """The indices of Z and G."""
        return output_letters(self.K.ndim)

    def terms(self, sum_: Sum, ordinals: range) -> Terms:
        """The terms of a sum that have these ordinals."""
        indices = sum_.indices(np.arange(ordinals.start, ordinals.stop))
        find = {"V": self._pixels, "K": self._weights, "G": self._upstream}
        found = tuple(find[letter](indices) for letter in sum_.factors)
        return Terms({letter: indices[letter] for letter in sum_.running}, found)

    def reads(self, axis: int, pixel: int) -> tuple[IntArray, IntArray]:
        """The (output, tap) pairs that read an input row (axis 0) or column (axis 1), itself or a copy."""
        side = self._axes[axis]
        output, tap = np.indices((side.output, side.taps)).reshape(2, -1)
        found = self._source(side, self._read(side, output, tap)) == pixel
        return output[found], tap[found]

    def copies(self, axis: int, pixel: int) -> tuple[int, ...]:
        """The padded rows (axis 0) or columns (axis 1) that hold an input row or column."""
        side = self._axes[axis]
        return tuple(np.flatnonzero(self._source(side, np.arange(side.padded)) == pixel).tolist())

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        return self.geometry.rows, self.geometry.columns

    @np.errstate(over="ignore", invalid="ignore")
    def _pixels(self, indices: Indices) -> Factor:
        y, x = self._axes
        rows, columns = self._read(y, indices["j"], indices["m"]), self._read(x, indices["k"], indices["n"])
        channel = self._channel(indices)
        held = np.stack([channel, self._source(y, rows), self._source(x, columns)], axis=-1)
        outside = (held == OUTSIDE).any(axis=-1)
        values = np.asarray(self.V[tuple(np.maximum(held, 0).T)], np.float64)
        values[outside], held[outside] = self.geometry.edge.value, OUTSIDE
        in_pads = ~(_inside(rows, y) & _inside(columns, x))
        return Factor("V'", np.stack([channel, rows, columns], axis=-1), values, Pixels(held, in_pads))

    def _read(self, axis: Axis, output: IntArray, tap: IntArray) -> IntArray:
        """The padded pixels of an axis that outputs read under taps."""
        return output * axis.stride + (axis.taps - 1 - tap if self._flip else tap) * axis.dilation

    def _source(self, axis: Axis, padded: IntArray) -> IntArray:
        """The input pixels of an axis that padded ones hold."""
        return sources(axis.size, padded - axis.before, self.geometry.edge)

    def _channel(self, indices: Indices) -> IntArray:
        """V's channel: l is counted within the group of i."""
        if self.is_plane:
            return indices["l"]
        return indices["i"] // self.geometry.out_channels * self.geometry.in_channels + indices["l"]

    def _weights(self, indices: Indices) -> Factor:
        tr, tc = self.geometry.tiling
        known = {**indices, "p": indices["j"] % tr, "q": indices["k"] % tc}
        places = np.stack([known[letter] for letter in index_letters("kernel", self.K.ndim)], axis=-1)
        return Factor("K", places, np.asarray(self.K[tuple(places.T)], np.float64))

    def _upstream(self, indices: Indices) -> Factor:
        if self.G is None:
            raise ValueError("these terms hold G, and there is none")
        places = np.stack([indices[letter] for letter in self.output_letters], axis=-1)
        return Factor("G", places, np.asarray(self.G[tuple(places.T)], np.float64))


def _inside(padded: IntArray, axis: Axis) -> Array:
    """Whether padded pixels of an axis are the image's own."""
    return (axis.before <= padded) & (padded < axis.before + axis.size)
