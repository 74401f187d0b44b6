"""A step of gradient descent."""

from math import isfinite

import numpy as np

from convcli.arrays import first_non_finite
from convcli.convolution.prepared import Gradients
from convcli.errors import OptionError
from convcli.kernels.kernel import Kernel


def descend(kernel: Kernel, gradients: Gradients, rate: float) -> Kernel:
    """Return the kernel after a step: weights ``K - rate * dK`` and, if it has a bias, bias ``b - rate * db``.

    A parameter whose gradient is None keeps its value. Raises OptionError if the rate or the new kernel is not finite.
    """
    if not isfinite(rate):
        raise OptionError(f"expected a finite rate, given {rate}", option="step")
    weights, bias = kernel.weights, kernel.bias
    with np.errstate(over="ignore", invalid="ignore"):
        if gradients.kernel is not None:
            weights = weights - rate * gradients.kernel
        if bias is not None and gradients.bias is not None:
            bias = bias - rate * gradients.bias
    for parameter in (weights, bias):
        if parameter is not None and first_non_finite(np.asarray(parameter)) is not None:
            raise OptionError(f"the kernel is not finite after a step of {rate:g}: use a smaller rate", option="step")
    return Kernel(name=kernel.name, weights=weights, bias=bias, groups=kernel.groups)
