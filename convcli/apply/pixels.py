"""How output maps become pixels, part by part as they are computed, and what is lost on the way."""

import threading
from collections.abc import Callable, Iterator
from functools import reduce
from math import inf, isfinite, isnan, prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, ends_of, fill_rounded
from convcli.text import any_of, choice

# Takes a part of the maps, given where it lies; the array is the taker's to overwrite.
Put = Callable[[tuple[slice, ...], FloatArray], None]
Levels = Callable[[FloatArray], FloatArray]

MODES = ("clip", "abs", "offset", "minmax")


class Tally(NamedTuple):
    """What some numbers were: how many were clipped, how many NaN, and the least and the greatest finite one."""

    clipped: int = 0
    nans: int = 0
    low: float = inf
    high: float = -inf

    def merged(self, other: "Tally") -> "Tally":
        """Of both together."""
        clipped, nans = self.clipped + other.clipped, self.nans + other.nans
        return Tally(clipped, nans, min(self.low, other.low), max(self.high, other.high))

    @property
    def span(self) -> tuple[float, float]:
        """Low and high; 0 and 0 if no number was finite."""
        return (self.low, self.high) if self.low <= self.high else (0.0, 0.0)


class Pixels(NamedTuple):
    """Maps as pixels.

    values: ``(maps, OH, OW)``, uint8 or uint16.  scale: levels to a unit of the maps.
    tallies: one for each map, in its own units; clipped were those more than half a level outside the pixel range,
    or NaN.
    """

    values: Array
    tallies: tuple[Tally, ...]
    scale: float = 1.0

    @property
    def tally(self) -> Tally:
        """Of all maps together."""
        return reduce(Tally.merged, self.tallies)


def as_they_are(levels: FloatArray) -> FloatArray:
    """Levels that stand for themselves."""
    return levels


def to_pixels(
    produce: Callable[[Put], None],
    values: Array,
    mode: str,
    scale: float = 1.0,
    encode: Levels = as_they_are,
) -> Pixels:
    """Maps turned into whole levels from 0 to ``full``, the greatest of the type of ``values``, rounded half to even.

    produce: gives each part of the maps ``(..., OH, OW)`` once to the function that it is called with, in any order
    and from any thread. For ``minmax`` it is called twice: the span must be known first.
    values: the array to fill, ``(..., OH, OW)``, uint8 or uint16.  scale: what the maps are multiplied by first.
    mode: ``clip`` takes the maps as they are, ``abs`` their magnitude, ``offset`` adds ``(full + 1) / 2``, and
    ``minmax`` maps the span of all maps together onto 0..full (a span of one value onto 0).
    encode: what levels go through when they have been counted, and before they are rounded: a curve from 0..full onto
    itself.
    What lies outside is clipped, an infinity too; NaN becomes 0. Raises OptionError for another mode.
    """
    choice("range", mode, MODES)
    full = int(np.iinfo(values.dtype).max)
    low, high = 0.0, 0.0
    if mode == "minmax":
        spans = _each_map(produce, values, lambda _, Z: Tally(0, 0, *_finite_span(Z, ends_of(Z))))
        low, high = (scale * end for end in reduce(Tally.merged, spans).span)
    to_levels = _to_levels(mode, full, low, high, scale)
    tallies = _each_map(produce, values, lambda pixels, Z: _fill(pixels, Z, to_levels, full, encode))
    return Pixels(values.reshape(-1, *values.shape[-2:]), tallies, scale)


def to_floats(produce: Callable[[Put], None], values: FloatArray) -> tuple[Tally, ...]:
    """Maps ``(..., OH, OW)`` as they are, put into ``values``; one tally for each, and nothing is clipped."""
    return _each_map(produce, values, _keep)


def clipping_warning(pixels: Pixels, mode: str) -> str | None:
    """What clipping lost, and which modes would hold the maps' span; None if it lost nothing."""
    tally = pixels.tally
    if not tally.clipped:
        return None
    low, high = (pixels.scale * end for end in tally.span)
    full = int(np.iinfo(pixels.values.dtype).max)
    nans = f" ({tally.nans:,} of them NaN, which became 0)" if tally.nans else ""
    return (
        f"{tally.clipped:,} of {pixels.values.size:,} {_subject(mode, full)} ({_share(pixels)}) lay outside 0..{full} "
        f"and were clipped{nans}; the maps span {low:zg}..{high:zg}{_advice(low, high, mode, full)}"
    )


def _each_map(
    produce: Callable[[Put], None], values: Array, measure: Callable[[Array, FloatArray], Tally]
) -> tuple[Tally, ...]:
    """What ``measure`` says of each map, called with pixels and the numbers there, a block at a time."""
    numbers = np.arange(prod(values.shape[:-2])).reshape(values.shape[:-2])
    tallies = [Tally()] * numbers.size
    lock = threading.Lock()

    def put(part: tuple[slice, ...], Z: FloatArray) -> None:
        pixels, found = values[part], numbers[part[:-2]]
        for index in np.ndindex(found.shape):
            blocks = zip(_blocks(pixels[index]), _blocks(Z[index]), strict=True)
            # NaN and infinities pass through the arithmetic: they are counted, not warned about.
            with np.errstate(invalid="ignore", over="ignore"):
                tally = reduce(Tally.merged, (measure(*block) for block in blocks))
            with lock:
                tallies[found[index]] = tallies[found[index]].merged(tally)

    produce(put)
    return tuple(tallies)


def _keep(out: Array, Z: FloatArray) -> Tally:
    out[...] = Z
    ends = ends_of(Z)
    nans = int(np.count_nonzero(np.isnan(Z))) if isnan(ends[0]) else 0
    return Tally(0, nans, *_finite_span(Z, ends))


# Blocks of this many numbers stay in a core's cache through all the steps.
_BLOCK = 131072


def _blocks(plane: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // plane.shape[1])
    for top in range(0, len(plane), rows):
        yield plane[top : top + rows]


def _finite_span(block: FloatArray, ends: tuple[float, float]) -> tuple[float, float]:
    if all(map(isfinite, ends)):
        return ends
    finite = block[np.isfinite(block)]
    return float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))


def _fill(pixels: Array, Z: FloatArray, to_levels: Levels, full: int, encode: Levels) -> Tally:
    """Fill a block of one map's pixels, and tally its numbers."""
    ends = ends_of(Z)
    span, levels = _finite_span(Z, ends), to_levels(Z)
    ends = ends if levels is Z else ends_of(levels)
    clipped, nans = _misfits(levels, ends, full)
    codes = encode(levels)
    fill_rounded(codes, ends if codes is levels else ends_of(codes), pixels)
    return Tally(clipped, nans, *span)


def _to_levels(mode: str, full: int, low: float, high: float, scale: float = 1.0) -> Levels:
    """The mode as a function from maps to levels, not yet rounded; their memory may be the maps'."""
    if scale != 1:
        of_levels = _to_levels(mode, full, low, high)
        return lambda Z: of_levels(Z * Z.dtype.type(scale))
    if mode == "abs":
        return np.abs
    if mode == "offset":
        return lambda Z: Z + Z.dtype.type(_half(full))
    if mode == "minmax":
        step = full / (high - low) if high > low else 1.0
        # In float64, for the distance from low may be beyond float32.
        return lambda Z: (Z.astype(np.float64) - low) * step
    return lambda Z: Z


def _half(full: int) -> float:
    return (full + 1) / 2


def _misfits(levels: FloatArray, ends: tuple[float, float], full: int) -> tuple[int, int]:
    """How many levels are clipped, and how many of them are NaN. The ends tell what need not be counted."""
    low, high = ends
    if isnan(low):
        return levels.size - int(np.count_nonzero(_fitting(levels, full))), int(np.count_nonzero(np.isnan(levels)))
    below = int(np.count_nonzero(levels < -0.5)) if low < -0.5 else 0
    above = int(np.count_nonzero(levels > full + 0.5)) if high > full + 0.5 else 0
    return below + above, 0


def _fitting(levels: FloatArray, full: int) -> Array:
    """Where clipping changes a level by half a step at most; nowhere that it is NaN."""
    fitting: Array = (levels >= -0.5) & (levels <= full + 0.5)
    return fitting


def _subject(mode: str, full: int) -> str:
    return {"abs": "magnitudes", "offset": f"values with {_half(full):g} added"}.get(mode, "values")


def _share(pixels: Pixels) -> str:
    percent = 100 * pixels.tally.clipped / pixels.values.size
    return f"{percent:.1f} %" if percent >= 0.05 else "under 0.1 %"


def _advice(low: float, high: float, mode: str, full: int) -> str:
    ends = np.array([low, high])

    def holds(mode: str) -> bool:
        return bool(_fitting(_to_levels(mode, full, low, high)(ends), full).all())

    # When the span fits as it is, only infinities and NaN were lost, and no mode holds those; nor one of a span whose
    # ends, scaled, are beyond floats.
    if holds(mode) or not np.isfinite(ends).all():
        return ""
    return f", which `range` {any_of([*filter(holds, reversed(MODES))])} would hold"
