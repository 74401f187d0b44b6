"""Convolve images and inspect the gradients of convolution.

    from convcli import conv2d, conv2d_grad, load_kernel, preset

The names are loaded when they are first used, so that ``import convcli`` does not load numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convcli.version import __version__ as __version__

if TYPE_CHECKING:
    from convcli.convolution.forward import conv2d as conv2d
    from convcli.convolution.gradients import Gradients as Gradients
    from convcli.convolution.gradients import conv2d_grad as conv2d_grad
    from convcli.kernels.kernel import Kernel as Kernel
    from convcli.kernels.loading import load_kernel as load_kernel
    from convcli.kernels.presets import preset as preset
    from convcli.matrix.assembly import ConvolutionMatrix as ConvolutionMatrix
    from convcli.matrix.assembly import conv2d_matrix as conv2d_matrix

_HOMES = {
    "conv2d": "convcli.convolution.forward",
    "conv2d_grad": "convcli.convolution.gradients",
    "Gradients": "convcli.convolution.gradients",
    "load_kernel": "convcli.kernels.loading",
    "Kernel": "convcli.kernels.kernel",
    "ConvolutionMatrix": "convcli.matrix.assembly",
    "conv2d_matrix": "convcli.matrix.assembly",
    "preset": "convcli.kernels.presets",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convcli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
