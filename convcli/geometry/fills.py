"""Edge fills: what the pixels outside the image hold. ``convcli.geometry.edges`` applies them to rows and columns.

To add a fill: write its rule, list it in ``COPYING_RULES``, and add its row to the tests and the documentation. This
module does not import NumPy, so that help lists the fills without waiting for it.
"""

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from convcli.errors import OptionError
from convcli.text import choice, real

if TYPE_CHECKING:
    from convcli.arrays import IntArray

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
    """The fill of pixels outside the image: a rule of ``COPYING_RULES``, or "constant" and its value."""

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


# Zeros beyond the border of a picture darken its border.
OF_PICTURES = EdgeFill("replicate")
OF_ARRAYS = EdgeFill("constant")


def parse_edge(text: str) -> EdgeFill:
    """Parse a fill of ``FILLS``, or an alias. Raises OptionError for anything else."""
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


def _replicate(position: "IntArray", size: int) -> "IntArray":
    return position.clip(0, size - 1)


def _wrap(position: "IntArray", size: int) -> "IntArray":
    return position % size


def _symmetric(position: "IntArray", size: int) -> "IntArray":
    phase = position % (2 * size)
    return phase.clip(max=2 * size - 1 - phase)


def _reflect(position: "IntArray", size: int) -> "IntArray":
    period = max(2 * size - 2, 1)  # a single pixel reflects onto itself
    phase = position % period
    return phase.clip(max=period - phase)


# Given positions on an axis and its number of pixels, returns the pixel that each position is a copy of.
Rule = Callable[["IntArray", int], "IntArray"]

COPYING_RULES: dict[str, Rule] = {
    "replicate": _replicate,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": _wrap,
}
FILLS = ("zero", "constant:VALUE", *COPYING_RULES)
