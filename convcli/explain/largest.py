"""The terms of a long sum that matter most: those of the largest magnitudes, and what the others add up to."""

from collections.abc import Iterable
from math import fsum, inf
from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray, IntArray


class Selection(NamedTuple):
    """Some of the terms of a sum, by number.

    Attributes
    ----------
    numbers
        The numbers of the terms, counted from 0 in the order of the sum.
    rest
        The sum of the other terms.
    share
        The share of the sum of all magnitudes that these terms have; None if that sum is 0 or not finite.
    """

    numbers: range | IntArray
    rest: float
    share: float | None


def largest_terms(products: Iterable[FloatArray], count: int) -> Selection:
    """Return the ``count`` largest terms of a sum, largest first. products: its terms, in parts that follow each other.

    Of equal terms, the first ones are taken. NaN counts as the largest.
    """
    numbers, kept, seen = np.empty(0, int), np.empty(0), 0
    others, magnitudes = [], []
    for part in products:
        magnitudes.append(exact_sum(np.abs(part).tolist()))
        numbers = np.concatenate([numbers, np.arange(seen, seen + len(part))])
        kept = np.concatenate([kept, part])
        order = np.argsort(-np.nan_to_num(np.abs(kept), nan=inf, posinf=inf), kind="stable")
        others.append(exact_sum(kept[order[count:]].tolist()))
        numbers, kept, seen = numbers[order[:count]], kept[order[:count]], seen + len(part)
    total = exact_sum(magnitudes)
    share = exact_sum(np.abs(kept).tolist()) / total if 0 < total < inf else None
    return Selection(numbers, exact_sum(others), share)


def exact_sum(numbers: Iterable[float]) -> float:
    """Return the sum, rounded once; if it is not finite, return the result of float addition."""
    numbers = list(numbers)
    try:
        return fsum(numbers)
    # fsum refuses infinities of both signs, and a sum beyond the largest float.
    except (OverflowError, ValueError):
        return sum(map(float, numbers))
