"""A convolution as it was asked for: a kernel, and options still in their words."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypedDict

from convcli.arrays import Array, FloatArray
from convcli.convolution import conv2d
from convcli.geometry import Geometry, resolve_geometry
from convcli.gradients import Gradients, conv2d_grad
from convcli.kernels import Kernel


class _Words(TypedDict):
    stride: str
    padding: str
    dilation: str
    edge: str


@dataclass(frozen=True)
class Request:
    """What every command that convolves takes; the words are those of ``conv2d``."""

    kernel: Kernel
    stride: str
    padding: str
    dilation: str
    edge: str
    flip: bool

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The integers that the words mean for an input ``(..., C_in, H, W)``."""
        return resolve_geometry(input_shape, self.kernel.weights.shape, groups=self.kernel.groups, **self._words)

    def convolve(self, V: Array) -> FloatArray:
        """Z for V."""
        kernel = self.kernel
        return conv2d(V, kernel.weights, kernel.bias, groups=kernel.groups, flip=self.flip, **self._words)

    def gradients(self, V: Array, G: Array, wrt: Collection[str]) -> Gradients:
        """The gradients for V and G, in float64."""
        kernel = self.kernel
        return conv2d_grad(
            V, kernel.weights, G, bias=kernel.bias, groups=kernel.groups, flip=self.flip, wrt=wrt, **self._words
        )

    @property
    def _words(self) -> _Words:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "edge": self.edge}
