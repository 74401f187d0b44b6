"""A convolution as it was asked for: a kernel, and settings that wait for an image."""

from collections.abc import Collection
from dataclasses import dataclass

from convcli.arrays import Array, FloatArray
from convcli.convolution import convolve
from convcli.geometry import Geometry
from convcli.gradients import Gradients, differentiate
from convcli.kernels import Kernel
from convcli.settings import Settings


@dataclass(frozen=True)
class Request:
    """What every command that convolves takes."""

    kernel: Kernel
    settings: Settings
    flip: bool

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The geometry for an input ``(..., C_in, H, W)``."""
        return self.settings.geometry(input_shape, self.kernel.weights.shape)

    def convolve(self, V: Array) -> FloatArray:
        """Z for V."""
        return convolve(V, self.kernel.weights, self.kernel.bias, self.settings, flip=self.flip)

    def gradients(self, V: Array, G: Array, wrt: Collection[str]) -> Gradients:
        """The gradients for V and G, in float64."""
        kernel = self.kernel
        return differentiate(V, kernel.weights, G, kernel.bias, self.settings, flip=self.flip, wrt=wrt)
