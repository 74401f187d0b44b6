"""A large kernel in a few lines: as a column times a row if it is separable, or with one small number per weight."""

from collections.abc import Iterator
from itertools import chain, count
from math import floor, log10
from typing import NamedTuple

import numpy as np
from rich.text import Text

from convcli.arrays import FloatArray, cut
from convcli.cli.text.screen import sign_style
from convcli.drawing.fixed_numbers import fixed_numbers
from convcli.drawing.heatmap_layout import Layout
from convcli.drawing.palette import statistics

_DIGITS = 4
# A product that differs from its weights by more, relative to the largest of them, is no rounding.
_ROUNDING = 1e-12


class Factors(NamedTuple):
    """The column and the row whose product is a kernel."""

    column: FloatArray
    row: FloatArray


def factors_of(weights: FloatArray, known: tuple[tuple[FloatArray, FloatArray], ...] = ()) -> Factors | None:
    """Return the factors of a 2-D kernel ``(kh, kw)``; None if it is not separable.

    known: the factors of a preset, or none. Otherwise the column and the row each have the sum of the kernel's sign, or
    if the kernel's sum is 0, the row is one of the kernel's.
    """
    if len(known) == 1:
        return Factors(*known[0])
    total = weights.sum()
    if abs(total) > _ROUNDING * np.abs(weights).sum():
        found = Factors(weights.sum(axis=1), weights.sum(axis=0) / total)
    else:
        row, column = np.unravel_index(np.abs(weights).argmax(), weights.shape)
        found = Factors(weights[:, column] / (weights[row, column] or 1), weights[row])
    error = np.abs(np.outer(*found) - weights).max(initial=0)
    return found if error <= _ROUNDING * np.abs(weights).max(initial=0) else None


def factor_lines(factors: Factors, width: int) -> Iterator[Text]:
    """Yield the lines of a column and a row, broken to a width."""
    column, row = factors
    names = {f"column ({len(column)})": column, f"row ({len(row)})": row}
    if np.array_equal(column, row):
        names = {f"column ({len(column)}) = row": row}
    written = {name: fixed_numbers(numbers, _DIGITS) for name, numbers in names.items()}
    for name, numbers in names.items():
        power = written[name].power
        yield Text(f"  {name}{f', times {power}' * bool(power)}", style="dim")
        yield from _wrapped(numbers, written[name].texts, width)
    rounded = any(written[name].values != numbers.tolist() for name, numbers in names.items())
    yield Text(f"  the kernel is the column times the row{'; --json shows all digits' * rounded}", style="dim")


def weight_lines(plane: FloatArray, width: int) -> Iterator[Text]:
    """Yield a grid of whole numbers of at most two digits, or of one if those do not fit the width.

    Of a kernel that is wider still, each number stands for the mean of a block of weights.
    """
    limit = statistics(plane).limit
    candidates = chain([_Levels.of(plane, limit, 99, 1)], (_Levels.of(plane, limit, 9, side) for side in count(1)))
    levels = next(found for found in candidates if found.fit(width))
    for values, texts in zip(levels.means.tolist(), levels.texts, strict=True):
        line = Text(" ")
        for value, text in zip(values, texts, strict=True):
            line.append(f" {text:>{levels.longest}}", style=sign_style(value, limit))
        yield line
    blocks = f"means of {levels.side} x {levels.side} weights, " * (levels.side > 1)
    yield Text(f"  {blocks}times {levels.unit:g}; --json shows all digits", style="dim")


class _Levels(NamedTuple):
    """The means of blocks of weights in whole units; a point is an exact 0."""

    means: FloatArray
    texts: list[list[str]]
    unit: float
    side: int

    @classmethod
    def of(cls, plane: FloatArray, limit: float, most: int, side: int) -> "_Levels":
        """Return the means of blocks of side x side weights, of which the largest is at most ``most`` units."""
        rows, columns = plane.shape
        blocks = Layout((), (rows, columns), 1, (1, 1), (min(side, rows), min(side, columns)))
        means, unit = blocks.shrink(plane[np.newaxis])[0], _unit(limit, most)
        texts = [["." if mean == 0 else f"{mean / unit:z.0f}" for mean in row] for row in means.tolist()]
        return cls(means, texts, unit, side)

    @property
    def longest(self) -> int:
        return max(len(text) for row in self.texts for text in row)

    def fit(self, width: int) -> bool:
        return len(self.texts[0]) == 1 or len(self.texts[0]) * (self.longest + 1) + 1 < width


def _unit(limit: float, most: int) -> float:
    """Return the least of ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ... of which ``limit`` is at most ``most``; 1 for 0."""
    if limit == 0:
        return 1.0
    power = floor(log10(limit / most))
    units = (float(f"{digits}e{power}") for digits in (1, 2, 5, 10))
    return next(unit for unit in units if limit / unit < most + 0.5)


def _wrapped(numbers: FloatArray, texts: list[str], width: int) -> Iterator[Text]:
    longest, scale = max(map(len, texts)), statistics(numbers).limit
    across = max(1, (width - 4) // (longest + 1))
    for part in cut(range(len(texts)), across):
        line = Text("   ")
        for place in part:
            line.append(f" {texts[place]:>{longest}}", style=sign_style(numbers[place], scale))
        yield line
