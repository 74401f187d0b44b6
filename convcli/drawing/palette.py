"""The colours of signed numbers, on one scale that is centred at 0."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, ends_of, finite_span

# ColorBrewer's RdBu (colorbrewer2.org), which colour-blind people can read: blue below 0, red above 0. The blue end is
# a little bluer, because RdBu's blue becomes teal in a terminal of 256 colours.
STOPS = [
    (5, 40, 110), (33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (255, 255, 255),
    (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43), (103, 0, 31),
]  # fmt: skip
_STEPS = 255
NAN_COLOUR = (128, 128, 128)
Colour = tuple[int, int, int]
PAPER: Colour = (255, 255, 255)
INK: Colour = (32, 32, 32)
# The parts of linear red, green and blue in the luminance, and that on which INK and PAPER have the same contrast.
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_BRIGHT = 0.21


class Statistics(NamedTuple):
    """The least and the greatest finite number, and the counts of NaN and of infinite numbers."""

    low: float
    high: float
    nans: int = 0
    infinities: int = 0

    @property
    def limit(self) -> float:
        """The largest finite magnitude; the scale of colours goes from -limit to limit."""
        return max(abs(self.low), abs(self.high))


def statistics(values: Array) -> Statistics:
    """Return the statistics of an array; both ends are 0 if no number is finite."""
    ends = ends_of(values)
    low, high = finite_span(values, ends)
    if (low, high) == ends:
        return Statistics(low, high)
    nans, infinities = (int(np.count_nonzero(is_kind(values))) for is_kind in (np.isnan, np.isinf))
    return Statistics(low, high, nans, infinities) if low <= high else Statistics(0.0, 0.0, nans, infinities)


def signed_colours(values: Array, limit: float) -> Array:
    """Return ``(..., 3)`` uint8: blue at -limit and below, white at 0, red at limit and above, gray for NaN."""
    levels = np.empty(values.shape, np.uint16)
    for source, target in zip(_blocks(values), _blocks(levels), strict=True):
        target[...] = _levels(source, limit)
    return _PALETTE[levels]


def is_bright(colours: Array) -> Array:
    """Return for colours ``(..., 3)`` whether INK is more legible on them than PAPER."""
    bright: Array = (colours / 255.0) ** 2.2 @ _LUMINANCE > _BRIGHT
    return bright


def _levels(values: Array, limit: float) -> Array:
    """Return indices into the palette."""
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.clip(values / limit, -1, 1) if limit else np.sign(values).astype(float)
        places = np.rint(shares * _STEPS) + _STEPS
    return np.where(np.isnan(places), 2 * _STEPS + 1, places).astype(np.uint16)


def _palette() -> Array:
    """Return the colours from -1 to 1, followed by the colour of NaN."""
    at = np.linspace(-_STEPS, _STEPS, len(STOPS))
    ramp = [np.interp(np.arange(-_STEPS, _STEPS + 1), at, channel) for channel in np.transpose(STOPS)]
    return np.vstack([np.rint(np.transpose(ramp)), NAN_COLOUR]).astype(np.uint8)


_PALETTE = _palette()


def _blocks(values: Array) -> Iterator[Array]:
    """Yield views of an array that are small enough for intermediate results to stay in cache."""
    if values.ndim < 2 or values.size <= 1 << 18:
        yield values
    elif values[0].size > 1 << 18:
        for part in values:
            yield from _blocks(part)
    else:
        rows = (1 << 18) // values[0].size
        for top in range(0, len(values), rows):
            yield values[top : top + rows]
