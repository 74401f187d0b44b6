"""How output maps become pixels, and what is lost on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.errors import OptionError

Levels = Callable[[FloatArray], FloatArray]

MODES = ("clip", "abs", "offset", "minmax")


@dataclass(frozen=True)
class Pixels:
    """Maps as pixels.

    values: ``(C, OH, OW)``, uint8 or uint16.
    clipped_by_map: how many of each map were more than half a step outside the pixel range, or NaN.
    nans: how many were NaN.  low, high: the least and the greatest finite number; 0 and 0 if there is none.
    """

    values: Array
    clipped_by_map: tuple[int, ...]
    nans: int
    low: float
    high: float

    @property
    def clipped(self) -> int:
        """How many were clipped in all."""
        return sum(self.clipped_by_map)

    @property
    def total(self) -> int:
        """How many values there are."""
        return self.values.size


def to_pixels(Z: FloatArray, mode: str, full: int) -> Pixels:
    """Maps turned into whole levels from 0 to ``full``, rounded half to even.

    Z: ``(C, OH, OW)``.  full: 255 gives uint8, 65535 uint16.
    mode: ``clip`` takes Z as it is, ``abs`` its magnitude, ``offset`` adds ``(full + 1) / 2``, and ``minmax``
    maps the span of all maps together onto 0..full (a span of one value onto 0).
    What lies outside is clipped, an infinity too; NaN becomes 0. Raises OptionError for another mode.
    """
    require_mode(mode)
    values = np.empty(Z.shape, np.uint8 if full == 255 else np.uint16)
    # NaN and infinities pass through the arithmetic: they are counted, not warned about.
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = _extremes(Z)
        to_levels = _to_levels(mode, full, low, high)
        counts = [_fill(pixels, plane, to_levels, full) for pixels, plane in zip(values, Z, strict=True)]
    clipped, nans = zip(*counts, strict=True)
    return Pixels(values, clipped, sum(nans), low, high)


def require_mode(mode: str) -> None:
    """Raise OptionError for a word that is no mode; ``raw`` is the caller's to handle, and named with them."""
    if mode not in MODES:
        raise OptionError(f"unknown range {mode!r}: use {', '.join(MODES)} or raw")


def clipping_warning(pixels: Pixels, mode: str) -> str | None:
    """What clipping lost, and which modes would hold the maps' span; None if it lost nothing."""
    if not pixels.clipped:
        return None
    full = int(np.iinfo(pixels.values.dtype).max)
    nans = f" ({pixels.nans:,} of them NaN, which became 0)" if pixels.nans else ""
    return (
        f"{pixels.clipped:,} of {pixels.total:,} {_subject(mode, full)} ({_share(pixels)}) lay outside 0..{full} "
        f"and were clipped{nans}; the maps span {pixels.low:zg}..{pixels.high:zg}{_advice(pixels, mode, full)}"
    )


def _extremes(Z: FloatArray) -> tuple[float, float]:
    spans = [_finite_span(block) for plane in Z for block in _blocks(plane)]
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    return (low, high) if low <= high else (0.0, 0.0)


def _finite_span(block: FloatArray) -> tuple[float, float]:
    low, high = float(block.min()), float(block.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = block[np.isfinite(block)]
    return float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))


# Blocks of this many numbers stay in a core's cache through all the steps, and bound the memory.
_BLOCK = 65536


def _blocks(plane: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // plane.shape[1])
    for top in range(0, len(plane), rows):
        yield plane[top : top + rows]


def _fill(values: Array, plane: FloatArray, to_levels: Levels, full: int) -> tuple[int, int]:
    """Fill one map's pixels; how many were clipped, and how many NaN."""
    clipped = nans = 0
    for block, pixels in zip(_blocks(plane), _blocks(values), strict=True):
        levels = to_levels(block)
        clipped += levels.size - int(np.count_nonzero(_fitting(levels, full)))
        nans += _zero_nans(levels)
        pixels[...] = np.clip(np.rint(levels, out=levels), 0, full, out=levels)
    return clipped, nans


def _to_levels(mode: str, full: int, low: float, high: float) -> Levels:
    """The mode as a function from maps to levels, not yet rounded, in a new array."""
    if mode == "abs":
        return np.abs
    if mode == "offset":
        return lambda Z: Z + _half(full)
    if mode == "minmax":
        scale = full / (high - low) if high > low else 1.0
        # In float64, for the distance from low may be beyond float32.
        return lambda Z: (Z.astype(np.float64) - low) * scale
    return np.copy


def _half(full: int) -> float:
    return (full + 1) / 2


def _fitting(levels: FloatArray, full: int) -> Array:
    """Where clipping changes a level by half a step at most; nowhere that it is NaN."""
    fitting: Array = (levels >= -0.5) & (levels <= full + 0.5)
    return fitting


def _zero_nans(levels: FloatArray) -> int:
    nans = np.isnan(levels)
    levels[nans] = 0
    return int(np.count_nonzero(nans))


def _subject(mode: str, full: int) -> str:
    return {"abs": "magnitudes", "offset": f"values with {_half(full):g} added"}.get(mode, "values")


def _share(pixels: Pixels) -> str:
    percent = 100 * pixels.clipped / pixels.total
    return f"{percent:.1f} %" if percent >= 0.05 else "under 0.1 %"


def _advice(pixels: Pixels, mode: str, full: int) -> str:
    ends = np.array([pixels.low, pixels.high])

    def holds(mode: str) -> bool:
        return bool(_fitting(_to_levels(mode, full, *ends)(ends), full).all())

    # When the span fits as it is, only infinities and NaN were lost, and no mode holds those.
    if holds(mode):
        return ""
    return f", which --range {' or '.join(filter(holds, reversed(MODES)))} would hold"
