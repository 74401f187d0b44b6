"""The paddings of a convolution side by side, from valid to full: the widths, and the pixels that outputs see.

With m input pixels and k taps, stride 1 and dilation 1:

    valid   output m-k+1   no pads: a pixel at the border is used once, and one inside k times in each direction
    same    output m       padded to m+k-1
    full    output m+k-1   padded to m+2(k-1): every pixel is used k times in each direction
"""

from typing import Any, NamedTuple

from convcli.arrays import IntArray
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.coverage import sights, uses
from convcli.geometry.options import PADDING_RULES, Options, padded_axes

NAMED = ("valid", "same", "full")
GIVEN = "given"


class Padding(NamedTuple):
    """A padding of both axes. name: that of its rule, ``given``, or "" for one between two rules."""

    name: str
    rows: Axis
    columns: Axis

    @property
    def axes(self) -> dict[str, Axis]:
        """Both axes, by their names."""
        return {"rows": self.rows, "columns": self.columns}

    @property
    def has_outputs(self) -> bool:
        """Return whether the kernel fits into the padded input."""
        return min(self.rows.output, self.columns.output) > 0


def paddings_of(geometry: Geometry, options: Options) -> list[Padding]:
    """Return the paddings from valid to full, in order of their widths: the rules, some between, and the given one."""
    bare = [axis._replace(before=0, after=0) for axis in (geometry.rows, geometry.columns)]
    rules = {name: PADDING_RULES[name] for name in NAMED}
    found = [Padding(name, *padded_axes(rule, *bare)) for name, rule in rules.items()]
    given = Padding(_name_of(options), geometry.rows, geometry.columns)
    # Where paddings are equal, the first one names them.
    paddings = [*found, *(Padding("", *padded_axes(rule, *bare)) for rule in (_quarter, _three_quarters)), given]
    distinct = {(padding.rows, padding.columns): padding for padding in reversed(paddings)}
    return sorted(distinct.values(), key=lambda padding: padding.rows.padded + padding.columns.padded)


def _quarter(axis: Axis) -> tuple[int, int]:
    """Return the pads between valid and same."""
    return (axis.reach - 1) // 4, (axis.reach - 1) // 4


def _three_quarters(axis: Axis) -> tuple[int, int]:
    """Return the pads between same and full."""
    before, after = _quarter(axis)
    return axis.reach - 1 - before, axis.reach - 1 - after


def _name_of(options: Options) -> str:
    return next((name for name, rule in PADDING_RULES.items() if rule == options.padding), GIVEN)


class Widths(NamedTuple):
    """The formulas of an axis' padded extent and of its output, in m, k, s and d."""

    padded: str
    output: str


def widths_of(padding: str, axis: Axis) -> Widths:
    """Return the formulas for the padding with this name."""
    pads = axis.before + axis.after
    # What the reach takes from the output of stride 1: d*(k-1).
    reach = "k-1" if axis.dilation == 1 else "d(k-1)"
    twice = f"2({reach})" if axis.dilation == 1 else f"2{reach}"
    padded = {"valid": "m", "full": f"m+{twice}"}.get(padding, _plus("m", pads))
    if padding.startswith("same") and axis.stride == 1:
        padded = f"m+{reach}"
    return Widths(padded, _output_formula(padding, axis, reach))


def _output_formula(padding: str, axis: Axis, reach: str) -> str:
    pads, rounded = axis.before + axis.after, axis.stride > 1
    if padding.startswith("same"):
        return "ceil(m/s)" if rounded else "m"
    if padding == "full":
        steps = _plus(f"m+{reach}", -rounded)
    elif axis.dilation == 1:
        steps = _plus("m-k", pads + (not rounded))
    else:
        steps = _plus(f"m-{reach}", pads - rounded)
    return f"floor(({steps})/s)+1" if rounded else steps


def _plus(term: str, number: int) -> str:
    if term.endswith("k-1") and number == -1:
        return f"{term[:-1]}2"
    return f"{term}{number:+d}" if number else term


def paddings_to_json(paddings: list[Padding]) -> dict[str, Any]:
    """Return the members of a JSON document: the widths and counts of each padding, along both axes."""
    first = paddings[0]
    return {
        "stride": [first.rows.stride, first.columns.stride],
        "dilation": [first.rows.dilation, first.columns.dilation],
        "paddings": [
            {
                "name": padding.name or None,
                **{name: _axis_to_json(padding.name, axis) for name, axis in padding.axes.items()},
            }
            for padding in paddings
        ],
    }


def _axis_to_json(padding: str, axis: Axis) -> dict[str, Any]:
    formulas = widths_of(padding, axis)
    return {
        "m": axis.size,
        "k": axis.taps,
        "pads": [axis.before, axis.after],
        "padded": {"formula": formulas.padded, "size": axis.padded},
        "output": {"formula": formulas.output, "size": max(0, axis.output)},
        "used": ends_of(uses(axis)),
        "seen": ends_of(sights(axis)),
    }


def ends_of(counts: IntArray) -> tuple[int, int] | None:
    """Return the least and the greatest count; None if there is none."""
    return (int(counts.min()), int(counts.max())) if counts.size else None
