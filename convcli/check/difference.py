"""The largest difference between two tensors, relative to the magnitudes that each number is the sum of."""

from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.convolution.layers import PreparedLayer
from convcli.engine import Execution

# The sum of magnitudes of an entry counts as at least this share of the largest one: programs that transform the whole
# tensor (FFT, Winograd) round in proportion to its largest numbers.
LEAST_SHARE = 0.01


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
        The difference relative to the sum of the magnitudes of the terms of this entry, which counts as at least a
        hundredth of the largest such sum; None if all of these sums are 0.
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


def tensor_of(prepared: PreparedLayer, V: Array, G: Array, name: str, execution: Execution) -> FloatArray:
    """Return convcli's tensor: Z for ``output``, otherwise the gradient with that name."""
    return planned_tensor(prepared, V, G, name, plan_of(prepared, name, execution))


def plan_of(prepared: PreparedLayer, name: str, execution: Execution) -> Any:
    """Plan convcli's tensor."""
    return prepared.plan(execution) if name == "output" else prepared.plan_gradients((name,), execution)


def planned_tensor(prepared: PreparedLayer, V: Array, G: Array, name: str, plan: Any) -> FloatArray:
    """Return convcli's tensor by a plan of ``plan_of``."""
    if name == "output":
        return prepared.convolve(V, plan)
    gradient: FloatArray = getattr(prepared.gradients(V, G, plan), name)
    return gradient


def magnitudes(prepared: PreparedLayer, V: Array, G: Array, name: str, execution: Execution) -> FloatArray:
    """Return the sum of the magnitudes of the terms of each entry of convcli's tensor: rounding is in proportion."""
    convolution, edge = prepared.convolution, prepared.geometry.edge
    bias = None if convolution.bias is None else np.abs(convolution.bias)
    absolute = prepared.with_parameters(np.abs(convolution.weights.astype(np.float64)), bias)
    absolute = absolute.with_edge(edge._replace(value=abs(edge.value)))
    V, G = np.abs(V.astype(np.float64)), np.abs(G.astype(np.float64))
    return np.abs(tensor_of(absolute, V, G, name, execution))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def relative_differences(ours: FloatArray, theirs: FloatArray, sums: FloatArray) -> FloatArray:
    """Return the difference of each entry relative to its sum of magnitudes; absolute differences if all sums are 0.

    Equal infinities do not differ, and neither do two NaNs. Any other difference from such a number is infinite.
    """
    differences = absolute_differences(ours, theirs)
    largest = sums[np.isfinite(sums)].max(initial=0)
    if not largest:
        return differences
    scale = np.where(np.isfinite(sums), np.maximum(sums, LEAST_SHARE * largest), largest)
    return np.asarray(differences / scale)


@np.errstate(over="ignore", invalid="ignore")
def absolute_differences(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Return the magnitude of the difference of each entry: 0 for equal infinities and two NaNs."""
    equal = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    differences = np.abs(ours - theirs)
    return np.where(equal, 0.0, np.where(np.isnan(differences), np.inf, differences))


def largest_difference(ours: FloatArray, theirs: FloatArray, sums: FloatArray) -> Difference:
    """Return the largest relative difference.  sums: those that ``magnitudes`` returns."""
    relative = relative_differences(ours, theirs, sums)
    at = np.unravel_index(np.argmax(relative), ours.shape)
    return Difference(
        at=tuple(map(int, at)),
        ours=float(ours[at]),
        theirs=float(theirs[at]),
        absolute=float(absolute_differences(ours[at], theirs[at])),
        relative=float(relative[at]) if sums[np.isfinite(sums)].any() else None,
    )
