"""Plans: which algorithm computes each pass, in which tiles, and why.

A plan depends on shapes, types and the traits of a kernel, never on an image. The executor follows the plan.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from convcli.engine.algorithms import CONVOLUTIONS, INPUT_GRADIENTS, KERNEL_GRADIENTS, last_resort
from convcli.engine.execution import AUTO, Execution
from convcli.engine.factors import KernelBlocks, Traits
from convcli.engine.guards import LAYER, LAYERS, MASK
from convcli.engine.interface import Algorithm, Estimate, Refusal, Workload
from convcli.engine.sub_kernels import SubKernel, gradient_sub_kernels, sub_kernels
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.geometry.axes import Geometry
from convcli.text import any_of

# An algorithm that rounds integers is chosen only if it is faster than an exact algorithm by this many seconds.
WORTH_ROUNDING = 2e-3
# The best traits that a kernel can have. A plan assumes them until it looks at the kernel's numbers.
BEST = Traits(rank=1, exact=True, assumed=True)


class Choice(NamedTuple):
    """The algorithm for one workload, with its estimate.

    chosen_by: ``auto`` or ``request``.  others: the estimates and refusals of the other algorithms.
    """

    work: Workload
    algorithm: str
    chosen_by: str
    estimate: Estimate
    others: Mapping[str, Estimate | Refusal]

    @property
    def fallbacks(self) -> dict[str, str]:
        """The fallbacks of the algorithm by name, each with the condition under which a tile takes it."""
        mixing = {LAYERS: f"a window holds only pixels that are {LAYER:.0f} times smaller than the tile's largest"}
        spreading = {
            MASK: "the tile holds NaN, or its results overflow",
            last_resort(self.work.geometry): "the tile holds infinities",
        }
        return (mixing if self.estimate.mixes else {}) | (spreading if self.estimate.spreads else {})

    @property
    def tiles(self) -> list[Tile]:
        """Every tile of the output."""
        return list(self.estimate.tile.tiles(self.work.geometry))


class Pass(NamedTuple):
    """A sub-kernel, which nearly always is the whole kernel, and the algorithm that computes it."""

    sub_kernel: SubKernel
    choice: Choice


class Plan(NamedTuple):
    """How Z, dK or dV is computed: in which passes, and with which resources."""

    passes: tuple[Pass, ...]
    execution: Execution

    @property
    def first(self) -> Choice:
        """The choice for the first pass. Nearly every plan has only one."""
        return self.passes[0].choice

    @property
    def threads(self) -> int:
        """The number of threads of the first pass."""
        return self.execution.threads_for(self.first.estimate)


def plan_output(kernel: KernelBlocks, geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan how to compute Z in ``dtype``. The kernel's numbers affect the plan only through their factors.

    Raises OptionError if the requested algorithm refuses.
    """

    def planned(part: SubKernel) -> Pass:
        traits = BEST if geometry.maps_one_to_one else Traits()
        work = Workload(part.geometry, dtype, execution.memory, traits, execution.limits)
        choice = choose_convolution(work, execution.algorithm)
        if CONVOLUTIONS[choice.algorithm].factored:
            choice = _choose_by_factors(work, execution.algorithm, kernel.at(part.rows, part.columns))
        return Pass(part, choice)

    return Plan(tuple(map(planned, sub_kernels(geometry, execution.limits.window))), execution)


def _choose_by_factors(work: Workload, algorithm: str, kernel: KernelBlocks) -> Choice:
    """Choose an algorithm by the kernel's actual traits, after a choice by the best traits was a factored algorithm.

    Finding exact factors is cheap. Singular values are computed only if a factored algorithm would be chosen with
    factors that round, too.
    """

    def choose(traits: Traits) -> Choice:
        return choose_convolution(work._replace(traits=traits), algorithm)

    if exact := kernel.exact_factors():
        return choose(exact.traits)
    choice = choose(BEST._replace(exact=False))
    if not CONVOLUTIONS[choice.algorithm].factored:
        return choice
    rounded = kernel.factors(work.dtype)
    return choose(rounded.traits if rounded else Traits())


def plan_output_of_any_kernel(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan Z for a kernel of which only the shape is known, as if it had the highest rank that this shape allows.

    Raises OptionError if the requested algorithm refuses.
    """

    def planned(part: SubKernel) -> Pass:
        rank = min(part.geometry.rows.taps, part.geometry.columns.taps) if geometry.maps_one_to_one else 0
        work = Workload(part.geometry, dtype, execution.memory, Traits(rank, exact=True), execution.limits)
        return Pass(part, choose_convolution(work, execution.algorithm))

    return Plan(tuple(map(planned, sub_kernels(geometry, execution.limits.window))), execution)


def plan_kernel_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dK, with products in ``dtype``.

    Raises OptionError if the requested algorithm refuses.
    """
    found = gradient_sub_kernels(geometry, execution.limits.window, execution.memory)
    return _plan_gradient(choose_kernel_gradient, found, dtype, execution)


def plan_input_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dV for weights that outputs do not share, by one of INPUT_GRADIENTS.

    With shared weights, dV is a convolution of G, which ``plan_output`` plans.
    Raises OptionError if the requested algorithm refuses.
    """
    return _plan_gradient(choose_input_gradient, sub_kernels(geometry, execution.limits.window), dtype, execution)


def _plan_gradient(
    choose: Callable[[Workload, str], Choice], found: Iterable[SubKernel], dtype: np.dtype[Any], execution: Execution
) -> Plan:
    def planned(part: SubKernel) -> Pass:
        work = Workload(part.geometry, dtype, execution.memory, limits=execution.limits)
        return Pass(part, choose(work, execution.algorithm))

    return Plan(tuple(map(planned, found)), execution)


@lru_cache(maxsize=128)
def choose_convolution(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of CONVOLUTIONS; for ``auto`` the fastest, or an exact one that is nearly as fast.

    Choices are cached, because choosing takes longer than convolving a small image.
    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose(CONVOLUTIONS, work, algorithm)


@lru_cache(maxsize=128)
def choose_kernel_gradient(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of KERNEL_GRADIENTS; for ``auto`` the fastest.

    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose(KERNEL_GRADIENTS, work, algorithm)


@lru_cache(maxsize=128)
def choose_input_gradient(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of INPUT_GRADIENTS; for ``auto`` the fastest.

    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose(INPUT_GRADIENTS, work, algorithm)


def _choose(algorithms: Mapping[str, Algorithm[Any]], work: Workload, algorithm: str) -> Choice:
    answers = {name: each.answer(work) for name, each in algorithms.items()}
    able = {name: answer for name, answer in answers.items() if isinstance(answer, Estimate)}
    chosen = _named(algorithm, answers) if algorithm != AUTO else _quickest(able)
    others = {name: answer for name, answer in answers.items() if name != chosen}
    return Choice(work, chosen, AUTO if algorithm == AUTO else "request", able[chosen], others)


def _quickest(able: Mapping[str, Estimate]) -> str:
    def seconds(name: str) -> float:
        return able[name].seconds + (0 if able[name].exact else WORTH_ROUNDING)

    return min(able, key=seconds)


def _named(name: str, answers: Mapping[str, Estimate | Refusal]) -> str:
    if name not in answers:
        raise OptionError(f"{name} cannot do this: use {any_of((AUTO, *answers))}", option="algorithm")
    answer = answers[name]
    if isinstance(answer, Refusal):
        raise OptionError(f"{name} cannot do this: {answer.reason}; use {AUTO}", option="algorithm")
    return name
