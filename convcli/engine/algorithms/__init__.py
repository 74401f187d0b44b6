"""The algorithms that the planner chooses from, one file each.

To add one: write its file with the functions of ``Algorithm``, and list it here.
"""

from typing import Protocol

from convcli.arrays import Array
from convcli.engine.algorithms import direct, fft, im2col, separable, toeplitz, unshared, winograd
from convcli.engine.interface import Estimate, GradientRun, Refusal, Run, Workload


class Algorithm(Protocol):
    """The file of an algorithm that computes Z."""

    def estimate(self, work: Workload) -> Estimate | Refusal:
        """Return tiles and costs for a workload, or the reason for refusing it."""

    def runner(self, weights: Array, work: Workload, chosen: Estimate) -> Run:
        """Prepare the weights; return the function that fills an output tile."""


class GradientAlgorithm(Protocol):
    """The file of an algorithm that computes dK."""

    def gradient_estimate(self, work: Workload) -> Estimate | Refusal:
        """Return tiles and costs for a workload, or the reason for refusing it."""

    def gradient_runner(self, work: Workload, chosen: Estimate) -> GradientRun:
        """Return the function that computes a tile's part of dK."""


# The definition: takes the least memory, fits any geometry, and is what the others are compared with.
DEFINITION = "direct"
# The only one for weights that outputs do not share.
UNSHARED = "unshared"
CONVOLUTIONS: dict[str, Algorithm] = {
    "toeplitz": toeplitz,
    "separable": separable,
    "im2col": im2col,
    "winograd": winograd,
    "fft": fft,
    "direct": direct,
    "unshared": unshared,
}
KERNEL_GRADIENTS: dict[str, GradientAlgorithm] = {
    "toeplitz": toeplitz,
    "im2col": im2col,
    "direct": direct,
    "unshared": unshared,
}
