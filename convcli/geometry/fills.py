"""Edge fills: what each pixel outside the image holds.

Along one axis, a fill is a map: padded pixel a is a copy of input pixel ``sources(...)[a]``, or a constant if that is
OUTSIDE. ``convcli.geometry.edges`` applies the maps of rows and columns.

To add a fill: write its rule, list it in ``EDGE_RULES``, and add its row to the tests and the documentation.
"""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np

from convcli.arrays import IntArray
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
