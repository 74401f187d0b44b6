"""Compute gradients, and report them together with their operands."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.convolution.formulas import formulas_of, output_formula
from convcli.convolution.layers import PreparedLayer, shape_of
from convcli.convolution.relu import FORMULAS as RELU_FORMULAS
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import OptionError
from convcli.files.large_arrays import large_zeros
from convcli.grad.upstream import Upstream
from convcli.layouts import CHANNEL_MAJOR, DEFAULT, Layout, Layouts


class GradientReport(NamedTuple):
    """Gradients and their operands.

    tensors: the gradients by the names of their parameters: kernel, input, bias.  loss: J, or None if it is unknown.
    A, dA: the output of the ReLU that follows the convolution, and dJ/dA; None if none follows.
    layouts: the order of the axes in which tensors, shapes and formulas are written.
    """

    tensors: Mapping[str, FloatArray]
    prepared: PreparedLayer
    V: Array
    G: Array
    loss: float | None = None
    A: Array | None = None
    dA: Array | None = None
    layouts: Layouts = DEFAULT

    @property
    def stored(self) -> dict[str, FloatArray]:
        """The gradients as they are written."""
        return {name: self.layouts.of(name).stored(tensor) for name, tensor in self.tensors.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of V, K and Z as they are written."""
        shapes = {name: shape_of(self.prepared, name) for name in ("input", "kernel", "output")}
        return {name: self.layouts.of(name).order(shape) for name, shape in shapes.items()}

    def operands(self) -> dict[str, FloatArray]:
        """Return V, K, Z and G, and of b, A and dA those that there are, by their letters. Z is computed."""
        convolution, Z = self.prepared.convolution, self.prepared.convolve(self.V, self.prepared.plan())
        layer = {"V": self.V, "K": convolution.weights, "b": convolution.bias, "Z": Z}
        tensors = {**layer, "A": self.A, "dA": self.dA, "G": self.G}
        return {name: np.asarray(tensor, np.float64) for name, tensor in tensors.items() if tensor is not None}

    @property
    def operand_formulas(self) -> dict[str, str]:
        """The formulas of Z, and of A and the G that is computed from dA, by their letters."""
        formulas = {"Z": output_formula(self.prepared, self.layouts)}
        return formulas if self.A is None else {**formulas, **RELU_FORMULAS}

    def only(self, names: Iterable[str]) -> "GradientReport":
        """Return the report with only these gradients, in this order."""
        return self._replace(tensors={name: self.tensors[name] for name in names})

    def formula(self, name: str) -> str:
        """Return the formula of a gradient."""
        return formulas_of(self.prepared, self.layouts).gradient(name, self.tensors[name].ndim)

    def letters(self, name: str) -> list[str]:
        """Return the letters of a gradient's axes, channel-major."""
        return formulas_of(self.prepared).letters(name, self.tensors[name].ndim)

    def operand_letters(self, operand: str, rank: int) -> list[str]:
        """Return the letters of the axes of an operand, which has this rank."""
        names = {"V": "input", "K": "kernel", "b": "bias"}
        return formulas_of(self.prepared).letters(names.get(operand, "output"), rank)


def stack(arrays: Sequence[Array], names: Sequence[str], layout: Layout = CHANNEL_MAJOR) -> Array:
    """Return V: one image as it is, and several of the same shape as ``(batch, C_in, H, W)``.

    names, layout: the names of the images in errors, and the order of their axes there.
    Raises OptionError if their shapes differ.
    """
    for name, array in zip(names, arrays, strict=True):
        if array.shape != arrays[0].shape:
            first, other = layout.order(arrays[0].shape), layout.order(array.shape)
            raise OptionError(f"a batch needs images of one shape: {names[0]} is {first}, {name} is {other}")
    if len(arrays) == 1:
        return arrays[0]
    stacked = np.stack(arrays)
    return stacked if stacked.ndim > 3 else stacked[:, np.newaxis]


def gradient_report(
    prepared: PreparedLayer, V: Array, upstream: Upstream, wrt: Collection[str], execution: Execution = AUTOMATIC
) -> GradientReport:
    """Compute the gradients that ``wrt`` names, and report them in its order."""
    plan = prepared.plan_gradients(wrt, execution)
    gradients = prepared.gradients(V, upstream.G, plan, zeros=large_zeros)._asdict()
    tensors = {name: gradients[name] for name in wrt}
    return GradientReport(
        tensors=tensors, prepared=prepared, V=V, G=upstream.G, loss=upstream.loss, A=upstream.A, dA=upstream.dA
    )
