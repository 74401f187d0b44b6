"""A large kernel in a few lines: as a column times a row if it is separable, or with one small number per weight."""

from collections.abc import Iterator, Sequence
from itertools import chain, count
from math import floor, log10
from typing import NamedTuple

import numpy as np
from rich.text import Text

from convcli.arrays import FloatArray, cut, planes_of
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


def weight_lines(weights: FloatArray, width: int, headings: Sequence[str] = ()) -> Iterator[Text]:
    """Yield grids of whole numbers of at most two digits, or of one if those do not fit the width.

    Of a kernel that is wider still, each number stands for the mean of a block of weights.
    headings: a line above each grid of a bank, or none; other grids than these are not shown.
    """
    planes, limit = planes_of(weights), statistics(weights).limit
    candidates = chain([_Levels.of(planes, limit, 99, 1)], (_Levels.of(planes, limit, 9, side) for side in count(1)))
    levels = next(found for found in candidates if found.fit(width))
    for heading, plane in zip(headings or [""], levels.means, strict=False):
        if heading:
            yield Text(heading, style="dim")
        for row in plane.tolist():
            line = Text(" ")
            for mean in row:
                line.append(f" {levels.text(mean):>{levels.longest}}", style=sign_style(mean, limit))
            yield line
    blocks = f"means of {levels.side} x {levels.side} weights, " * (levels.side > 1)
    hidden = f"{len(headings):,} of {len(planes):,} planes, " * (0 < len(headings) < len(planes))
    yield Text(f"  {hidden}{blocks}each times {levels.unit:g}; --json shows all digits", style="dim")


class _Levels(NamedTuple):
    """The means ``(planes, rows, columns)`` of blocks of weights, to be shown in whole units."""

    means: FloatArray
    unit: float
    side: int

    @classmethod
    def of(cls, planes: FloatArray, limit: float, most: int, side: int) -> "_Levels":
        """Return the means of blocks of side x side weights, of which the largest is at most ``most`` units."""
        _, rows, columns = planes.shape
        blocks = Layout((), (rows, columns), 1, (1, 1), (min(side, rows), min(side, columns)))
        return cls(blocks.shrink(planes), _unit(limit, most), side)

    def text(self, mean: float) -> str:
        """Return a mean in whole units; an exact 0 is a point."""
        return "." if mean == 0 else f"{mean / self.unit:z.0f}"

    @property
    def longest(self) -> int:
        return max(len(self.text(end)) for end in (self.means.min(), self.means.max(), self.unit))

    def fit(self, width: int) -> bool:
        columns = len(self.means[0, 0])
        return columns == 1 or columns * (self.longest + 1) + 1 < width


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
