"""Edge fills, and their adjoints.

Padding copies. Padded pixel a of an axis holds input pixel ``sources(...)[a]``, or a constant where that is
OUTSIDE. Two such maps, one for rows and one for columns, say everything about all six fills:

    pad          V'[a, c] = V[rows[a], columns[c]]          (or the constant)
    pad_adjoint  dV[rows[a], columns[c]] += dV'[a, c]       (nothing where the constant was)

The maps are cut into runs that are slices, so that a pad costs a few block copies whatever its size.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.errors import GeometryError
from convcli.text import real

# Two below the first pixel, so that a run of consecutive pixels can never take it in.
OUTSIDE = -2

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
    """What stands outside the image: a rule of ``RULES``, and the value that rule "constant" puts there."""

    rule: str
    value: float = 0.0

    @property
    def copies(self) -> bool:
        """Whether padded pixels hold copies of input pixels, so that gradients flow back through them."""
        return self.rule != "constant"

    def __str__(self) -> str:
        if self.copies:
            return self.rule
        return f"constant:{self.value!r}" if self.value else "zero"


def parse_edge(text: str) -> EdgeFill:
    """``zero``, ``constant:VALUE``, ``replicate``, ``reflect``, ``symmetric`` or ``wrap``, or an alias."""
    name, colon, value = str(text).partition(":")
    name = ALIASES.get(name, name)
    if name == "mirror":
        raise GeometryError(
            "edge 'mirror' means different things in different tools: use 'reflect' (dcb|abcd|cba, scipy's "
            "mirror) or 'symmetric' (cba|abcd|dcb, libvips' mirror)"
        )
    if name == "constant":
        return EdgeFill("constant", _constant(text, value))
    if name == "zero" and not colon:
        return EdgeFill("constant")
    if name in RULES and not colon:
        return EdgeFill(name)
    raise GeometryError(f"unknown edge {text!r}: expected zero, constant:VALUE, replicate, reflect, symmetric or wrap")


def _constant(text: str, number: str) -> float:
    try:
        value = real(number)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise GeometryError(f"edge {text!r}: expected a number after the colon, as in constant:127.5")
    return value


def sources(size: int, positions: IntArray, edge: EdgeFill) -> IntArray:
    """Which pixel of an axis of ``size`` pixels each position holds; positions run from below 0 to beyond size."""
    return RULES[edge.rule](positions, size)


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


RULES: dict[str, Callable[[IntArray, int], IntArray]] = {
    "constant": _constant_rule,
    "replicate": _replicate,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": _wrap,
}


class Run(NamedTuple):
    """A stretch of an axis whose source pixels step by 1 or -1, or are one pixel (or OUTSIDE) throughout."""

    padded: slice
    source: slice | None
    repeated: bool


Runs = tuple[Run, ...]


def pad(V: Array, rows: Runs, columns: Runs, value: float, out: FloatArray) -> None:
    """Fill ``out[..., a, c]`` with ``V[..., rows[a], columns[c]]``, or with ``value`` where that is OUTSIDE."""
    for padded, source, _ in _blocks(rows, columns):
        out[..., *padded] = value if source is None else V[..., *source]


def pad_adjoint(padded_gradient: FloatArray, rows: Runs, columns: Runs, out: FloatArray) -> None:
    """Add ``padded_gradient[..., a, c]`` to ``out[..., rows[a], columns[c]]``; nothing for OUTSIDE."""
    for padded, source, repeated in _blocks(rows, columns):
        if source is not None:
            out[..., *source] += padded_gradient[..., *padded].sum(axis=repeated, keepdims=True)


class Block(NamedTuple):
    """A run of rows crossed with a run of columns; ``repeated`` are the axes on which one pixel was copied."""

    padded: tuple[slice, slice]
    source: tuple[slice, slice] | None
    repeated: tuple[int, ...]


def _blocks(rows: Runs, columns: Runs) -> Iterator[Block]:
    for row in rows:
        for column in columns:
            source = None if row.source is None or column.source is None else (row.source, column.source)
            repeated = tuple(axis for axis, run in ((-2, row), (-1, column)) if run.repeated)
            yield Block((row.padded, column.padded), source, repeated)


def inner_run(start: int, length: int) -> Runs:
    """The run of ``length`` pixels of the input from ``start``, with no padding."""
    return (Run(slice(0, length), slice(start, start + length), repeated=False),)


def runs(source: IntArray) -> Runs:
    """Cut a map of sources into the fewest runs, from left to right."""
    steps = np.diff(source)
    breaks = (np.flatnonzero(np.diff(steps)) + 1).tolist()
    found, start = [], 0
    while start < len(source):
        step = int(steps[start]) if start < len(steps) else 0
        following = bisect_right(breaks, start)
        last = breaks[following] if following < len(breaks) else len(steps)
        stop = last + 1 if step in (-1, 0, 1) else start + 1
        found.append(_run(start, stop, int(source[start]), step))
        start = stop
    return tuple(found)


def _run(start: int, stop: int, first: int, step: int) -> Run:
    padded = slice(start, stop)
    if first == OUTSIDE:
        return Run(padded, None, repeated=False)
    if step not in (-1, 1) or stop - start == 1:
        return Run(padded, slice(first, first + 1), repeated=stop - start > 1)
    end = first + step * (stop - start)
    return Run(padded, slice(first, None if end < 0 else end, step), repeated=False)
