"""A tensor of the user beside the layer that it is compared with, and the tensors of similar layers.

A confusion is tried by changing the layer, V or G of a ``Case`` and computing its tensor again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.check.difference import magnitudes, plan_of, planned_tensor
from convcli.convolution.layers import Layer, PreparedLayer
from convcli.convolution.prepared import Convolution
from convcli.convolution.relu import relu_adjoint
from convcli.engine import Execution
from convcli.errors import GeometryError, OptionError
from convcli.layouts import DEFAULT, Layouts

# The most convolutions, and the most estimated seconds, that the search for one confusion takes.
MOST_TRIALS = 300
MOST_SECONDS = 5.0
# The seconds that a trial takes for each number of V and Z, besides those of the plan: comparing is not planned.
SECONDS_PER_NUMBER = 3e-8


class Case(NamedTuple):
    """A layer with its V and G, and the user's tensor.

    tensor: ``output``, or the parameter whose gradient it is.
    theirs: the user's tensor in float64.
    relu: whether A = max(Z, 0) follows; then G is dJ/dA.
    layouts: those that the tensors are read in, ``theirs`` included.
    restored: returns the case's tensor as it would be read in the layouts of the user's command.
    """

    layer: Layer
    V: Array
    G: Array
    tensor: str
    theirs: FloatArray
    relu: bool = False
    layouts: Layouts = DEFAULT
    restored: Callable[[FloatArray], FloatArray] = np.asarray

    @property
    def has_ones(self) -> bool:
        """Return whether G is 1 everywhere, so that it is known for every shape of Z."""
        return bool((self.G == 1).all())

    def prepared(self) -> PreparedLayer | None:
        """Return the layer at V's shape; None if the shapes do not fit together."""
        try:
            return self.layer.at(self.V.shape, np.float64)
        except (GeometryError, OptionError):
            return None

    def output_shape(self) -> tuple[int, ...] | None:
        """Return the shape of Z; None if the shapes do not fit together."""
        try:
            if isinstance(self.layer, Convolution):
                return self.layer.geometry(self.V.shape).output_shape
            return self.layer.at(self.V.shape, np.float64).output_shape
        except (GeometryError, OptionError):
            return None

    def may_fit(self) -> bool:
        """Return whether Z, if that is compared, has the extents of the user's tensor in any order."""
        if self.tensor != "output":
            return True
        shape = self.output_shape()
        return shape is not None and _long(shape) == _long(self.theirs.shape)

    def upstream(self, shape: tuple[int, ...]) -> Array | None:
        """Return G for a Z of this shape; None if it is needed, but not known."""
        if self.G.shape == shape or self.tensor == "output":
            return self.G
        return np.ones(shape) if self.has_ones else None

    def with_options(self, **changed: Any) -> "Case":
        """Return the case with other parsed options of the convolution."""
        return self.with_forward(lambda forward: replace(forward, options=forward.options._replace(**changed)))

    def with_weights(self, weights: Array) -> "Case":
        """Return the case with other weights."""
        return self.with_forward(lambda forward: replace(forward, weights=weights))

    def with_bias(self, bias: Array | None) -> "Case":
        """Return the case with another bias, or none."""
        return self._replace(layer=replace(self.layer, bias=bias))

    def with_forward(self, change: Callable[[Convolution], Convolution]) -> "Case":
        """Return the case with another convolution, which may be the one that is transposed."""
        if isinstance(self.layer, Convolution):
            return self._replace(layer=change(self.layer))
        return self._replace(layer=replace(self.layer, forward=change(self.layer.forward)))


def _long(shape: tuple[int, ...]) -> list[int]:
    return sorted(size for size in shape if size != 1)


class Trials:
    """The tensors of other cases, as long as their planned time stays below a limit.

    execution: how to compute them.
    skipped: the number of cases that were not computed, because there was no time for them.
    """

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._left = MOST_TRIALS
        self._seconds = MOST_SECONDS
        self.skipped = 0

    def tensor(self, case: Case) -> FloatArray | None:
        """Return the case's tensor; None if its shapes do not fit together, or if there is no time to compute it."""
        prepared = case.prepared() if self._left else None
        if prepared is None or case.upstream(prepared.output_shape) is None:
            return None
        plan = plan_of(prepared, case.tensor, self.execution)
        if not self._affords(_seconds(plan, case)):
            return None
        return case.restored(planned_tensor(prepared, case.V, self._upstream(case, prepared), case.tensor, plan))

    def takes(self, case: Case, prepared: PreparedLayer) -> bool:
        """Return whether there is time for a computation that takes as long as the case's tensor."""
        return self._affords(_seconds(plan_of(prepared, case.tensor, self.execution), case))

    def _affords(self, seconds: float) -> bool:
        if seconds > self._seconds or not self._left:
            self.skipped += 1
            return False
        self._left -= 1
        self._seconds -= seconds
        return True

    def magnitudes(self, case: Case) -> FloatArray:
        """Return the sums of magnitudes of the entries of a tensor that was computed."""
        prepared = case.layer.at(case.V.shape, np.float64)
        G = self._upstream(case, prepared)
        return case.restored(magnitudes(prepared, case.V, G, case.tensor, self.execution))

    def _upstream(self, case: Case, prepared: PreparedLayer) -> Array:
        """Return dJ/dZ of a case whose shapes fit together."""
        G = case.upstream(prepared.output_shape)
        assert G is not None
        if not case.relu or case.tensor == "output":
            return G
        return relu_adjoint(G, prepared.convolve(case.V, prepared.plan(self.execution)))


def _seconds(plan: Any, case: Case) -> float:
    """Return the estimated seconds of computing and comparing a case's tensor."""
    compared = SECONDS_PER_NUMBER * (case.V.size + case.G.size)
    if case.tensor == "bias":
        return compared
    return compared + float((plan if case.tensor == "output" else getattr(plan, case.tensor)).elapsed)
