"""Vertical Toeplitz blocks: matrix products that convolve along the rows of a tile.

Take B output rows, and the L = (B-1)*sy + reach padded rows that they read. For one horizontal tap n,

    Z[i, j0+b, k] += sum over r,l of T_n[(b,i), (r,l)] * V'[l, j0*sy + r, k*sx + n*dx]
    T_n[(b,i), (b*sy + m*dy, l)] = K[i,l,m,n],  zero elsewhere

so that each tap is one product of T_n (B*C_out, L*C_in) with a shifted view of the tile's rows. ``multiply`` takes rows
``(images, groups, h*C_in, sx, columns)``: the channels of a row lie one below another, and its columns are sorted by
their phase of the horizontal stride.

``toeplitz`` and ``multiply`` compute Z. Next to each stands its adjoint, for dK.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arrays import FloatArray
from convcli.engine.scratch import Scratch
from convcli.geometry.axes import Axis, Geometry


class Blocks(NamedTuple):
    """Blocks of ``height`` output rows: ``number`` of them, from row ``start`` of a tile."""

    start: int
    number: int
    height: int

    @property
    def span(self) -> slice:
        """The rows of all blocks."""
        return slice(self.start, self.start + self.number * self.height)


def cut_into_blocks(rows: int, height: int) -> Iterator[Blocks]:
    """Yield the whole blocks together, then one lower block of the remaining rows, if any."""
    whole, rest = divmod(rows, height)
    if whole:
        yield Blocks(0, whole, height)
    if rest:
        yield Blocks(whole * height, 1, rest)


def rows_under(rows: Axis, block: int) -> int:
    """Return how many padded rows a block of output rows reads."""
    return (block - 1) * rows.stride + rows.reach


def toeplitz(weights: FloatArray, rows: Axis, block: int) -> FloatArray:
    """Return T ``(groups, kw, B*C_out, L*C_in)`` for weights ``(groups, C_out, C_in, kh, kw)`` and B = ``block``."""
    groups, out_channels, in_channels, _, columns = weights.shape
    T = np.zeros((groups, columns, block, out_channels, rows_under(rows, block), in_channels), weights.dtype)
    _diagonals(T, rows)[...] = weights.transpose(0, 4, 3, 1, 2)[:, :, None]
    return T.reshape(groups, columns, block * out_channels, -1)


def toeplitz_adjoint(dT: FloatArray, geometry: Geometry, block: int) -> FloatArray:
    """Return dK ``(groups, C_out, C_in, kh, kw)`` from the gradient of T: sums along its diagonals."""
    rows, (groups, out_channels, in_channels, _, columns) = geometry.rows, geometry.kernel_blocks
    parted = dT.reshape(groups, columns, block, out_channels, rows_under(rows, block), in_channels)
    dK: FloatArray = _diagonals(parted, rows).sum(axis=2)
    return dK.transpose(0, 3, 4, 2, 1)


def _diagonals(T: FloatArray, rows: Axis) -> FloatArray:
    """Return a view of the weights in T ``(groups, kw, B, C_out, L, C_in)``: ``(groups, kw, B, kh, C_out, C_in)``.

    ``[..., b, m, i, l]`` is ``T[..., b, i, b*sy + m*dy, l]``.
    """
    groups, columns, block, out_channels, _, in_channels = T.shape
    group, column, output, out_channel, row, in_channel = T.strides
    strides = (group, column, output + rows.stride * row, rows.dilation * row, out_channel, in_channel)
    return as_strided(T, (groups, columns, block, rows.taps, out_channels, in_channels), strides)


def multiply(
    T: FloatArray, source: FloatArray, geometry: Geometry, blocks: Blocks, out: FloatArray, scratch: Scratch
) -> None:
    """Fill the blocks' rows of ``out`` with the sum of the products of all horizontal taps.

    T may be for blocks of more rows; its upper left corner is then the T of these blocks.
    """
    T = _lower(T, geometry, blocks)
    images, groups, channels, _, columns = out.shape
    by_block = _by_block(out, blocks)
    shape = (images, groups, blocks.number, blocks.height * channels, columns)
    total = by_block[:, :, 0] if channels == 1 else scratch.array(shape, out.dtype)
    term = scratch.array(shape, out.dtype)
    stacked = _stacked(source, geometry, blocks)
    for n in range(geometry.columns.taps):
        seen = _seen(stacked, geometry, n, columns)
        np.matmul(T[:, None, n], seen, out=term if n else total)
        if n:
            np.add(total, term, out=total)
    if channels > 1:
        rows = total.reshape(images, groups, blocks.number, blocks.height, channels, columns)
        by_block[...] = rows.transpose(0, 1, 4, 2, 3, 5)


def multiply_adjoint(
    source: FloatArray, geometry: Geometry, blocks: Blocks, upstream: FloatArray, scratch: Scratch
) -> FloatArray:
    """Return the gradient of T ``(groups, kw, B*C_out, L*C_in)`` over some blocks."""
    images, groups, channels, _, columns = upstream.shape
    G = scratch.array((images, groups, blocks.number, blocks.height, channels, columns), source.dtype)
    G[...] = _by_block(upstream, blocks).transpose(0, 1, 3, 4, 2, 5)
    G = G.reshape(images, groups, blocks.number, blocks.height * channels, columns)
    stacked, taps = _stacked(source, geometry, blocks), range(geometry.columns.taps)
    found = (np.matmul(G, _seen(stacked, geometry, n, columns).swapaxes(-1, -2)) for n in taps)
    return np.stack([dT.sum(axis=(0, 2)) for dT in found], axis=1)


def _by_block(rows: FloatArray, blocks: Blocks) -> FloatArray:
    """Return a view of the blocks' rows of an output tile, ``(images, groups, channels, count, height, columns)``."""
    return rows[:, :, :, blocks.span].reshape(*rows.shape[:3], blocks.number, blocks.height, rows.shape[-1])


def _lower(T: FloatArray, geometry: Geometry, blocks: Blocks) -> FloatArray:
    """Return the part of T for blocks of fewer rows."""
    depth = rows_under(geometry.rows, blocks.height) * geometry.in_channels
    return T[:, :, : blocks.height * geometry.out_channels, :depth]


def _stacked(source: FloatArray, geometry: Geometry, blocks: Blocks) -> FloatArray:
    """Return a view of the rows that each block reads, ``(images, groups, count, L*C_in, sx, columns)``."""
    first = blocks.start * geometry.rows.stride * geometry.in_channels
    step = blocks.height * geometry.rows.stride * geometry.in_channels
    depth = rows_under(geometry.rows, blocks.height) * geometry.in_channels
    images, groups, row, phase, column = source.strides
    shape = (*source.shape[:2], blocks.number, depth, *source.shape[3:])
    return as_strided(source[:, :, first:], shape, (images, groups, step * row, row, phase, column), writeable=False)


def _seen(stacked: FloatArray, geometry: Geometry, n: int, columns: int) -> FloatArray:
    """Return a view of the stacked pixels that tap n reads, ``(images, groups, count, L*C_in, columns)``."""
    offset, phase = divmod(n * geometry.columns.dilation, geometry.columns.stride)
    return stacked[..., phase, offset : offset + columns]
