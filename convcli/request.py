"""A convolution as it was asked for: a kernel, and settings that wait for an image."""

from typing import NamedTuple

from convcli.arrays import Array, FloatArray
from convcli.convolution import convolve, convolve_and_store
from convcli.engine import AUTOMATIC, Execution, Store
from convcli.geometry import Geometry
from convcli.kernels import Kernel
from convcli.matrix import ConvolutionMatrix, assemble
from convcli.settings import Settings


class Request(NamedTuple):
    """What every command that convolves takes."""

    kernel: Kernel
    settings: Settings
    flip: bool
    execution: Execution = AUTOMATIC

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The geometry for an input ``(..., C_in, H, W)``."""
        return self.settings.geometry(input_shape, self.kernel.weights.shape)

    def convolve(self, V: Array) -> FloatArray:
        """Z for V."""
        kernel = self.kernel
        return convolve(V, kernel.weights, kernel.bias, self.settings, flip=self.flip, execution=self.execution)

    def convolve_and_store(self, V: Array, store: Store) -> None:
        """Z for V, part by part (``convcli.convolution.convolve_and_store``)."""
        kernel = self.kernel
        convolve_and_store(
            V, kernel.weights, kernel.bias, self.settings, store, flip=self.flip, execution=self.execution
        )

    def matrix(self, input_shape: tuple[int, ...]) -> ConvolutionMatrix:
        """M with vec(Z) = M vec(V) + offset, for an input of that shape."""
        kernel = self.kernel
        return assemble(kernel.weights, input_shape, kernel.bias, self.settings, flip=self.flip)
