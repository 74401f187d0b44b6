"""A tensor made elsewhere held against ours."""

from collections.abc import Mapping
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, FloatArray, finite_or_none, real_array
from convcli.check.confusions import confusion, fit, tensor_of
from convcli.convolution.formulas import SYMBOLS
from convcli.convolution.prepared import Convolution, Prepared
from convcli.engine import AUTOMATIC, MEMORY, Execution
from convcli.geometry.options import Numbers
from convcli.kernels.kernel import Kernel
from convcli.text import choice

# The largest difference between equals, relative to the largest magnitude.
TOLERANCE = 1e-5


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


def conv2d_compare(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    theirs: Mapping[str, ArrayLike],
    G: ArrayLike | None = None,
    *,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
    memory: int = MEMORY,
    tolerance: float = TOLERANCE,
) -> list[Comparison]:
    """Compare tensors that another program computed with convcli's, and name the confusion that explains a difference.

    Parameters
    ----------
    V
        Input ``(C_in, H, W)``.
    K, bias, stride, padding, dilation, groups, edge, flip, algorithm, threads, memory
        As in ``conv2d``.
    theirs
        Tensors by name: ``output`` (Z), or the gradient of ``kernel``, ``input`` or ``bias``.
    G
        Upstream gradient, with the shape of Z; ones by default.
    tolerance
        The largest difference between equals, relative to convcli's largest magnitude.

    Returns
    -------
    list of Comparison
        One per tensor, in the order given.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together.
    OptionError
        A name or an algorithm is unknown, or the algorithm refuses.

    Examples
    --------
    >>> V, K = np.arange(9.0).reshape(1, 3, 3), np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> conv2d_compare(V, K, {"output": conv2d(V, K, flip=True)})[0].confusion
    'for the flipped kernel'
    """
    V = real_array("input V", V)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    upstream = np.ones(prepared.geometry.output_shape) if G is None else real_array("upstream gradient G", G)
    execution = Execution(algorithm, threads, memory)
    names = [choice("theirs", name, SYMBOLS) for name in theirs]
    return [compare(prepared, V, upstream, name, theirs[name], tolerance, execution) for name in names]


def compare(
    prepared: Prepared,
    V: Array,
    G: Array,
    tensor: str,
    theirs: ArrayLike,
    tolerance: float,
    execution: Execution = AUTOMATIC,
) -> Comparison:
    """Compare a tensor with convcli's Z (``output``), dK, dV or db.

    prepared: a convolution in float64.  V: ``(C_in, H, W)``.  G: shaped like Z.
    theirs: the tensor; axes of length 1 do not matter.
    tolerance: the largest difference between equals, relative to convcli's largest magnitude.
    """
    ours = tensor_of(prepared, V, G, tensor, execution)
    given = _without_batch(real_array(f"your {SYMBOLS[tensor]}", theirs).astype(np.float64), ours.ndim)
    fitted = fit(given, ours.shape)
    worst = None if fitted is None else _worst(ours, fitted)
    holds = worst is not None and worst.error <= tolerance
    words = None if holds else confusion(prepared, V, G, tensor, given, tolerance, execution)
    return Comparison(tensor, holds, ours.shape, given.shape, worst, words)


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
