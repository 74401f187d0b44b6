"""Lines: the rows of a tile as compiled loops read them, several neighbouring columns at once.

The columns of a horizontal stride above 1 are sorted by their phase, so that pixels that are read together lie next to
each other.
"""

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.compiled.blocks import VECTOR
from convcli.engine.interface import Fill, Workload
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened, in_phases, inner_apart, input_floats
from convcli.geometry.axes import Axis, Geometry

# How many vectors of outputs take as long as the end of a row that fills none.
END = 2


def in_lines(tile: FloatArray, columns: Axis, scratch: Scratch) -> tuple[FloatArray, Array]:
    """Return the rows of a tile, and how many bytes each tap of a row lies behind the first."""
    taps, stride = np.arange(columns.taps) * columns.dilation, columns.stride
    if stride == 1:
        return tile, taps * tile.itemsize
    phases = in_phases(tile, stride, scratch)
    places = taps % stride * phases.shape[-1] + taps // stride
    return phases.reshape(*tile.shape[:-1], -1), places * tile.itemsize


def lines_floats(geometry: Geometry, size: TileSize) -> int:
    """Return how many floats the padded input of a tile takes, with its sorted copy if there is one."""
    return (1 if geometry.columns.stride == 1 else 2) * input_floats(geometry, size)


def sorted_bytes(work: Workload, size: TileSize) -> int:
    """Return how many bytes are read and written to sort the columns of all tiles."""
    if work.geometry.columns.stride == 1:
        return 0
    return 2 * input_floats(work.geometry, size) * size.number(work.geometry) * work.itemsize


def sized_for_lines(size: TileSize, geometry: Geometry) -> TileSize:
    """Return the size with tiles of one height, and with ``inner_apart`` if unsorted pixels can be read in V."""
    size = evened(size, geometry)
    return inner_apart(size, geometry) if geometry.columns.stride == 1 else size


def in_adjacent_columns(fill: Fill) -> Fill:
    """Return the function that fills any output tile, if ``fill`` needs its columns next to each other in memory."""

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        if out.strides[-1] == out.itemsize:
            fill(tile, out, scratch)
        else:
            made = scratch.array(out.shape, out.dtype)
            fill(tile, made, scratch)
            out[...] = made

    return run


def lengthened(columns: int, itemsize: int) -> float:
    """Return how many times as long a row takes as if it were all whole vectors."""
    lanes = VECTOR // itemsize
    vectors, rest = divmod(columns, lanes)
    return (vectors + END * (rest > 0)) * lanes / columns
