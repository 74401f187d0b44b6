"""Turn output maps into pixels, tile by tile as they are computed, and report the losses."""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from math import inf, isnan, prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, ends_of, fill_rounded, finite_span
from convcli.engine import Store
from convcli.text import any_of, choice

# A function that passes each tile of the maps once to its argument, in any order and from any thread.
Produce = Callable[[Store], None]
# A function that changes each number of an array by itself; it may overwrite its argument.
Curve = Callable[[FloatArray], FloatArray]

MODES = ("clip", "abs", "offset", "minmax")


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


def to_pixels(
    produce: Produce, values: Array, mode: str, scale: float = 1.0, encode: Curve | None = None
) -> tuple[MapStatistics, ...]:
    """Fill ``values`` with levels from 0 to ``full``, the greatest of its type; return the statistics of each map.

    produce: produces the maps ``(..., OH, OW)``; called twice for ``minmax``, which needs their span first.
    values: ``(..., OH, OW)``, uint8 or uint16.  scale: the factor that the maps are multiplied by first.
    mode: ``clip`` takes the maps unchanged, ``abs`` their magnitude, ``offset`` adds ``(full + 1) / 2``, and
    ``minmax`` maps the span of all maps together onto 0..full (a span of one value onto 0).
    encode: a curve from 0..full onto itself that is applied before rounding, or None.
    Levels are rounded half to even. Those outside 0..full are clipped, infinities too; NaN becomes 0. Statistics are in
    the units of the maps. A level counts as clipped if it lies outside by more than half a level before ``encode``.
    Raises OptionError for another mode.
    """
    choice("range", mode, MODES)
    full = int(np.iinfo(values.dtype).max)
    low, high = 0.0, 0.0
    if mode == "minmax":
        spans = _each_map(produce, values, lambda _, Z: MapStatistics(0, 0, *finite_span(Z, ends_of(Z))))
        low, high = (scale * end for end in MapStatistics.of_all(spans).span)
    to_levels = _to_levels(mode, full, low, high, scale)
    return _each_map(produce, values, lambda pixels, Z: _fill(pixels, Z, to_levels, full, encode))


def to_floats(produce: Produce, values: FloatArray) -> tuple[MapStatistics, ...]:
    """Fill ``values`` with the unchanged maps ``(..., OH, OW)``; return the statistics of each map."""
    return _each_map(produce, values, _fill_floats)


class Clipping(NamedTuple):
    """The numbers of some maps, and those among them that were clipped when they became levels.

    statistics: of all maps.  size: the count of all numbers.  full: the greatest level.  mode: that of ``to_pixels``.
    scale: the factor that turns the maps into levels.  gain: a further factor, which other modes do not have.
    """

    statistics: MapStatistics
    size: int
    full: int
    mode: str
    scale: float
    gain: float

    def joined(self, other: "Clipping") -> "Clipping":
        """Return the clipping of both, for maps that became levels in the same way."""
        both = MapStatistics.of_all([self.statistics, other.statistics])
        return self._replace(statistics=both, size=self.size + other.size)

    @property
    @np.errstate(over="ignore", invalid="ignore")
    def warning(self) -> str | None:
        """The number of clipped numbers, and the modes that would clip none; None if none was clipped."""
        total, mode, full, gain = self.statistics, self.mode, self.full, self.gain
        if not total.clipped:
            return None
        low, high = (self.scale * end for end in total.span)
        share = percent_text(100 * total.clipped / self.size)
        nans = f" ({total.nans:,} of them NaN, which became 0)" if total.nans else ""
        return (
            f"{total.clipped:,} of {self.size:,} {_subject(mode, full, gain)} ({share}) "
            f"lay outside 0..{full} and were clipped{nans}; the maps span {low:zg}..{high:zg}"
            f"{_advice(low, high, mode, full, gain)}"
        )


def clipping_of(
    statistics: Iterable[MapStatistics], values: Array, mode: str, scale: float = 1.0, gain: float = 1.0
) -> Clipping:
    """Return what ``to_pixels`` has clipped. statistics: its result.  values, mode: its arguments."""
    full = int(np.iinfo(values.dtype).max)
    return Clipping(MapStatistics.of_all(statistics), values.size, full, mode, scale, gain)


def all_warnings(losses: tuple[str, ...], clipping: Clipping | None) -> tuple[str, ...]:
    """Return the warnings about losses, and that about clipping."""
    return (*losses, clipping.warning) if clipping and clipping.warning else losses


def _each_map(
    produce: Produce, values: Array, measure: Callable[[Array, FloatArray], MapStatistics]
) -> tuple[MapStatistics, ...]:
    """Produce the maps, call ``measure`` with each block of pixels and its numbers; return the statistics per map."""
    numbers = np.arange(prod(values.shape[:-2])).reshape(values.shape[:-2])
    statistics = [MapStatistics()] * numbers.size
    lock = threading.Lock()

    def store(place: tuple[slice, ...], Z: FloatArray) -> None:
        pixels, maps = values[place], numbers[place[:-2]]
        for index in np.ndindex(maps.shape):
            blocks = zip(_blocks(pixels[index]), _blocks(Z[index]), strict=True)
            # NaN and infinities pass through the arithmetic without numpy's warnings, because they are counted.
            with np.errstate(invalid="ignore", over="ignore"):
                measured = [measure(*block) for block in blocks]
            with lock:
                statistics[maps[index]] = MapStatistics.of_all([statistics[maps[index]], *measured])

    produce(store)
    return tuple(statistics)


def _fill_floats(out: Array, Z: FloatArray) -> MapStatistics:
    out[...] = Z
    ends = ends_of(Z)
    nans = int(np.count_nonzero(np.isnan(Z))) if isnan(ends[0]) else 0
    return MapStatistics(0, nans, *finite_span(Z, ends))


# Blocks of this many numbers stay in a core's cache during all steps.
_BLOCK = 131072


def _blocks(plane: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // plane.shape[1])
    for top in range(0, len(plane), rows):
        yield plane[top : top + rows]


def _fill(pixels: Array, Z: FloatArray, to_levels: Curve | None, full: int, encode: Curve | None) -> MapStatistics:
    """Fill a block of one map's pixels; return the statistics of its numbers."""
    ends = ends_of(Z)
    span, levels = finite_span(Z, ends), Z
    if to_levels:
        levels = to_levels(Z)
        ends = ends_of(levels)
    clipped, nans = _misfits(levels, ends, full)
    if encode:
        levels = encode(levels)
        ends = ends_of(levels)
    fill_rounded(levels, ends, pixels)
    return MapStatistics(clipped, nans, *span)


def _to_levels(mode: str, full: int, low: float, high: float, scale: float = 1.0) -> Curve | None:
    """Return the curve from maps to levels that are not rounded yet; None if maps are levels already."""
    curve = _of_scaled(mode, full, low, high)
    if scale == 1:
        return curve
    if curve is None:
        return lambda Z: Z * Z.dtype.type(scale)
    return lambda Z: curve(Z * Z.dtype.type(scale))


@np.errstate(over="ignore")
def _of_scaled(mode: str, full: int, low: float, high: float) -> Curve | None:
    if mode == "abs":
        return np.abs
    if mode == "offset":
        return lambda Z: Z + Z.dtype.type(_half(full))
    if mode == "minmax":
        step = full / (high - low) if high > low else 1.0
        # In float64, because the distance from low may be beyond float32.
        return lambda Z: (Z.astype(np.float64) - low) * step
    return None


def _half(full: int) -> float:
    return (full + 1) / 2


def _misfits(levels: FloatArray, ends: tuple[float, float], full: int) -> tuple[int, int]:
    """Return how many levels are clipped, and how many of these are NaN. Count only what ``ends`` do not rule out."""
    low, high = ends
    if isnan(low):
        return levels.size - int(np.count_nonzero(_fitting(levels, full))), int(np.count_nonzero(np.isnan(levels)))
    below = int(np.count_nonzero(levels < -0.5)) if low < -0.5 else 0
    above = int(np.count_nonzero(levels > full + 0.5)) if high > full + 0.5 else 0
    return below + above, 0


def _fitting(levels: FloatArray, full: int) -> Array:
    """Return a mask of the levels that clipping changes by at most half a step; NaN is not among them."""
    fitting: Array = (levels >= -0.5) & (levels <= full + 0.5)
    return fitting


def _subject(mode: str, full: int, gain: float) -> str:
    subject = {"abs": "magnitudes", "offset": f"values with {_half(full):g} added"}.get(mode, "values")
    return subject if gain == 1 else f"{subject} times {gain:.3g}"


def percent_text(percent: float) -> str:
    """Return a percentage above 0 with one decimal, or that it is too small for one."""
    return f"{percent:.1f} %" if percent >= 0.05 else "under 0.1 %"


@np.errstate(over="ignore", invalid="ignore")
def _advice(low: float, high: float, mode: str, full: int, gain: float) -> str:
    ends = np.array([low, high])

    def holds(mode: str, gain: float = 1.0) -> bool:
        to_levels = _to_levels(mode, full, low, high, gain)
        return bool(_fitting(to_levels(ends) if to_levels else ends, full).all())

    # If the finite numbers fit, only infinities and NaN were clipped, and every mode clips these. If the scaled ends
    # of the span are beyond the range of floats, no mode helps either.
    if holds(mode, gain) or not np.isfinite(ends).all():
        return ""
    holding = [*filter(holds, reversed(MODES))]
    without = "" if gain == 1 else ", without that factor"
    return f", which `range` {any_of(holding)} would keep{without}" if holding else ""
