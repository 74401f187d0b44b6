"""Gradients of a convolution, with what they are gradients of."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.convolution.formulas import Formulas
from convcli.convolution.prepared import Prepared
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import OptionError
from convcli.files.large_arrays import large_zeros
from convcli.grad.upstream import Upstream


class GradientReport(NamedTuple):
    """Gradients by the name of their parameter (kernel, input, bias), their operands, and J where it is known."""

    tensors: Mapping[str, FloatArray]
    prepared: Prepared
    V: Array
    G: Array
    loss: float | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of V, K and Z."""
        return {
            "input": self.prepared.input_shape,
            "kernel": self.prepared.convolution.weights.shape,
            "output": self.prepared.geometry.output_shape,
        }

    def only(self, names: Iterable[str]) -> "GradientReport":
        """Return the report of these gradients alone, in this order."""
        return self._replace(tensors={name: self.tensors[name] for name in names})

    def formula(self, name: str) -> str:
        """Return how a gradient was summed, in the letters of its axes."""
        return Formulas.of(self.prepared).gradient(name, self.tensors[name].ndim)


def stacked(arrays: Sequence[Array], names: Sequence[str]) -> Array:
    """Return V: one image's ``(C_in, H, W)``, or several of one shape as ``(batch, C_in, H, W)``.

    names: what errors call the images. Raises OptionError where shapes differ.
    """
    for name, array in zip(names, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first = f"{names[0]} is {arrays[0].shape}"
            raise OptionError(f"a batch needs images of one shape: {first}, {name} is {array.shape}")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def gradient_report(
    prepared: Prepared, V: Array, upstream: Upstream, wrt: Collection[str], execution: Execution = AUTOMATIC
) -> GradientReport:
    """Compute the gradients named in ``wrt``, in that order."""
    plan = prepared.plan_gradients(wrt, execution)
    found = vars(prepared.gradients(V, upstream.G, plan, zeros=large_zeros))
    return GradientReport({name: found[name] for name in wrt}, prepared, V, upstream.G, upstream.loss)
