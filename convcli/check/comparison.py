"""A tensor made elsewhere held against ours."""

from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, finite_or_none, real_array
from convcli.check.confusions import confusion, fit, tensor_of
from convcli.convolution.formulas import SYMBOLS
from convcli.convolution.request import Request


class Worst(NamedTuple):
    """Where two tensors differ most, both numbers, and how much: as it is, and as a part of our largest magnitude.

    relative: None where that magnitude is 0; what is held against a tolerance is then the difference itself.
    """

    at: tuple[int, ...]
    ours: float
    theirs: float
    absolute: float
    relative: float | None

    @property
    def error(self) -> float:
        """What is held against a tolerance."""
        return self.absolute if self.relative is None else self.relative


class Comparison(NamedTuple):
    """Theirs beside ours.

    tensor: ``output``, or the parameter whose gradient it is.  holds: whether they are equal.
    worst: where they differ most; None where their shapes differ.
    confusion: in words, what makes ours theirs; None where nothing does, and where they are equal.
    """

    tensor: str
    holds: bool
    our_shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    worst: Worst | None
    confusion: str | None


def compare(request: Request, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float) -> Comparison:
    """Theirs beside our Z (``output``), dK, dV or db.

    V: ``(C_in, H, W)``.  G: shaped like Z.  Axes of length 1 are of no account.
    tolerance: the largest difference between equals, as a part of our largest magnitude.
    """
    ours = tensor_of(request, V, G, tensor)
    theirs = _without_batch(real_array(f"your {SYMBOLS[tensor]}", theirs).astype(np.float64), ours.ndim)
    given = fit(theirs, ours.shape)
    worst = None if given is None else _worst(ours, given)
    holds = worst is not None and worst.error <= tolerance
    words = None if holds else confusion(request, V, G, tensor, theirs, tolerance)
    return Comparison(tensor, holds, ours.shape, theirs.shape, worst, words)


def comparisons_to_json(comparisons: list[Comparison], tolerance: float) -> dict[str, Any]:
    """Whether all are equal, within which tolerance, and each of them."""
    return {
        "holds": all(comparison.holds for comparison in comparisons),
        "tolerance": tolerance,
        "comparisons": [_comparison_to_json(comparison) for comparison in comparisons],
    }


def _comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    if comparison.worst is None:
        return comparison._asdict()
    at, *numbers = comparison.worst
    worst = dict(zip(Worst._fields, (at, *map(finite_or_none, numbers)), strict=True))
    return {**comparison._asdict(), "worst": worst}


def _without_batch(theirs: Array, rank: int) -> Array:
    """Without leading axes of length 1 that ours has not."""
    return _without_batch(theirs[0], rank) if theirs.ndim > rank and len(theirs) == 1 else theirs


def _worst(ours: FloatArray, theirs: Array) -> Worst:
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.abs(ours - theirs)
    at = np.unravel_index(np.argmax(np.where(np.isnan(differences), np.inf, differences)), ours.shape)
    absolute, largest = float(differences[at]), float(np.abs(ours).max())
    relative = absolute / largest if largest else None
    return Worst(tuple(map(int, at)), float(ours[at]), float(theirs[at]), absolute, relative)
