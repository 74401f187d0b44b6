"""Edge fills and their adjoints.

Padding copies pixels. Along one axis, padded pixel a is a copy of input pixel ``sources(...)[a]``, or a constant if
that is OUTSIDE. Two such maps, one for rows and one for columns, define every fill:

    pad          V'[a, c] = V[rows[a], columns[c]]          (or the constant)
    pad_adjoint  dV[rows[a], columns[c]] += dV'[a, c]       (constants are skipped)

The maps are cut into runs, which are slices: padding takes a few copies of slices, however large the pads are.

To add a fill: write its rule, list it in ``EDGE_RULES``, and add its row to the tests and the documentation.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.errors import OptionError
from convcli.text import choice, real

# Not -1, because a run of consecutive pixels would then join it to pixel 0.
OUTSIDE = -2

FILLS = ("zero", "constant:VALUE", "replicate", "reflect", "symmetric", "wrap")
ALIASES = {
    "zeros": "zero",
    "nearest": "replicate",
    "edge": "replicate",
    "clamp": "replicate",
    "circular": "wrap",
    "periodic": "wrap",
    "grid-wrap": "wrap",
}


class EdgeFill(NamedTuple):
    """The fill of pixels outside the image: a rule of ``EDGE_RULES``, and the value of the rule "constant"."""

    rule: str
    value: float = 0.0

    @property
    def copies(self) -> bool:
        """Return whether padded pixels are copies of input pixels, through which gradients flow back."""
        return self.rule != "constant"

    def __str__(self) -> str:
        if self.copies:
            return self.rule
        return f"constant:{self.value!r}" if self.value else "zero"


def parse_edge(text: str) -> EdgeFill:
    """Parse ``zero``, ``constant:VALUE``, ``replicate``, ``reflect``, ``symmetric`` or ``wrap``, or an alias.

    Raises OptionError for anything else.
    """
    text = str(text)
    name, _, value = text.partition(":")
    if name == "mirror":
        raise OptionError(
            "'mirror' means different things in different tools: use 'reflect' (dcb|abcd|cba, scipy's mirror) or "
            "'symmetric' (cba|abcd|dcb, libvips' mirror)",
            option="edge",
        )
    if name == "constant":
        return EdgeFill("constant", _constant(text, value))
    rule = choice("edge", ALIASES.get(text, text), FILLS)
    return EdgeFill("constant" if rule == "zero" else rule)


def _constant(text: str, number: str) -> float:
    try:
        value = real(number)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise OptionError(f"expected a number after the colon, as in constant:127.5, given {text!r}", option="edge")
    return value


def sources(size: int, positions: IntArray, edge: EdgeFill) -> IntArray:
    """Return the input pixel that each position of an axis holds, or OUTSIDE for a constant.

    The axis has ``size`` input pixels, at positions 0 to ``size`` - 1; all other positions lie in the pads.
    """
    return EDGE_RULES[edge.rule](positions, size)


def _constant_rule(position: IntArray, size: int) -> IntArray:
    return np.where((position < 0) | (position >= size), OUTSIDE, position)


def _replicate(position: IntArray, size: int) -> IntArray:
    return np.clip(position, 0, size - 1)


def _wrap(position: IntArray, size: int) -> IntArray:
    return position % size


def _symmetric(position: IntArray, size: int) -> IntArray:
    phase = position % (2 * size)
    return np.minimum(phase, 2 * size - 1 - phase)


def _reflect(position: IntArray, size: int) -> IntArray:
    period = max(2 * size - 2, 1)  # a single pixel reflects onto itself
    phase = position % period
    return np.minimum(phase, period - phase)


EDGE_RULES: dict[str, Callable[[IntArray, int], IntArray]] = {
    "constant": _constant_rule,
    "replicate": _replicate,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": _wrap,
}


class Run(NamedTuple):
    """A stretch of padded pixels that are copied at once.

    padded: the stretch.  source: its input pixels, in steps of 1 or -1; None where the stretch is constant.
    repeated: whether ``source`` is one pixel, which fills the whole stretch.
    """

    padded: slice
    source: slice | None
    repeated: bool


Runs = tuple[Run, ...]


def pad(V: Array, rows: Runs, columns: Runs, value: float, out: FloatArray) -> None:
    """Fill ``out[..., a, c]`` with ``V[..., rows[a], columns[c]]``, or with ``value`` where either is OUTSIDE."""
    for patch in _patches(rows, columns):
        out[..., *patch.padded] = value if patch.source is None else V[..., *patch.source]


def pad_adjoint(padded_gradient: FloatArray, rows: Runs, columns: Runs, out: FloatArray) -> None:
    """Add ``padded_gradient[..., a, c]`` to ``out[..., rows[a], columns[c]]``; skip it where either is OUTSIDE."""
    for patch in _patches(rows, columns):
        if patch.source is not None:
            gradient = padded_gradient[..., *patch.padded]
            out[..., *patch.source] += gradient.sum(axis=patch.repeated, keepdims=True)


class Patch(NamedTuple):
    """A rectangle of padded pixels that are copied at once: a run of rows crossed with a run of columns.

    padded: the rectangle.  source: its input pixels, or None where it is constant.
    repeated: the axes along which one pixel fills it.
    """

    padded: tuple[slice, slice]
    source: tuple[slice, slice] | None
    repeated: tuple[int, ...]


def _patches(rows: Runs, columns: Runs) -> Iterator[Patch]:
    for row in rows:
        for column in columns:
            source = None if row.source is None or column.source is None else (row.source, column.source)
            repeated = tuple(axis for axis, run in ((-2, row), (-1, column)) if run.repeated)
            yield Patch((row.padded, column.padded), source, repeated)


def inner_run(start: int, length: int) -> Runs:
    """Return ``length`` input pixels from ``start`` as one run, which has no padding."""
    return (Run(slice(0, length), slice(start, start + length), repeated=False),)


def runs(source: IntArray) -> Runs:
    """Cut a map of sources into the fewest runs, from left to right."""
    steps = np.diff(source)
    breaks = (np.flatnonzero(np.diff(steps)) + 1).tolist()
    cut, start = [], 0
    while start < len(source):
        step = int(steps[start]) if start < len(steps) else 0
        following = bisect_right(breaks, start)
        last = breaks[following] if following < len(breaks) else len(steps)
        stop = last + 1 if step in (-1, 0, 1) else start + 1
        cut.append(_run(start, stop, int(source[start]), step))
        start = stop
    return tuple(cut)


def _run(start: int, stop: int, first: int, step: int) -> Run:
    padded = slice(start, stop)
    if first == OUTSIDE:
        return Run(padded, None, repeated=False)
    if step not in (-1, 1) or stop - start == 1:
        return Run(padded, slice(first, first + 1), repeated=stop - start > 1)
    end = first + step * (stop - start)
    return Run(padded, slice(first, None if end < 0 else end, step), repeated=False)
