"""Compare a tensor that another program computed with convcli's."""

from math import inf
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, FloatArray, finite_or_none, fit, real_array
from convcli.check.confusions import confusion, tensor_of
from convcli.convolution.layers import PreparedLayer
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import OptionError
from convcli.geometry.fills import EdgeFill
from convcli.layouts import DEFAULT, Layout, Layouts
from convcli.names import SYMBOLS
from convcli.text import require_type


class Difference(NamedTuple):
    """The largest difference between convcli's tensor and theirs.

    Attributes
    ----------
    at
        The index of the entry.
    ours, theirs
        The two numbers.
    absolute
        The magnitude of their difference.
    relative
        The difference relative to the largest magnitude of convcli's tensor; None if that is 0.
    """

    at: tuple[int, ...]
    ours: float
    theirs: float
    absolute: float
    relative: float | None

    @property
    def error(self) -> float:
        """The difference to compare with a tolerance: the relative one, or if that is None, the absolute one."""
        return self.absolute if self.relative is None else self.relative


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
        The confusion that turns convcli's tensor into theirs, such as "for the flipped kernel"; None if they are equal,
        or if no usual confusion does.
    """

    tensor: str
    holds: bool
    our_shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    worst: Difference | None
    confusion: str | None


def require_tolerance(tolerance: float) -> None:
    """Raise OptionError for a tolerance that is negative or not finite."""
    require_type("tolerance", tolerance, Real, "a number")
    if not 0 <= tolerance < inf:
        raise OptionError(f"expected a finite number of at least 0, given {tolerance:g}", option="tolerance")


def compare(
    prepared: PreparedLayer,
    V: Array,
    G: Array,
    tensor: str,
    theirs: ArrayLike,
    tolerance: float,
    execution: Execution = AUTOMATIC,
) -> Comparison:
    """Compare a tensor with convcli's Z (``output``), dK, dV or db.

    prepared: a convolution in float64.  V: ``(C_in, H, W)``.  G: shaped like Z.
    theirs: the tensor; leading axes of length 1 are ignored.
    tolerance: the largest difference between tensors that count as equal, relative to convcli's largest magnitude.
    """
    ours = tensor_of(prepared, V, G, tensor, execution)
    given = _without_batch(real_array(f"your {SYMBOLS[tensor]}", theirs).astype(np.float64), ours.ndim)
    fitted = fit(given, ours.shape)
    worst = None if fitted is None else _largest_difference(ours, fitted)
    holds = worst is not None and worst.error <= tolerance
    return Comparison(
        tensor=tensor,
        holds=holds,
        our_shape=ours.shape,
        their_shape=given.shape,
        worst=worst,
        confusion=None if holds else confusion(prepared, V, G, tensor, given, tolerance, execution),
    )


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


def _largest_difference(ours: FloatArray, theirs: Array) -> Difference:
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.abs(ours - theirs)
    at = np.unravel_index(np.argmax(np.where(np.isnan(differences), np.inf, differences)), ours.shape)
    absolute, largest = float(differences[at]), float(np.abs(ours).max())
    return Difference(
        at=tuple(map(int, at)),
        ours=float(ours[at]),
        theirs=float(theirs[at]),
        absolute=absolute,
        relative=absolute / largest if largest else None,
    )
