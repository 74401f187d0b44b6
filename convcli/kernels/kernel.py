"""Kernels: weights with a name, a bias and groups."""

from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import KernelError, OptionError
from convcli.geometry.options import KERNEL_RANKS, RANKS_IN_WORDS, Options
from convcli.geometry.transposed import OutputSize
from convcli.values import frozen_value


@frozen_value()
class Kernel(NamedTuple):
    """A named kernel.

    Attributes
    ----------
    name
        The name for messages and for names of files.
    weights
        float64: ``(kh, kw)``, ``(C_out, C_in/groups, kh, kw)`` or ``(C_out, tr, tc, C_in/groups, kh, kw)``.
    bias
        float64: ``()`` for a 2-D kernel, otherwise ``(C_out,)`` or untied ``(C_out, OH, OW)``; None for no bias.
    groups
        The number of groups.
    factors
        For a preset of low rank, pairs ``(u, v)`` of a column ``(kh,)`` and a row ``(kw,)`` with
        ``weights == sum of outer(u, v)``; empty otherwise.
    options
        The stride, padding and other options of the layer of a model that it comes from; None for a kernel alone.
    transposed
        The size of the output, if that layer is a transposed convolution; None otherwise.
    """

    name: str
    weights: FloatArray
    bias: FloatArray | None = None
    groups: int = 1
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()
    options: Options | None = None
    transposed: OutputSize | None = None

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the weights and the bias as numbers on colours."""
        from convcli.drawing.html import card, facts, tensor

        members = {
            "sum": f"{self.weights.sum():z.6g}" if self.weights.ndim == 2 else None,
            "rank": len(self.factors) or None,
            "groups": self.groups if self.groups > 1 else None,
            "options": None if self.options is None else self.options.text.replace("`", ""),
        }
        tensors = {"K": self.weights, "b": self.bias}
        shown = [tensor(symbol, numbers) for symbol, numbers in tensors.items() if numbers is not None]
        return card(f"Kernel {self.name}", facts(members), *shown)


def divided(kernel: Kernel, divisor: float) -> Kernel:
    """Return the kernel with its weights divided by a number; its bias stays.

    Raises OptionError if the weights are then not finite, or all 0 although they were not.
    """
    return _divided(kernel, divisor, "divisor", f"given {divisor:g}")


def normalised(kernel: Kernel) -> Kernel:
    """Return the kernel with its weights divided by their sum, or by the sum of their magnitudes if that is 0.

    In a bank, the weights of each output channel are divided by their own sum. The bias stays.
    Raises OptionError for an output channel of zeros.
    """
    # A power of two changes no digit; without it the sum of very large weights is infinite.
    kernel = divided(kernel, 2.0 ** (np.frexp(np.abs(kernel.weights).max())[1] - 1))
    axes = tuple(range(-min(kernel.weights.ndim, 3), 0))
    totals, magnitudes = sums_of(kernel.weights, axes), np.abs(kernel.weights).sum(axes, keepdims=True)
    sums = np.where(totals, totals, magnitudes)
    return _divided(kernel, sums, "normalize", "given an output channel of zeros")


def sums_of(weights: FloatArray, axes: tuple[int, ...] | None = None) -> FloatArray:
    """Return the sums of weights along axes, or along all, which stay as axes of length 1; rounding counts as 0."""
    totals = weights.sum(axes, keepdims=True)
    magnitudes = np.abs(weights).sum(axes, keepdims=True)
    sums: FloatArray = np.where(np.isfinite(magnitudes) & (np.abs(totals) <= 1e-12 * magnitudes), 0.0, totals)
    return sums


def _divided(kernel: Kernel, divisor: FloatArray | float, option: str, given: str) -> Kernel:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        weights = kernel.weights / divisor
        factors = tuple((u / np.ravel(divisor), v) for u, v in kernel.factors)
    if is_spoilt(weights, kernel.weights):
        raise OptionError(f"expected weights that stay finite and are not all 0, {given}", option=option)
    return kernel._replace(weights=weights, factors=factors)


def is_spoilt(rescaled: FloatArray, weights: FloatArray) -> bool:
    """Return whether weights that were rescaled have become infinite, NaN, or all 0."""
    return first_non_finite(rescaled) is not None or bool(weights.any() and not rescaled.any())


def require_kernel_shape(shape: tuple[int, ...]) -> None:
    """Raise KernelError unless weights may have this shape: not empty, and of a rank in KERNEL_RANKS."""
    if 0 in shape:
        raise KernelError(f"expected at least one weight, given shape {shape}")
    if len(shape) not in KERNEL_RANKS:
        raise KernelError(f"expected weights of {RANKS_IN_WORDS}; given rank {len(shape)}")
