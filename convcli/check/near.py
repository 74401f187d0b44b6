"""Tensors that are nearly right: NaN in places, a lower precision, and a few wrong entries."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.check.candidates import Confusion
from convcli.convolution.places import bracketed
from convcli.layouts import Layout
from convcli.text import span

# Of fewer entries, agreement of all but one says little.
LEAST_ENTRIES = 6
# The part of the entries that must agree for the others to be named as the wrong ones.
LEAST_AGREEING = 0.5
# Tensors with an entry per image, row and column.
BATCHED = ("Z", "dV")
# Cures are tolerances of one of these digits.
_TOLERANCES = [digit * 10.0**power for power in range(-7, -1) for digit in (1, 2, 5)]


class Place(NamedTuple):
    """The notation of places in a tensor: the tensor's letters, and the indices in the order of its layout's axes."""

    symbol: str
    layout: Layout

    def __call__(self, at: Sequence[object]) -> str:
        """Return text such as ``dK[0,1,2,2]`` for the indices of a channel-major tensor."""
        return f"{self.symbol}{bracketed(self.layout.order(at))}"


class Precision(NamedTuple):
    """A float type of lower precision. largest: the most by which its rounding changes a number relative to its sum."""

    name: str
    mantissa: int
    largest: float


PRECISIONS = (
    Precision("bfloat16", 8, 4e-2),
    Precision("float16", 11, 5e-3),
    Precision("float32", 24, 2e-5),
)


def wrong_numbers(place: Place, ours: FloatArray, theirs: FloatArray) -> Confusion | None:
    """Return what is said of NaN and infinities that ours does not have, and of a tensor of zeros; None for others."""
    extraordinary = ~np.isfinite(theirs) & np.isfinite(ours)
    if extraordinary.any():
        count, name = int(extraordinary.sum()), "NaN" if np.isnan(theirs[extraordinary]).any() else "infinity"
        first = np.unravel_index(np.argmax(extraordinary), ours.shape)
        says = f"has {name} at {count} of {ours.size} entries, first at {place(first)}"
        return Confusion(f"{says}: a division by 0, a log, or memory that was never filled")
    if ours.any() and not theirs.any():
        return Confusion("is all zeros: it is never written, or is reset after the loops")
    return None


def lower_precision(relative: FloatArray, ours: FloatArray, theirs: FloatArray, tolerance: float) -> Confusion | None:
    """Return the confusion of a type of lower precision: all differences are of the size of its rounding.

    relative: the differences, relative to the sums of magnitudes.
    """
    worst = float(relative.max(initial=0))
    if (relative > 0).sum() <= max(1, relative.size // 4) or not tolerance < worst:
        return None
    for precision in PRECISIONS:
        rounds = not _has_few_bits(precision.mantissa, ours)
        if rounds and worst <= precision.largest and _is_stored_in(precision, theirs):
            return rounding(worst, f"was computed or stored in {precision.name}, and agrees within its precision")
    return None


def loose_tolerance(theirs: FloatArray) -> float:
    """Return the largest relative difference that the type can cause in which their tensor seems to be stored."""
    found = (each.largest for each in PRECISIONS if _is_stored_in(each, theirs))
    return next(found, 0.0)


def rounding(error: float, says: str = "was rounded to a type of lower precision") -> Confusion:
    """Return the confusion that a larger tolerance cures.  error: the largest relative difference."""
    cure = next(each for each in _TOLERANCES if each > 1.2 * error)
    return Confusion(says, True, f"`tolerance` {cure:g}")


def _is_stored_in(precision: Precision, numbers: FloatArray) -> bool:
    """Return whether all numbers have as few bits as this type stores; whole numbers prove nothing."""
    return _has_few_bits(precision.mantissa, numbers) and bool((np.rint(numbers) != numbers).any())


def _has_few_bits(mantissa: int, numbers: FloatArray) -> bool:
    """Return whether a mantissa of so many bits holds all numbers exactly."""
    fraction, _ = np.frexp(numbers)
    scaled = fraction * 2.0**mantissa
    return bool((np.rint(scaled) == scaled).all())


def few_wrong(place: Place, ours: FloatArray, theirs: FloatArray, wrong: Array) -> Confusion | None:
    """Return where the entries lie that differ; None if too many do.  wrong: whether each entry differs."""
    count = int(wrong.sum())
    if ours.size < LEAST_ENTRIES or ours.size - count < LEAST_AGREEING * ours.size:
        return None
    agreeing = f"{ours.size - count} of {ours.size} entries agree"
    if count == 1:
        at = tuple(map(int, np.argwhere(wrong)[0]))
        numbers = f"{theirs[at]:.10g} in yours, {ours[at]:.10g} in convcli's"
        return Confusion(f"is right except for one entry: {agreeing}; {place(at)} does not: {numbers}")
    return Confusion(f"is right in part: {agreeing}; {_where(place, wrong)}")


def _where(place: Place, wrong: Array) -> str:
    """Return the images, the border, or the smallest box that the wrong entries lie in."""
    places = np.argwhere(wrong)
    has_batch = place.symbol in BATCHED and wrong.ndim > 3 and wrong.shape[0] > 1
    if has_batch and (images := sorted({int(each[0]) for each in places})):
        differing = (
            f"of {prod(wrong.shape[:-3])} images only {', '.join(map(str, images))} differ{'s' * (len(images) == 1)}"
        )
        if len(images) < wrong.shape[0]:
            return differing
    if place.symbol in BATCHED and (width := _border_width(wrong)) is not None:
        rows = f"{width} rows and columns" if width > 1 else "row and column"
        return f"only the border differs (the outermost {rows}): look at the padding and at what fills it"
    box = [span(range(low, high + 1)) for low, high in zip(places.min(0), places.max(0), strict=True)]
    return f"the others lie in {place(box)}"


def _border_width(wrong: Array) -> int | None:
    """Return how many rows and columns from the border all wrong entries lie in; None if they do not lie around it."""
    if wrong.ndim < 2:
        return None
    rows, columns = wrong.shape[-2:]
    y, x = np.nonzero(wrong.reshape(-1, rows, columns).any(axis=0))
    depth = np.minimum(np.minimum(y, rows - 1 - y), np.minimum(x, columns - 1 - x))
    width = int(depth.max()) + 1
    sides = [side.any() for side in (y < width, y >= rows - width, x < width, x >= columns - width)]
    return width if 2 * width < min(rows, columns) and sum(sides) >= 2 else None
