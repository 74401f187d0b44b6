"""Convolve images and inspect the gradients of convolution.

    from convcli import conv2d, conv2d_grad, load_kernel, preset

What the commands do can be called from here: ``conv2d_plan``, ``conv2d_explain``, ``conv2d_walk``, ``conv2d_check``,
``conv2d_compare``, ``conv2d_matrix`` and ``filter_image``. The names are loaded when they are first used, so that
``import convcli`` does not load numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convcli.version import __version__ as __version__

if TYPE_CHECKING:
    from convcli.apply.filtering import FilteredImage as FilteredImage
    from convcli.check.comparison import Comparison as Comparison
    from convcli.check.gradcheck import Check as Check
    from convcli.convolution.forecast import Forecast as Forecast
    from convcli.convolution.prepared import Convolution as Convolution
    from convcli.convolution.prepared import Gradients as Gradients
    from convcli.convolution.prepared import Prepared as Prepared
    from convcli.convolution.transposed import TransposedConvolution as TransposedConvolution
    from convcli.engine.execution import Execution as Execution
    from convcli.engine.plan import Plan as Plan
    from convcli.errors import ClusterError as ClusterError
    from convcli.errors import ConvcliError as ConvcliError
    from convcli.errors import FileError as FileError
    from convcli.errors import GeometryError as GeometryError
    from convcli.errors import JsonError as JsonError
    from convcli.errors import KernelError as KernelError
    from convcli.errors import OptionError as OptionError
    from convcli.explain.explanation import Explanation as Explanation
    from convcli.explain.walk_files import Walk as Walk
    from convcli.functional import conv2d as conv2d
    from convcli.functional import conv2d_check as conv2d_check
    from convcli.functional import conv2d_compare as conv2d_compare
    from convcli.functional import conv2d_explain as conv2d_explain
    from convcli.functional import conv2d_grad as conv2d_grad
    from convcli.functional import conv2d_matrix as conv2d_matrix
    from convcli.functional import conv2d_plan as conv2d_plan
    from convcli.functional import conv2d_transpose as conv2d_transpose
    from convcli.functional import conv2d_walk as conv2d_walk
    from convcli.functional import filter_image as filter_image
    from convcli.kernels.kernel import Kernel as Kernel
    from convcli.kernels.loading import load_kernel as load_kernel
    from convcli.kernels.presets import preset as preset
    from convcli.matrix.assembly import ConvolutionMatrix as ConvolutionMatrix

# Where each public name is defined.
_HOMES = {
    "Check": "convcli.check.gradcheck",
    "ClusterError": "convcli.errors",
    "Comparison": "convcli.check.comparison",
    "ConvcliError": "convcli.errors",
    "Convolution": "convcli.convolution.prepared",
    "ConvolutionMatrix": "convcli.matrix.assembly",
    "Execution": "convcli.engine.execution",
    "Explanation": "convcli.explain.explanation",
    "FileError": "convcli.errors",
    "FilteredImage": "convcli.apply.filtering",
    "Forecast": "convcli.convolution.forecast",
    "GeometryError": "convcli.errors",
    "Gradients": "convcli.convolution.prepared",
    "JsonError": "convcli.errors",
    "Kernel": "convcli.kernels.kernel",
    "KernelError": "convcli.errors",
    "OptionError": "convcli.errors",
    "Plan": "convcli.engine.plan",
    "Prepared": "convcli.convolution.prepared",
    "TransposedConvolution": "convcli.convolution.transposed",
    "Walk": "convcli.explain.walk_files",
    "conv2d": "convcli.functional",
    "conv2d_check": "convcli.functional",
    "conv2d_compare": "convcli.functional",
    "conv2d_explain": "convcli.functional",
    "conv2d_grad": "convcli.functional",
    "conv2d_matrix": "convcli.functional",
    "conv2d_plan": "convcli.functional",
    "conv2d_transpose": "convcli.functional",
    "conv2d_walk": "convcli.functional",
    "filter_image": "convcli.functional",
    "load_kernel": "convcli.kernels.loading",
    "preset": "convcli.kernels.presets",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convcli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
