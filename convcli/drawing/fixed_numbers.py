"""Write the numbers of a tensor with one count of decimals and one power of ten, so that they compare at a glance."""

from math import floor, log10
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, is_whole

# Numbers from 0.1 to 999,999 need no power of ten.
_PLAIN = range(-1, 6)


class FixedNumbers(NamedTuple):
    """Numbers as text: each number is its text times ``10**exponent``."""

    texts: list[str]
    exponent: int

    @property
    def values(self) -> list[float]:
        """The numbers that the texts stand for."""
        return [float(f"{text}e{self.exponent}") for text in self.texts]

    @property
    def power(self) -> str:
        """The power of ten, such as ``1e-05``; empty if it is 1."""
        return f"1e{self.exponent:+03d}" if self.exponent else ""


def fixed_numbers(values: Array, digits: int) -> FixedNumbers:
    """Return numbers in row-major order; the largest of them has so many digits. 0 is written without decimals.

    Whole numbers of at most six digits are written completely. No number has decimals that are 0 in all of them.
    """
    values = np.asarray(values, np.float64).ravel()
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=0))
    magnitude = floor(log10(largest)) if largest else 0
    exponent = 0 if magnitude in _PLAIN else magnitude
    decimals = digits - 1 - (magnitude - exponent)
    if exponent == 0 and is_whole(finite):
        decimals = 0
    elif magnitude - exponent < 3:
        decimals = max(1, decimals)
    decimals = max(0, decimals)
    # In two steps, because 10**308 is the largest power of ten.
    half = exponent // 2
    scaled = values / 10.0**half / 10.0 ** (exponent - half)
    texts = [f"{value:z.{decimals}f}" for value in scaled.tolist()]
    spare = min((_zeros(text) for text in texts if "." in text), default=0)
    if spare:
        texts = [text[:-spare].removesuffix(".") if "." in text else text for text in texts]
    return FixedNumbers(["0" if value == 0 else text for value, text in zip(values, texts, strict=True)], exponent)


def _zeros(text: str) -> int:
    """Return the number of zeros at the end of the decimals."""
    return len(text) - len(text.rstrip("0"))
