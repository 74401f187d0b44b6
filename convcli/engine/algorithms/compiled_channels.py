"""Compiled loops for layers: the definition, with some output channels of some pixels in registers for all taps.

    Z[i,p] = sum over t of V'[p + t] * K[t,i]        (t: the taps of all input channels, in the order of the definition)

A matrix product would need each window as a column. These loops read the pixels where they lie: they only need to know
how many bytes each tap lies behind the first one. This needs the extra ``fast``.
"""

from math import ceil, prod

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.algorithms.lines import in_adjacent_columns, in_lines, lines_floats, sorted_bytes
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.blocks import VECTOR, row_steps
from convcli.engine.compiled.channel_blocks import ChannelBlocks, channel_blocks
from convcli.engine.costs import calls_seconds, compiled_channels_seconds, elementwise_seconds
from convcli.engine.interface import Estimate, Fill, Weights, Workload, cached_floats
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, inner_apart, largest_tile, output_floats, parted
from convcli.geometry.axes import Geometry

# Calls of NumPy per tile: they list the places of its taps and vectors.
CALLS = 12
# A vector of pixels takes as long to load as so many weights, because it may cross a cache line.
LOADS = 2
# Tiles are made smaller, so that threads share the work, as long as each takes so many seconds.
TILE = 3e-4
MOST_TILES = 4
# The taps that take as long as to begin with a block and to store its sums.
BEGIN = 8


def estimate(work: Workload) -> Estimate:
    """Estimate the cost: the multiplications of the definition, in whole blocks of channels and whole vectors."""
    geometry, blocks = work.geometry, _blocks(work)
    channels = len(blocks.firsts(geometry.out_channels)) * blocks.channels
    lanes, depth = VECTOR // work.itemsize, prod(geometry.kernel_blocks[2:])
    size = evened(largest_tile(geometry, lambda size: _floats(geometry, size), cached_floats(work)), geometry)
    pixels = work.output_pixels / size.columns * ceil(size.columns / lanes) * lanes
    # Loads per multiplication: with few channels, they take longer than the multiplications.
    loads = LOADS / blocks.channels + 1 / blocks.vectors
    seconds = compiled_channels_seconds(channels * pixels * (depth + BEGIN) * max(1, loads), work.itemsize)
    size = parted(size, geometry, min(MOST_TILES, int(seconds / TILE)))
    if geometry.columns.stride == 1:
        size = inner_apart(size, geometry)
    moved = sorted_bytes(work, size)
    return Estimate(
        size,
        seconds=seconds + elementwise_seconds(moved) + calls_seconds(CALLS * size.number(geometry)),
        multiplications=depth * geometry.out_channels * work.output_pixels,
        moved=moved,
        workspace=_floats(geometry, size) * work.itemsize,
        blocks={"channels": blocks.channels, "vectors": blocks.vectors},
    )


def _blocks(work: Workload) -> ChannelBlocks:
    return channel_blocks(work.geometry.out_channels, str(work.dtype))


def _floats(geometry: Geometry, size: TileSize) -> int:
    return lines_floats(geometry, size) + 2 * output_floats(geometry, size)


def recipes(work: Workload) -> tuple[ChannelBlocks]:
    """Return the recipe of the loops: the blocks of channels."""
    return (_blocks(work),)


def runner(weights: Weights, work: Workload, chosen: Estimate) -> Fill:
    """Load or compile the loops, and return the function that fills an output tile from a padded input tile."""
    blocks, geometry = _blocks(work), work.geometry
    fill, K = machine_code.loops(blocks), _packed(weights.K, blocks, work)
    step, dilation = row_steps(geometry.rows)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        if geometry.is_pointwise and _rows_adjoin(tile) and _rows_adjoin(out):
            tile, out = _as_one_row(tile), _as_one_row(out)
        lines, columns = in_lines(tile, geometry.columns, scratch)
        planes = np.arange(geometry.in_channels) * lines.strides[-3]
        rows = np.arange(geometry.rows.taps) * (dilation * lines.strides[-2])
        taps = planes[:, None, None] + rows[:, None] + columns
        sources = _places(out, step * lines.strides[-2], blocks.vectors)
        fill(lines, out, K, taps.ravel(), sources, _places(out, out.strides[-2], blocks.vectors))

    return in_adjacent_columns(run)


def _packed(weights: Array, blocks: ChannelBlocks, work: Workload) -> FloatArray:
    """Return the weights ``(groups, blocks, taps, channels)``: those of a block in the order in which they are read."""
    groups, out_channels = weights.shape[:2]
    flat = weights.reshape(groups, out_channels, -1)
    parts = [flat[:, first : first + blocks.channels].swapaxes(1, 2) for first in blocks.firsts(out_channels)]
    return np.ascontiguousarray(np.stack(parts, axis=1), work.dtype)


def _rows_adjoin(tile: FloatArray) -> bool:
    return tile.strides[-2:] == (tile.shape[-1] * tile.itemsize, tile.itemsize)


def _as_one_row(tile: FloatArray) -> FloatArray:
    """Return the rows of each channel as one, so that only one vector of all rows overlaps another."""
    return tile.reshape(*tile.shape[:-2], 1, -1)


def _places(out: FloatArray, line: int, together: int) -> Array:
    """Return how many bytes each vector of an output tile lies behind the first, if rows lie ``line`` bytes apart.

    The last vector of a row overlaps the one before it. The last one is repeated, up to a multiple of ``together``.
    """
    rows, columns = out.shape[-2:]
    lanes = VECTOR // out.itemsize
    across = np.minimum(np.arange(0, columns, lanes), max(0, columns - lanes)) * out.itemsize
    places = (np.arange(rows)[:, None] * line + across).ravel()
    return np.concatenate([places, np.repeat(places[-1:], -len(places) % together)])
