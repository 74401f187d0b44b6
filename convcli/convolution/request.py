"""A convolution as it was asked for: a kernel, and settings that wait for an image."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from convcli.arrays import Array, FloatArray, computing_type
from convcli.convolution.forward import convolve, convolve_and_store
from convcli.convolution.gradients import WRT, Gradients, differentiate
from convcli.convolution.operands import kernel_blocks
from convcli.engine import AUTOMATIC, Execution, Plan, Store, parts, plan_for
from convcli.files.large_arrays import large_empty, large_zeros
from convcli.geometry.axes import Geometry
from convcli.geometry.options import Settings
from convcli.kernels.kernel import Kernel

# Of the weights' magnitude: what is left of a sum of 0 where weights were typed, or computed in float32.
ROUNDING = 1e-6


class Request(NamedTuple):
    """What every command that convolves takes."""

    kernel: Kernel
    settings: Settings
    flip: bool
    execution: Execution = AUTOMATIC

    @property
    def name(self) -> str:
        """The kernel's."""
        return self.kernel.name

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The one kernel."""
        return (self.kernel,)

    @property
    def gain(self) -> float:
        """What a 2-D kernel makes of a constant 1: the sum of its weights, or 0 where that is nothing but rounding."""
        weights = self.kernel.weights
        total = float(weights.sum())
        return total if abs(total) > ROUNDING * np.abs(weights).sum() else 0.0

    def computed(self, **execution: Any) -> "Request":
        """The request, with some of its ``Execution`` changed."""
        return self._replace(execution=replace(self.execution, **execution))

    def each(self, change: Callable[["Request"], "Request"]) -> "Request":
        """The request, changed."""
        return change(self)

    def algorithm(self, V: Array) -> str:
        """The name of the one that convolves V."""
        return self.plan(V.shape, computing_type(V.dtype, None)).algorithm

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The geometry for an input ``(..., C_in, H, W)``."""
        return self.settings.geometry(input_shape, self.kernel.weights.shape)

    def plan(self, input_shape: tuple[int, ...], dtype: np.dtype[Any]) -> Plan:
        """How Z is computed in ``dtype``: of the first of the kernel's parts, if it is done in parts."""
        geometry = self.geometry(input_shape)
        K = kernel_blocks(self.kernel.weights, geometry, flip=self.flip)
        first = next(parts(geometry))
        return plan_for(K[..., first.rows, first.columns], first.geometry, dtype, self.execution)

    def convolve(self, V: Array, dtype: DTypeLike | None = None) -> FloatArray:
        """Z for V; dtype as in ``conv2d``."""
        kernel = self.kernel
        return convolve(
            V,
            kernel.weights,
            kernel.bias,
            self.settings,
            flip=self.flip,
            dtype=dtype,
            execution=self.execution,
            empty=large_empty,
        )

    def differentiate(self, V: Array, G: Array, wrt: Collection[str] = WRT) -> Gradients:
        """The gradients named in ``wrt``, in float64."""
        kernel = self.kernel
        return differentiate(
            V,
            kernel.weights,
            G,
            kernel.bias,
            self.settings,
            flip=self.flip,
            execution=self.execution,
            wrt=wrt,
            zeros=large_zeros,
        )

    def convolve_and_store(self, V: Array, store: Store) -> None:
        """Z for V, part by part (``convcli.convolution.forward.convolve_and_store``)."""
        kernel = self.kernel
        convolve_and_store(
            V, kernel.weights, kernel.bias, self.settings, store, flip=self.flip, execution=self.execution
        )
