"""Separable kernels: apply a kernel of low rank, K = sum over r of u_r v_r^T, along rows, then along columns.

    H_r[a, k] = sum over n of V'[a, k*sx + n*dx] * v_r[n]
    Z[j, k]   = sum over r,m of H_r[j*sy + m*dy, k] * u_r[m]

Along rows, a block of S output columns is one product with R_r, a small Toeplitz matrix of v_r:

    H_r[:, k0:k0+S] = V'[:, k0*sx : k0*sx + (S-1)*sx + reach] R_r,    R_r[b*sx + n*dx, b] = v_r[n]

Along columns, ``convcli.engine.algorithms.vertical`` takes the terms H_r as input channels, so that one product adds
them up.
"""

import itertools

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arrays import FloatArray
from convcli.engine.algorithms.vertical import cut_into_blocks, multiply, rows_under, toeplitz
from convcli.engine.costs import calls_seconds, product_seconds
from convcli.engine.interface import Estimate, Fill, Refusal, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, inner_apart, input_floats, largest_tile, output_floats
from convcli.geometry.axes import Axis, Geometry

BLOCK_ROWS = (8, 16)
BLOCK_COLUMNS = (16, 32)
# Parts into which a row may be cut. Narrower tiles can be higher, so that tall kernels repeat less work where tiles
# meet.
ROW_PARTS = (1, 2, 4, 8)


def estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost with the fastest tile and block sizes; refuse kernels that mix channels or are not finite."""
    if not work.traits.rank:
        return Refusal("its kernels map several channels to one, are not finite, or are large and of high rank")
    sizes = dict.fromkeys(_size(work, -(-work.geometry.columns.output // parts)) for parts in ROW_PARTS)
    candidates = itertools.product(sizes, BLOCK_ROWS, BLOCK_COLUMNS)
    return min((_estimate(work, *candidate) for candidate in candidates), key=lambda found: found.seconds)


def _size(work: Workload, columns: int) -> TileSize:
    geometry = work.geometry
    largest = largest_tile(
        geometry, lambda size: _floats(geometry, size, work.traits.rank), cached_floats(work), columns
    )
    return inner_apart(evened(largest, geometry), geometry)


def _estimate(work: Workload, size: TileSize, rows: int, columns: int) -> Estimate:
    geometry, rank = work.geometry, work.traits.rank
    rows, columns = min(rows, size.rows), min(columns, size.columns)
    # Padded rows that two tiles read are multiplied twice.
    read = work.output_pixels * len(geometry.rows.window(range(size.rows))) / size.rows
    along, across = rows_under(geometry.columns, columns), rows_under(geometry.rows, rows)
    seconds = (
        rank * product_seconds(columns, along, read / columns, work.itemsize)
        + product_seconds(rows, across * rank, work.output_pixels / rows, work.itemsize)
        + calls_seconds((4 + rank) * size.number(geometry))
        + work.traits.seconds_to_know((geometry.rows.taps, geometry.columns.taps))
    )
    return Estimate(
        size,
        seconds,
        multiplications=int(rank * (read * along + work.output_pixels * across)),
        moved=0,
        workspace=_floats(geometry, size, rank) * work.itemsize,
        blocks={"rows": rows, "columns": columns, "rank": rank},
        exact=work.traits.exact,
        spreads=True,
    )


def _floats(geometry: Geometry, size: TileSize, rank: int) -> int:
    rows = len(geometry.rows.window(range(size.rows)))
    along = size.images * geometry.groups * rank * rows * size.columns
    return input_floats(geometry, size) + along + output_floats(geometry, size)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Prepare the weights, and return the function that fills an output tile from a padded input tile."""
    assert weights.factors is not None
    geometry, rank = work.geometry, work.traits.rank
    U, V = weights.factors.columns.astype(work.dtype), weights.factors.rows.astype(work.dtype)
    T = toeplitz(U[:, None, :, :, None], geometry.rows, chosen.blocks["rows"])
    R = along_rows(V, geometry.columns, chosen.blocks["columns"])
    across = geometry._replace(in_channels=rank, columns=Axis(size=geometry.columns.output, taps=1))

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        images, groups, _, height, _ = tile.shape
        columns = out.shape[-1]
        H = scratch.array((images, groups, height, rank, columns), out.dtype)
        _multiply_rows(tile[:, :, 0], R, geometry.columns, H)
        rows = H.reshape(images, groups, height * rank, 1, columns)
        for blocks in cut_into_blocks(out.shape[-2], chosen.blocks["rows"]):
            multiply(T, rows, across, blocks, out, scratch)

    return run


def along_rows(V: FloatArray, columns: Axis, block: int) -> FloatArray:
    """Return R ``(groups, rank, L, block)`` for row factors ``(groups, rank, kw)``."""
    groups, rank, taps = V.shape
    R = np.zeros((groups, rank, rows_under(columns, block), block), V.dtype)
    for b in range(block):
        for n in range(taps):
            R[:, :, b * columns.stride + n * columns.dilation, b] = V[:, :, n]
    return R


def _multiply_rows(tile: FloatArray, R: FloatArray, axis: Axis, out: FloatArray) -> None:
    """Fill ``out`` (images, groups, h, rank, columns) from a tile (images, groups, h, w), a block at a time."""
    block = R.shape[-1]
    for blocks in cut_into_blocks(out.shape[-1], block):
        depth = rows_under(axis, blocks.height)
        seen = _windows(tile[..., blocks.start * axis.stride :], blocks.number, blocks.height * axis.stride, depth)
        part = _windows(out.swapaxes(2, 3)[..., blocks.start :], blocks.number, blocks.height, blocks.height)
        for r in range(R.shape[1]):
            np.matmul(seen, R[:, r, None, :depth, : blocks.height], out=part[:, :, r])


def _windows(rows: FloatArray, count: int, step: int, width: int) -> FloatArray:
    """Return a view ``(..., count, h, width)`` of rows ``(..., h, w)``: windows that start every ``step`` columns."""
    *leading, height, column = rows.strides
    return as_strided(rows, (*rows.shape[:-2], count, rows.shape[-2], width), (*leading, step * column, height, column))
