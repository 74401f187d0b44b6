"""Turn output maps into pixels, tile by tile as they are computed, and report the losses."""

from collections.abc import Callable, Iterable
from functools import partial
from math import isnan
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, ends_of, finite_span
from convcli.engine import Store
from convcli.engine.levels import Curve, Levels, MapStatistics, MeasuredLevels, MeasuredMaps, fill_levels, fitting
from convcli.text import any_of, choice

# A function that passes each tile of the maps once to its argument, in any order and from any thread.
Produce = Callable[[Store], None]

MODES = ("clip", "abs", "offset", "minmax")


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
    if mode != "minmax" and encode is None:
        return _stored(produce, MeasuredLevels(values, _levels(mode, full, scale)))
    low, high = 0.0, 0.0
    if mode == "minmax":
        spans = _stored(produce, MeasuredMaps(values, lambda _, Z: MapStatistics(0, 0, *finite_span(Z, ends_of(Z)))))
        low, high = (scale * end for end in MapStatistics.of_all(spans).span)
    to_levels = _to_levels(mode, full, low, high, scale)
    return _stored(produce, MeasuredMaps(values, partial(fill_levels, to_levels=to_levels, full=full, encode=encode)))


def to_floats(produce: Produce, values: FloatArray) -> tuple[MapStatistics, ...]:
    """Fill ``values`` with the unchanged maps ``(..., OH, OW)``; return the statistics of each map."""
    return _stored(produce, MeasuredMaps(values, _fill_floats))


def _stored(produce: Produce, store: MeasuredMaps) -> tuple[MapStatistics, ...]:
    produce(store)
    return store.statistics


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


def _fill_floats(out: Array, Z: FloatArray) -> MapStatistics:
    out[...] = Z
    ends = ends_of(Z)
    nans = int(np.count_nonzero(np.isnan(Z))) if isnan(ends[0]) else 0
    return MapStatistics(0, nans, *finite_span(Z, ends))


def _to_levels(mode: str, full: int, low: float, high: float, scale: float) -> Curve:
    """Return the curve from maps to levels that are not rounded yet. low, high: the ends of the span of scaled maps."""
    if mode != "minmax":
        return _levels(mode, full, scale).unrounded
    step = full / (high - low) if high > low else 1.0
    scaled = Levels(full, scale).unrounded
    # In float64, because the distance from low may be beyond float32.
    return lambda Z: (scaled(Z).astype(np.float64) - low) * step


def _levels(mode: str, full: int, scale: float) -> Levels:
    """Return how maps become levels in a mode that does not depend on their span."""
    return Levels(full, scale, is_magnitude=mode == "abs", offset=_half(full) if mode == "offset" else 0.0)


def _half(full: int) -> float:
    return (full + 1) / 2


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
        return bool(fitting(_to_levels(mode, full, low, high, gain)(ends), full).all())

    # If the finite numbers fit, only infinities and NaN were clipped, and every mode clips these. If the scaled ends
    # of the span are beyond the range of floats, no mode helps either.
    if holds(mode, gain) or not np.isfinite(ends).all():
        return ""
    holding = [*filter(holds, reversed(MODES))]
    without = "" if gain == 1 else ", without that factor"
    return f", which `range` {any_of(holding)} would keep{without}" if holding else ""
