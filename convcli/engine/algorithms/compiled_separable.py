"""Separable kernels in compiled loops: K = sum over r of u_r v_r^T, both passes over a few rows at a time.

    H_r[a, k] = sum over n of V'[a, k*sx + n*dx] * v_r[n]
    Z[j, k]   = sum over r,m of H_r[j*sy + m*dy, k] * u_r[m]

``separable`` keeps H of a whole tile. The loops of ``convcli.engine.compiled`` keep only the rows of H that some rows
of Z read, in a strip of columns, so that H stays in a core's own cache. This needs the extra ``fast``.
"""

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.algorithms.lines import (
    in_adjacent_columns,
    in_lines,
    lengthened,
    lines_floats,
    sized_for_lines,
    sorted_bytes,
)
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.blocks import VECTOR, Passes, passes_of, row_steps
from convcli.engine.costs import calls_seconds, compiled_seconds, elementwise_seconds
from convcli.engine.factors import Factors
from convcli.engine.interface import Estimate, Fill, Refusal, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, largest_tile, output_floats
from convcli.geometry.axes import Axis

# The bytes that H should take, and the rows of Z that are computed from it at once.
H_BYTES = 256 << 10
BAND = 32
# The fewest columns of a strip, even if H is larger then.
LEAST_COLUMNS = 256
# Parts into which a row may be cut. Narrower tiles can be higher, so that tall kernels repeat less work where tiles
# meet.
ROW_PARTS = (1, 2, 4, 8)
# How often a number of H or Z is read or written in cache per block of taps.
ACCESSES = 2
# Seconds to begin with a block of taps in some rows of a strip.
BEGIN = 3e-8


def estimate(work: Workload) -> Estimate | Refusal:
    """Estimate the cost with the fastest tile size; refuse kernels that mix channels or are not finite."""
    if not work.traits.rank:
        return Refusal("its kernels map several channels to one, are not finite, or are large and of high rank")
    sizes = dict.fromkeys(_size(work, -(-work.geometry.columns.output // parts)) for parts in ROW_PARTS)
    return min((_estimate(work, size) for size in sizes), key=lambda found: found.seconds)


def _size(work: Workload, columns: int) -> TileSize:
    geometry = work.geometry
    size = largest_tile(geometry, lambda size: _floats(work, size), cached_floats(work), columns)
    return sized_for_lines(size, geometry)


def _floats(work: Workload, size: TileSize) -> int:
    geometry = work.geometry
    H = work.traits.rank * _height(geometry.rows, size.rows) * _strip(work, size.rows, size.columns)
    return lines_floats(geometry, size) + 2 * output_floats(geometry, size) + H


def _height(rows: Axis, outputs: int) -> int:
    """Return how many rows of H are in memory at once, for a tile of so many rows."""
    return len(rows.window(range(min(outputs, BAND))))


def _strip(work: Workload, rows: int, columns: int) -> int:
    """Return how many columns are computed at once, in whole vectors if that is not the whole tile."""
    most = H_BYTES // work.itemsize // (work.traits.rank * _height(work.geometry.rows, rows))
    return min(columns, max(LEAST_COLUMNS, most * work.itemsize // VECTOR * VECTOR // work.itemsize))


def _estimate(work: Workload, size: TileSize) -> Estimate:
    geometry, rank, passes = work.geometry, work.traits.rank, _passes(work)
    # Padded rows that two tiles read are multiplied twice.
    read = work.output_pixels * len(geometry.rows.window(range(size.rows))) / size.rows
    along, down = rank * read, rank * work.output_pixels
    multiplications = along * geometry.columns.taps + down * geometry.rows.taps
    blocks_along, blocks_down = (
        -(-geometry.columns.taps // passes.along.width),
        -(-geometry.rows.taps // passes.down.height),
    )
    accesses = ACCESSES * (along * blocks_along + down * blocks_down) * work.itemsize
    begun = (
        along * blocks_along / passes.along.rows_together + down * blocks_down / passes.down.rows_together
    ) / _strip(work, size.rows, size.columns)
    moved = sorted_bytes(work, size)
    return Estimate(
        size,
        seconds=compiled_seconds(multiplications * lengthened(size.columns, work.itemsize), work.itemsize)
        + BEGIN * begun
        + elementwise_seconds(accesses + moved)
        + calls_seconds(3 * size.number(geometry))
        + work.traits.seconds_to_know((geometry.rows.taps, geometry.columns.taps)),
        multiplications=int(multiplications),
        moved=moved,
        workspace=_floats(work, size) * work.itemsize,
        blocks={"rows": passes.down.height, "columns": passes.along.width, "rank": rank},
        exact=work.traits.exact,
        # Infinities reach H with a sign, and terms of H with opposite signs add up to NaN.
        spreads=rank > 1,
    )


def _passes(work: Workload) -> Passes:
    return passes_of(work.geometry, str(work.dtype))


def recipes(work: Workload) -> tuple[Passes]:
    """Return the recipe of the loops: the blocks of both passes."""
    return (_passes(work),)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Load or compile the loops, and return the function that fills an output tile from a padded input tile."""
    assert weights.factors is not None
    fill, geometry = machine_code.loops(_passes(work)), work.geometry
    U, R = (np.ascontiguousarray(each, work.dtype) for each in _without_overflow(weights.factors))
    step, dilation = row_steps(geometry.rows)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        lines, columns = in_lines(tile, geometry.columns, scratch)
        rows, width = out.shape[-2:]
        H = scratch.array((work.traits.rank, _height(geometry.rows, rows), _strip(work, rows, width)), work.dtype)
        fill(lines, out, H, R, U, columns, step, dilation)

    return in_adjacent_columns(run)


def _without_overflow(factors: Factors) -> tuple[FloatArray, FloatArray]:
    """Return columns and rows that are scaled by powers of 2, which round nothing, so that no |H| exceeds all |V|."""
    _, exponents = np.frexp(np.abs(factors.rows).sum(axis=2, keepdims=True))
    down = np.maximum(exponents, 0)
    return np.ldexp(factors.columns, down), np.ldexp(factors.rows, -down)
