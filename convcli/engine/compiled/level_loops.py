"""Convolve pixels to levels in one pass: the same loops load pixels, add products, and store levels.

Between them, a few rows of some columns are floats. There is no array of floats of a whole tile.
"""

from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, cut
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.blocks import ROWS, Blocks, LevelBlocks, row_steps
from convcli.engine.compiled.lines import Lines, Tallies, constants, samples_in_turn
from convcli.engine.compiled.starts import miss, start_seconds
from convcli.engine.costs import elementwise_seconds
from convcli.engine.interface import LevelFiller, Workload
from convcli.engine.levels import LevelStore
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, evened
from convcli.geometry.axes import Geometry

# About how many samples of output a tile has, and its fewest rows, because neighbouring tiles load some rows twice.
SAMPLES, LEAST_ROWS = 1 << 20, 32
# The most rows of output, bytes of padded pixels as floats, and samples of a line that are computed at once.
MOST_ROWS, MOST_BYTES, MOST_SAMPLES = 16, 1 << 17, 768
# How often a float is read or written to load a pixel or to store a level, where another pass over memory does that.
ACCESSES = 8


class _Part(NamedTuple):
    """The part of a tile that is computed at once.

    tile: the rows of a tile, which has parts of so many rows and columns.
    floats: the shape of the padded pixels of a part.
    """

    tile: int
    rows: int
    columns: int
    floats: tuple[int, int]

    @classmethod
    def of(cls, work: Workload, samples: int) -> "_Part | None":
        """Return the largest part for pixels of so many samples; None if none fits into the memory."""
        geometry, turn = work.geometry, samples_in_turn(work.dtype)
        rows, columns = geometry.rows.output, geometry.columns.output
        many = max(LEAST_ROWS, SAMPLES // (columns * samples))
        many = evened(TileSize(1, min(rows, many), columns), geometry).rows
        together = min(many, MOST_ROWS)
        height, beyond = len(geometry.rows.window(range(together))), (geometry.columns.reach - 1) * samples
        most = min(MOST_BYTES, work.memory // 2) // work.itemsize // height - beyond
        most = min(MOST_SAMPLES, most) // turn * turn
        # Lines begin at multiples of a vector, and their pixels in the first vector.
        width = (-(-(most + beyond) // turn) + 1) * turn
        return cls(many, together, most // samples, (height, width)) if most > 0 else None


def level_filler(
    K: FloatArray, blocks: Blocks, work: Workload, V: Array, store: LevelStore, bias: FloatArray | None
) -> LevelFiller | None:
    """Return the function that fills tiles of a store's levels; None if loops for floats are the better choice.

    The loops filter each channel of a picture of 8 or 16 bits or of floats alone, with the same weights.
    bias: a number, or None.
    """
    pixels, levels = Lines.of(V, work.dtype), Lines.of(store.values, work.dtype)
    if pixels is None or levels is None or not levels.bits or pixels.samples != levels.samples:
        return None
    part = _Part.of(work, pixels.samples)
    # Neighbouring taps read neighbouring pixels, which lie apart in interleaved pictures.
    adjacent = blocks.adjacent and pixels.samples == 1
    recipe = LevelBlocks(blocks._replace(adjacent=adjacent), levels.bits)
    if part is None or _is_late(recipe, blocks, work):
        return None
    run = machine_code.loops(recipe)
    numbers = constants(store.levels, bias, work.geometry.edge.value, work.dtype)
    filling = _Filling(run, K, work, part, _Places.of(work.geometry), pixels, levels, numbers)
    tiles = list(cut(range(work.geometry.rows.output), part.tile))
    return LevelFiller(tiles, filling.fill, lambda tallies: Tallies.joined(tallies).statistics(pixels.samples))


def _is_late(recipe: LevelBlocks, blocks: Blocks, work: Workload) -> bool:
    """Return whether loops for floats, whose results are the same, start sooner, and no time is saved by waiting."""
    # The inputs of a command count a usual start only, as in the choice of the algorithm.
    later = machine_code.start_seconds((recipe,)) > machine_code.start_seconds((blocks,))
    if work.limits.inputs or not later or not start_seconds((recipe,), work.limits):
        return False
    miss((recipe,), elementwise_seconds(ACCESSES * work.output_pixels * work.itemsize))
    return True


class _Places(NamedTuple):
    """Where padded rows and columns lie in V.

    inside: the first and the last but one of the padded columns that are pixels of V.
    """

    rows: Array
    columns: Array
    inside: tuple[int, int]

    @classmethod
    def of(cls, geometry: Geometry) -> "_Places":
        """Return the places of all padded rows and columns that are read."""
        rows, columns = (
            axis.sources(axis.window(range(axis.output)), geometry.edge) for axis in (geometry.rows, geometry.columns)
        )
        before, size = geometry.columns.before, geometry.columns.size
        return cls(rows, columns, (max(0, before), max(0, min(len(columns), before + size))))


class _Filling(NamedTuple):
    """All that the loops need."""

    run: machine_code.Loops
    K: FloatArray
    work: Workload
    part: _Part
    places: _Places
    pixels: Lines
    levels: Lines
    numbers: FloatArray

    def fill(self, tile: range, scratch: Scratch) -> Tallies:
        """Fill some rows of levels, and return what was counted."""
        rows, columns, dtype = self.work.geometry.rows, self.work.geometry.columns, self.work.dtype
        read, levels = rows.window(tile), self.levels.array[:, tile.start : tile.stop]
        tallies = Tallies.empty(len(levels), dtype)
        floats = scratch.array(self.part.floats, dtype)
        sums = scratch.array((ROWS, self.part.floats[1]), dtype)
        samples = self.pixels.samples
        sizes = (
            self.pixels.bits,
            samples,
            *self.places.inside,
            self.part.rows,
            self.part.columns,
            columns.reach - 1,
        )
        lines = (
            floats,
            sums,
            self.pixels.array,
            levels,
            self.places.rows[read.start : read.stop],
            self.places.columns,
            np.array(sizes),
            self.numbers,
            *tallies,
        )
        offsets = np.arange(columns.taps) * (columns.dilation * samples * dtype.itemsize)
        self.run(self.K, offsets, *row_steps(rows), lines)
        return tallies
