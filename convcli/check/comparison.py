"""Compare a tensor that another program computed with convcli's."""

from collections.abc import Collection
from math import inf
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, finite_or_none, fit, real_array
from convcli.check.case import Case
from convcli.check.compared import Compared
from convcli.check.difference import Difference, largest_difference, magnitudes, tensor_of
from convcli.check.search import Outcome, search
from convcli.convolution.layers import PreparedLayer
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import OptionError
from convcli.geometry.fills import EdgeFill
from convcli.layouts import DEFAULT, Layout, Layouts
from convcli.names import SYMBOLS
from convcli.text import require_type


class Comparison(NamedTuple):
    """A tensor that another program computed, compared with convcli's.

    Attributes
    ----------
    tensor
        ``output``, or the parameter whose gradient it is: ``kernel``, ``input`` or ``bias``.
    holds
        Whether the two are equal within the tolerance.
    our_shape, their_shape
        The shapes of convcli's tensor and of theirs.
    worst
        The largest difference; None if the shapes differ.
    confusion
        What explains the difference, to follow "your dK", such as "is that of the flipped kernel". None if the tensors
        are equal, or if nothing does.
    kind
        ``options`` if other options describe it, ``fault`` if the code that computed their tensor is wrong; None if
        there is no confusion.
    cure
        The options of ``convcli check`` to add, with their names in backquotes, such as "`padding` 1,0,1,0". None for a
        fault, and for options that must be left out instead.
    also
        Other confusions that explain it equally well, each with its cure.
    skipped
        The number of confusions that were not tried, because the tensors are so large that it would take too long.
    """

    tensor: str
    holds: bool
    our_shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    worst: Difference | None
    confusion: str | None = None
    kind: str | None = None
    cure: str | None = None
    also: tuple[str, ...] = ()
    skipped: int = 0


def require_tolerance(tolerance: float) -> None:
    """Raise OptionError for a tolerance that is negative or not finite."""
    require_type("tolerance", tolerance, Real, "a number")
    if not 0 <= tolerance < inf:
        raise OptionError(f"expected a finite number of at least 0, given {tolerance:g}", option="tolerance")


class Origin(NamedTuple):
    """The origin of a tensor's layer, which decides what other options can be added to a command.

    dA: dJ/dA if A = max(Z, 0) follows; G is computed from it.
    layouts: those that the tensors were read in.  fixed: options that cannot be added, and so are no cures.
    """

    dA: Array | None = None
    layouts: Layouts = DEFAULT
    fixed: Collection[str] = ()


# Of a call from Python.
FROM_PYTHON = Origin()


def compare(
    prepared: PreparedLayer,
    V: Array,
    G: Array,
    tensor: str,
    theirs: ArrayLike,
    tolerance: float,
    execution: Execution = AUTOMATIC,
    origin: Origin = FROM_PYTHON,
) -> Comparison:
    """Compare a tensor with convcli's Z (``output``), dK, dV or db.

    prepared: a layer in float64.  V: ``(..., C_in, H, W)``.  G: shaped like Z.
    theirs: the tensor; leading axes of length 1 are ignored.
    tolerance: the largest difference of an entry between tensors that count as equal, relative to the magnitudes of the
    terms that the entry is the sum of.
    origin: what the search needs to know about the command.
    """
    ours = tensor_of(prepared, V, G, tensor, execution)
    given = _without_batch(real_array(f"your {SYMBOLS[tensor]}", theirs).astype(np.float64), ours.ndim)
    fitted = fit(given, ours.shape)
    sums = magnitudes(prepared, V, G, tensor, execution)
    worst = None if fitted is None or not ours.size else largest_difference(ours, fitted, sums)
    found = Comparison(
        tensor=tensor,
        holds=fitted is not None and (worst is None or worst.error <= tolerance),
        our_shape=ours.shape,
        their_shape=given.shape,
        worst=worst,
    )
    if found.holds or not (V.size and ours.size):
        return found
    case = Case(prepared.convolution, V, G, tensor, given, layouts=origin.layouts)
    return _explained(
        found, search(Compared(case, prepared, ours, sums, tolerance, tolerance, origin.dA), execution), origin
    )


def _explained(found: Comparison, outcome: Outcome, origin: Origin) -> Comparison:
    if not outcome.explanations:
        return found._replace(skipped=outcome.skipped)
    (first, cure), *others = ((each, _addable(each.cure, origin.fixed)) for each in outcome.explanations)
    also = tuple(f"{each.says} ({cure})" if cure else each.says for each, cure in others)
    return found._replace(confusion=first.says, kind=first.kind, cure=cure, also=also)


def _addable(cure: str | None, fixed: Collection[str]) -> str | None:
    """Return a cure; None if one of its options cannot be added."""
    return None if cure is None or any(f"`{name}`" in cure for name in fixed) else cure


def comparisons_to_json(
    comparisons: list[Comparison], tolerance: float, edge: EdgeFill, layouts: Layouts = DEFAULT
) -> dict[str, Any]:
    """Return the members of a JSON document: whether all comparisons hold, the tolerance, the edge fill, and each."""
    return {
        "holds": all(comparison.holds for comparison in comparisons),
        "tolerance": tolerance,
        "edge": str(edge),
        **layouts.to_json(),
        "comparisons": [_comparison_to_json(comparison, layouts) for comparison in comparisons],
    }


def _comparison_to_json(comparison: Comparison, layouts: Layouts) -> dict[str, Any]:
    layout, worst = layouts.of(comparison.tensor), comparison.worst
    shapes = {name: layout.order(getattr(comparison, name)) for name in ("our_shape", "their_shape")}
    return {**comparison._asdict(), **shapes, "worst": worst and _difference_to_json(worst, layout)}


def _difference_to_json(worst: Difference, layout: Layout) -> dict[str, Any]:
    numbers = {name: finite_or_none(getattr(worst, name)) for name in ("ours", "theirs", "absolute", "relative")}
    return {"at": layout.order(worst.at), **numbers}


def _without_batch(theirs: Array, rank: int) -> Array:
    """Return ``theirs`` without leading axes of length 1, as long as its rank is above ``rank``."""
    return _without_batch(theirs[0], rank) if theirs.ndim > rank and len(theirs) == 1 else theirs
