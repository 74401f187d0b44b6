"""Levels: sums that are rounded to pixels of 8 or 16 bits, and what is lost.

``LevelStore`` says where levels go, and how numbers become levels. It stores tiles of Z itself, and an algorithm that
computes Z and levels in one pass stores the same.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from math import inf, isnan, prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, ends_of, fill_rounded, finite_span

# A function that fills a block of one map's pixels from its numbers, and returns the numbers' statistics. It may
# overwrite the numbers.
FillBlock = Callable[[Array, FloatArray], "MapStatistics"]
# A function that changes each number of an array by itself; it may overwrite its argument.
Curve = Callable[[FloatArray], FloatArray]


class MapStatistics(NamedTuple):
    """Statistics of numbers: how many were clipped, how many are NaN, and the least and greatest finite number.

    NaN counts as clipped. low, high: infinity and minus infinity if no number is finite.
    """

    clipped: int = 0
    nans: int = 0
    low: float = inf
    high: float = -inf

    @classmethod
    def of_all(cls, parts: Iterable["MapStatistics"]) -> "MapStatistics":
        """Return the statistics of all parts together."""
        return reduce(cls._joined, parts, cls())

    def _joined(self, other: "MapStatistics") -> "MapStatistics":
        return MapStatistics(
            clipped=self.clipped + other.clipped,
            nans=self.nans + other.nans,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
        )

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest finite number; 0 and 0 if there is none."""
        return (self.low, self.high) if self.low <= self.high else (0.0, 0.0)


class Levels(NamedTuple):
    """How numbers become levels from 0 to ``full``, the greatest of an unsigned type.

    A number is multiplied by ``scale``, taken as its magnitude if ``is_magnitude``, and ``offset`` is added. The result
    is rounded half to even, and clipped; NaN becomes 0.
    """

    full: int
    scale: float = 1.0
    is_magnitude: bool = False
    offset: float = 0.0

    def unrounded(self, Z: FloatArray) -> FloatArray:
        """Return the levels before they are rounded: Z itself if they are the same."""
        number = Z.dtype.type
        levels = Z if self.scale == 1 else Z * number(self.scale)
        if self.is_magnitude:
            levels = np.abs(levels)
        return levels + number(self.offset) if self.offset else levels

    def fill(self, pixels: Array, Z: FloatArray) -> MapStatistics:
        """Fill pixels with the levels of numbers, which are overwritten; return the statistics of the numbers."""
        return fill_levels(pixels, Z, self.unrounded, self.full)


def fill_levels(
    pixels: Array, Z: FloatArray, to_levels: Curve, full: int, encode: Curve | None = None
) -> MapStatistics:
    """Fill pixels with the rounded levels of numbers, which are overwritten; return the statistics of the numbers.

    A level counts as clipped if it lies outside 0..full by more than half a level, before ``encode`` changes it.
    """
    ends = ends_of(Z)
    span, levels = finite_span(Z, ends), to_levels(Z)
    if levels is not Z:
        ends = ends_of(levels)
    clipped, nans = _misfits(levels, ends, full)
    if encode:
        levels = encode(levels)
        ends = ends_of(levels)
    fill_rounded(levels, ends, pixels)
    return MapStatistics(clipped, nans, *span)


def _misfits(levels: FloatArray, ends: tuple[float, float], full: int) -> tuple[int, int]:
    """Return how many levels are clipped, and how many of these are NaN. Count only what ``ends`` do not rule out."""
    low, high = ends
    if isnan(low):
        return levels.size - int(np.count_nonzero(fitting(levels, full))), int(np.count_nonzero(np.isnan(levels)))
    below = int(np.count_nonzero(levels < -0.5)) if low < -0.5 else 0
    above = int(np.count_nonzero(levels > full + 0.5)) if high > full + 0.5 else 0
    return below + above, 0


def fitting(levels: FloatArray, full: int) -> Array:
    """Return a mask of the levels that clipping changes by at most half a step; NaN is not among them."""
    found: Array = (levels >= -0.5) & (levels <= full + 0.5)
    return found


class LevelStore:
    """Stores tiles of Z as levels. An algorithm that computes levels itself may write to ``values`` instead.

    values: an array of Z's shape, of an unsigned type.
    """

    def __init__(self, values: Array, levels: Levels) -> None:
        self.values, self.levels = values, levels

    def __call__(self, place: tuple[slice, ...], Z: FloatArray) -> None:
        """Store a tile, which is overwritten."""
        levels = self.levels.unrounded(Z)
        fill_rounded(levels, ends_of(levels), self.values[place])

    def count(self, statistics: Sequence[MapStatistics]) -> None:
        """Learn the statistics of some numbers of each map, whose levels are in ``values``."""


class MeasuredMaps:
    """Stores each block of maps by a function, and keeps the statistics of each map.

    values: the maps' pixels ``(..., OH, OW)``.
    """

    def __init__(self, values: Array, fill: FillBlock) -> None:
        self._values, self._fill = values, fill
        self._numbers = np.arange(prod(values.shape[:-2])).reshape(values.shape[:-2])
        self._found = [MapStatistics()] * self._numbers.size
        self._lock = threading.Lock()

    @property
    def statistics(self) -> tuple[MapStatistics, ...]:
        """The statistics of each map."""
        return tuple(self._found)

    def __call__(self, place: tuple[slice, ...], Z: FloatArray) -> None:
        """Store a tile, which is overwritten."""
        pixels, maps = self._values[place], self._numbers[place[:-2]]
        for index in np.ndindex(maps.shape):
            blocks = zip(_blocks(pixels[index]), _blocks(Z[index]), strict=True)
            # NaN and infinities pass through the arithmetic without numpy's warnings, because they are counted.
            with np.errstate(invalid="ignore", over="ignore"):
                measured = [self._fill(*block) for block in blocks]
            self._add(int(maps[index]), measured)

    def _add(self, number: int, measured: Sequence[MapStatistics]) -> None:
        with self._lock:
            self._found[number] = MapStatistics.of_all([self._found[number], *measured])


class MeasuredLevels(MeasuredMaps, LevelStore):
    """Stores tiles of Z as levels, and keeps the statistics of each map."""

    def __init__(self, values: Array, levels: Levels) -> None:
        LevelStore.__init__(self, values, levels)
        MeasuredMaps.__init__(self, values, levels.fill)

    def count(self, statistics: Sequence[MapStatistics]) -> None:
        """Add the statistics of some numbers of each map, whose levels are in ``values``."""
        for number, found in enumerate(statistics):
            self._add(number, [found])


# Blocks of this many numbers stay in a core's cache during all steps.
_BLOCK = 131072


def _blocks(plane: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // plane.shape[1])
    for top in range(0, len(plane), rows):
        yield plane[top : top + rows]
