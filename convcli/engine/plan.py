"""The plan: which algorithm, in which tiles, and why. It sees shapes and traits, never arrays."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

from convcli.arrays import Array
from convcli.engine.algorithms import direct, fft, im2col, separable, toeplitz, unshared, winograd
from convcli.engine.interface import Estimate, GradientRun, Refusal, Run, Workload
from convcli.engine.tiles import Tile
from convcli.errors import OptionError


class Algorithm(Protocol):
    """A file of an algorithm that convolves."""

    def estimate(self, work: Workload) -> Estimate | Refusal:
        """What it would do, or why not."""

    def runner(self, weights: Array, work: Workload, chosen: Estimate) -> Run:
        """The function that fills an output tile."""


class GradientAlgorithm(Protocol):
    """A file of an algorithm that computes kernel gradients."""

    def gradient_estimate(self, work: Workload) -> Estimate | Refusal:
        """What it would do, or why not."""

    def gradient_runner(self, work: Workload, chosen: Estimate) -> GradientRun:
        """The function that gives a tile's part of dK."""


EstimateOf = Callable[[Workload], Estimate | Refusal]

AUTO = "auto"
# Takes least, fits anything, and is what the others are held to.
DEFINITION = "direct"
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
# The one for weights that outputs do not share.
UNSHARED = "unshared"


# An algorithm that rounds must save so many seconds: a textbook's integers should stay integers.
WORTH_ROUNDING = 2e-3


class Plan(NamedTuple):
    """What is to be done, the chosen algorithm with its estimate, where the choice came from, and the others' words."""

    work: Workload
    algorithm: str
    chosen_by: str
    estimate: Estimate
    others: Mapping[str, Estimate | Refusal]

    @property
    def tiles(self) -> list[Tile]:
        """All that is to be computed."""
        return list(self.estimate.extent.tiles(self.work.geometry))


@lru_cache(maxsize=128)
def plan_convolution(work: Workload, algorithm: str = AUTO) -> Plan:
    """The named algorithm's plan; under ``auto`` that of the quickest, or of the quickest exact one if it is close.

    Raises OptionError for a name that is not in CONVOLUTIONS, and where the named one refuses. Plans are kept: making
    one takes longer than convolving a small image.
    """
    return _make_plan(work, {name: each.estimate for name, each in CONVOLUTIONS.items()}, algorithm)


@lru_cache(maxsize=128)
def plan_kernel_gradient(work: Workload, algorithm: str = AUTO) -> Plan:
    """The same for a kernel's gradient, among KERNEL_GRADIENTS."""
    return _make_plan(work, {name: each.gradient_estimate for name, each in KERNEL_GRADIENTS.items()}, algorithm)


def _make_plan(work: Workload, estimates: Mapping[str, EstimateOf], algorithm: str) -> Plan:
    answers = {name: _answer(name, estimate, work) for name, estimate in estimates.items()}
    able = {name: answer for name, answer in answers.items() if isinstance(answer, Estimate)}
    chosen = _named(algorithm, answers) if algorithm != AUTO else _quickest(able)
    others = {name: answer for name, answer in answers.items() if name != chosen}
    return Plan(work, chosen, AUTO if algorithm == AUTO else "request", able[chosen], others)


def _answer(name: str, estimate: EstimateOf, work: Workload) -> Estimate | Refusal:
    if name != UNSHARED and not work.geometry.shares_weights:
        return Refusal("outputs do not share their weights")
    answer = estimate(work)
    # What remains when no tile is small enough.
    if isinstance(answer, Estimate) and answer.workspace > work.memory and name not in (DEFINITION, UNSHARED):
        return Refusal(f"its smallest tile takes {answer.workspace:,} bytes, and {work.memory:,} are allowed")
    return answer


def _quickest(able: Mapping[str, Estimate]) -> str:
    def seconds(name: str) -> float:
        return able[name].seconds + (0 if able[name].exact else WORTH_ROUNDING)

    return min(able, key=seconds)


def _named(name: str, answers: Mapping[str, Estimate | Refusal]) -> str:
    if name not in answers:
        raise OptionError(f"algorithm {name} cannot do this: use {AUTO}, {', '.join(answers)}")
    answer = answers[name]
    if isinstance(answer, Refusal):
        raise OptionError(f"algorithm {name} cannot do this: {answer.reason}; use auto")
    return name
