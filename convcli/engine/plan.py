"""Plans: which algorithm computes which part of a kernel, in which tiles, and why.

A planner sees shapes, types and the rank of a kernel, never an image. What it returns is what the executor runs.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.engine.algorithms import CONVOLUTIONS, DEFINITION, KERNEL_GRADIENTS, UNSHARED
from convcli.engine.algorithms.factors import rank_of
from convcli.engine.execution import AUTO, Execution
from convcli.engine.interface import Estimate, Refusal, Workload
from convcli.engine.partition import SubKernel, gradient_parts, parts
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.geometry.axes import Geometry
from convcli.text import any_of

EstimateOf = Callable[[Workload], Estimate | Refusal]

# Seconds that an algorithm that rounds must save: a textbook's integers should stay integers.
WORTH_ROUNDING = 2e-3


class Choice(NamedTuple):
    """The algorithm for one workload, with its estimate.

    chosen_by: ``auto`` or ``request``.  others: the estimates and refusals of the algorithms that were not chosen.
    """

    work: Workload
    algorithm: str
    chosen_by: str
    estimate: Estimate
    others: Mapping[str, Estimate | Refusal]

    @property
    def tiles(self) -> list[Tile]:
        """Every tile of the output."""
        return list(self.estimate.extent.tiles(self.work.geometry))


class Pass(NamedTuple):
    """A part of a kernel, and the algorithm that computes it."""

    part: SubKernel
    choice: Choice


class Plan(NamedTuple):
    """How Z, dK or dV is computed: one pass after the other, and with which resources."""

    passes: tuple[Pass, ...]
    execution: Execution

    @property
    def first(self) -> Choice:
        """The choice for the first pass; nearly every plan has only that one."""
        return self.passes[0].choice

    @property
    def threads(self) -> int:
        """How many threads the first pass takes."""
        return self.execution.threads_for(self.first.estimate)


def plan_output(K: Array, geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan Z, computed in ``dtype``. Of the weights K, only the rank matters.

    Raises OptionError where the requested algorithm refuses.
    """

    def planned(part: SubKernel) -> Pass:
        rank, exact = rank_of(K[..., part.rows, part.columns], dtype)
        return _output_pass(part, Workload(part.geometry, dtype, execution.memory, rank, exact), execution)

    return Plan(tuple(planned(part) for part in parts(geometry)), execution)


def plan_output_of_any_kernel(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan Z for every kernel of this shape, whatever its rank."""
    one_to_one = geometry.shares_weights and geometry.in_channels == geometry.out_channels == 1

    def planned(part: SubKernel) -> Pass:
        rank = min(part.geometry.rows.taps, part.geometry.columns.taps) if one_to_one else 0
        return _output_pass(part, Workload(part.geometry, dtype, execution.memory, rank), execution)

    return Plan(tuple(planned(part) for part in parts(geometry)), execution)


def _output_pass(part: SubKernel, work: Workload, execution: Execution) -> Pass:
    return Pass(part, choose_convolution(work, execution.algorithm))


def plan_kernel_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dK, whose products are made in ``dtype``.

    Raises OptionError where the requested algorithm refuses.
    """
    return _plan_gradient(gradient_parts(geometry, execution.memory), dtype, execution)


def plan_input_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dV for weights that outputs do not share; otherwise dV is a convolution of G."""
    return _plan_gradient(parts(geometry), dtype, execution)


def _plan_gradient(found: Iterable[SubKernel], dtype: np.dtype[Any], execution: Execution) -> Plan:
    def planned(part: SubKernel) -> Pass:
        work = Workload(part.geometry, dtype, execution.memory)
        return Pass(part, choose_kernel_gradient(work, execution.algorithm))

    return Plan(tuple(map(planned, found)), execution)


@lru_cache(maxsize=128)
def choose_convolution(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm; under ``auto`` the quickest, or the quickest exact one if it is nearly as quick.

    Choices are kept: making one takes longer than convolving a small image.
    Raises OptionError for a name that is not in CONVOLUTIONS, and where the named algorithm refuses.
    """
    return _choose(work, {name: each.estimate for name, each in CONVOLUTIONS.items()}, algorithm)


@lru_cache(maxsize=128)
def choose_kernel_gradient(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose among KERNEL_GRADIENTS, as ``choose_convolution`` does among CONVOLUTIONS."""
    return _choose(work, {name: each.gradient_estimate for name, each in KERNEL_GRADIENTS.items()}, algorithm)


def _choose(work: Workload, estimates: Mapping[str, EstimateOf], algorithm: str) -> Choice:
    answers = {name: _answer(name, estimate, work) for name, estimate in estimates.items()}
    able = {name: answer for name, answer in answers.items() if isinstance(answer, Estimate)}
    chosen = _named(algorithm, answers) if algorithm != AUTO else _quickest(able)
    others = {name: answer for name, answer in answers.items() if name != chosen}
    return Choice(work, chosen, AUTO if algorithm == AUTO else "request", able[chosen], others)


def _answer(name: str, estimate: EstimateOf, work: Workload) -> Estimate | Refusal:
    if name != UNSHARED and not work.geometry.shares_weights:
        return Refusal("outputs do not share their weights")
    answer = estimate(work)
    # Even the smallest tile may be too large.
    if isinstance(answer, Estimate) and answer.workspace > work.memory and name not in (DEFINITION, UNSHARED):
        return Refusal(f"its smallest tile takes {answer.workspace:,} bytes, and {work.memory:,} are allowed")
    return answer


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
