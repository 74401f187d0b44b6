"""The algorithms that the planner chooses from, one file each.

To add one: write its file with the functions of ``convcli.engine.interface``, list it here, and add its row to the
tests of the plan.
"""

from convcli.engine.algorithms import (
    compiled,
    compiled_channels,
    compiled_separable,
    direct,
    fft,
    im2col,
    separable,
    toeplitz,
    unshared,
    winograd,
)
from convcli.engine.interface import Algorithm, FillRunner, KernelGradientRunner

CONVOLUTIONS: dict[str, Algorithm[FillRunner]] = {
    "toeplitz": Algorithm(toeplitz.estimate, toeplitz.runner),
    "separable": Algorithm(separable.estimate, separable.runner, factored=True),
    "im2col": Algorithm(im2col.estimate, im2col.runner),
    "compiled": Algorithm(compiled.estimate, compiled.runner, recipes=compiled.recipes, levels=compiled.level_runner),
    "compiled-channels": Algorithm(
        compiled_channels.estimate, compiled_channels.runner, recipes=compiled_channels.recipes
    ),
    "compiled-separable": Algorithm(
        compiled_separable.estimate, compiled_separable.runner, factored=True, recipes=compiled_separable.recipes
    ),
    "winograd": Algorithm(winograd.estimate, winograd.runner),
    "fft": Algorithm(fft.estimate, fft.runner),
    "direct": Algorithm(direct.estimate, direct.runner, last_resort=True),
    "unshared": Algorithm(unshared.estimate, unshared.runner, shares_weights=False, last_resort=True),
}
KERNEL_GRADIENTS: dict[str, Algorithm[KernelGradientRunner]] = {
    "toeplitz": Algorithm(toeplitz.kernel_gradient_estimate, toeplitz.kernel_gradient_runner),
    "im2col": Algorithm(im2col.kernel_gradient_estimate, im2col.kernel_gradient_runner),
    "compiled": Algorithm(
        compiled.kernel_gradient_estimate, compiled.kernel_gradient_runner, recipes=compiled.kernel_gradient_recipes
    ),
    "fft": Algorithm(fft.kernel_gradient_estimate, fft.kernel_gradient_runner),
    "direct": Algorithm(direct.kernel_gradient_estimate, direct.kernel_gradient_runner, last_resort=True),
    "unshared": Algorithm(
        unshared.kernel_gradient_estimate, unshared.kernel_gradient_runner, shares_weights=False, last_resort=True
    ),
}
# For weights that outputs share, dV is a convolution of G.
INPUT_GRADIENTS: dict[str, Algorithm[FillRunner]] = {
    "unshared": Algorithm(
        unshared.input_gradient_estimate, unshared.input_gradient_runner, shares_weights=False, last_resort=True
    ),
}
