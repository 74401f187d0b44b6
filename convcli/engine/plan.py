"""Plans: which algorithm computes each pass, in which tiles, and why.

A plan depends on shapes, types and the traits of a kernel, never on an image. The executor follows the plan.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from convcli.engine.algorithms import CONVOLUTIONS, INPUT_GRADIENTS, KERNEL_GRADIENTS
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.machine_code import Recipe
from convcli.engine.compiled.starts import THREADS_THAT_WAIT, start_seconds
from convcli.engine.execution import AUTO, Execution
from convcli.engine.factors import KernelBlocks, Traits
from convcli.engine.guards import LAYER, LAYERS, MASK, REFERENCE
from convcli.engine.interface import Algorithm, Estimate, Refusal, Workload
from convcli.engine.limits import Limits
from convcli.engine.sub_kernels import SubKernel, few_channels_each, kernel_in_parts, sub_kernels
from convcli.engine.tiles import Tile
from convcli.errors import OptionError
from convcli.extras import advice
from convcli.geometry.axes import Geometry
from convcli.text import any_of
from convcli.values import frozen_value

# An algorithm that rounds integers is chosen only if it is faster than an exact algorithm by this many seconds.
WORTH_ROUNDING = 2e-3
# More memory than usual is taken only if that saves this many seconds.
WORTH_MEMORY = 1.0
# The numbers of parts that the rows and the columns of a large kernel are cut into.
PARTS = (2, 4, 8, 16)
# The best traits that a kernel can have. A plan assumes them until it looks at the kernel's numbers.
BEST = Traits(rank=1, exact=True, assumed=True)


@frozen_value(shown=("algorithm", "chosen_by"))
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
    def computed(self) -> Workload:
        """The workload in the type that the algorithm computes in."""
        return self.work.in_double if self.estimate.rounded else self.work

    @property
    def fallbacks(self) -> dict[str, str]:
        """The fallbacks of the algorithm by name, each with the condition under which a tile takes it."""
        found = {}
        if self.work.cancels:
            found[REFERENCE] = "V has little contrast; weights nearly cancel, so its median is subtracted first"
        if self.estimate.mixes:
            found[LAYERS] = f"a sum holds only pixels that are {LAYER:.0f} times smaller than the tile's largest"
        if self.estimate.spreads:
            found[MASK] = "the tile holds NaN or infinities, or its results overflow"
        return found

    def at(self, geometry: Geometry) -> "Choice":
        """Return the choice for a geometry of the same extents."""
        return self._replace(work=self.work._replace(geometry=geometry))

    @property
    def saved_by_others(self) -> Iterator[tuple[str, float]]:
        """The algorithms that would be faster if they could begin at once, and how many seconds they would save."""
        if self.chosen_by == AUTO and self.work.limits.compiled and not self.work.limits.inputs:
            for name, other in self.others.items():
                if isinstance(other, Estimate) and other.start and other.seconds < self.estimate.seconds:
                    yield name, self.estimate.seconds - other.seconds

    @property
    def tiles(self) -> list[Tile]:
        """Every tile of the output."""
        return list(self.estimate.tile.tiles(self.work.geometry))


class Pass(NamedTuple):
    """A sub-kernel, which nearly always is the whole kernel, and the algorithm that computes it."""

    sub_kernel: SubKernel
    choice: Choice


@frozen_value(shown=("algorithms", "threads", "workspace", "seconds"))
class Plan(NamedTuple):
    """How Z, dK or dV is computed: in which passes, and with which resources."""

    passes: tuple[Pass, ...]
    execution: Execution

    @property
    def first(self) -> Choice:
        """The choice for the first pass. Nearly every plan has only one."""
        return self.passes[0].choice

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The names of the algorithms of the passes, each once."""
        return tuple(dict.fromkeys(each_pass.choice.algorithm for each_pass in self.passes))

    @property
    def makes_levels(self) -> bool:
        """Return whether the pass that computes Z can make levels of 8 or 16 bits of it, without an array of floats."""
        makes = CONVOLUTIONS[self.first.algorithm].levels is not None
        return makes and len(self.passes) == 1 and not self.execution.cluster

    @property
    def threads(self) -> int:
        """The number of threads of the first pass."""
        return self.execution.threads_for(self.first.estimate)

    @property
    def workspace(self) -> int:
        """The most bytes that a thread takes besides input and output."""
        return max(each_pass.choice.estimate.workspace for each_pass in self.passes)

    @property
    def seconds(self) -> float:
        """The estimate of all passes for one thread."""
        return sum(each_pass.choice.estimate.seconds for each_pass in self.passes)

    @property
    def elapsed(self) -> float:
        """The estimated seconds until all threads, or all workers of the cluster, have computed all passes."""
        estimates = [each_pass.choice.estimate for each_pass in self.passes]
        return max(found.start for found in estimates) + sum(map(self.execution.seconds_for, estimates))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the algorithm, its costs, those of the others, and why some refuse."""
        from convcli.drawing.html import card, facts, table

        choice = self.first
        answers = {choice.algorithm: choice.estimate, **choice.others}
        estimates = {name: each for name, each in answers.items() if isinstance(each, Estimate)}
        refusals = {name: each.reason for name, each in answers.items() if isinstance(each, Refusal)}
        members = {
            "chosen by": choice.chosen_by,
            "passes": len(self.passes) if len(self.passes) > 1 else None,
            "threads": self.threads,
            "workspace": f"{self.workspace / 2**20:.3g} MB",
            "one thread": f"{self.seconds * 1000:.3g} ms",
        }
        costs = table(("algorithm", "ms", "multiplications"), (_costs(*each) for each in estimates.items()))
        reasons = table(("refused", "because"), refusals.items()) if refusals else ""
        return card(f"Plan: {', '.join(self.algorithms)}", facts(members), costs, reasons)


def _costs(name: str, estimate: Estimate) -> tuple[str, str, str]:
    return name, f"{estimate.seconds * 1000:.3g}", f"{estimate.multiplications:,}"


class Timed(Protocol):
    """Planned work whose time is estimated."""

    @property
    def execution(self) -> Execution:
        """How it is executed."""

    @property
    def elapsed(self) -> float:
        """The estimated seconds until it is done."""


def announce(*plans: Timed | None) -> None:
    """Tell the watch, if the first plan has one, how long all of these plans will take together."""
    found = [plan for plan in plans if plan is not None]
    if found and (watch := found[0].execution.watch):
        watch.begin(sum(plan.elapsed for plan in found))


def plan_output(kernel: KernelBlocks, geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan how to compute Z in ``dtype``.

    The kernel's numbers affect the plan only through their factors, and by whether they are whole or nearly cancel.
    Raises OptionError if the requested algorithm refuses.
    """
    whole = execution.algorithm == AUTO and kernel.is_whole
    cancels = dtype == np.float32 and kernel.cancels

    def choose(part: SubKernel, memory: int) -> Choice:
        traits = BEST if geometry.maps_one_to_one else Traits()
        work = Workload(part.geometry, dtype, memory, traits, execution.limits, whole, cancels)
        choice = choose_convolution(work, execution.algorithm)
        if not CONVOLUTIONS[choice.algorithm].factored:
            return choice
        return _choose_by_factors(work, execution.algorithm, kernel.at(part.rows, part.columns))

    return _plan_in_some_way(choose, geometry, execution)


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
    rounded = kernel.factors(choice.computed.dtype)
    return choose(rounded.traits if rounded else Traits())


def plan_output_of_any_kernel(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan Z for a kernel of which only the shape is known, as if it had the highest rank that this shape allows.

    Raises OptionError if the requested algorithm refuses.
    """

    def choose(part: SubKernel, memory: int) -> Choice:
        rank = min(part.geometry.rows.taps, part.geometry.columns.taps) if geometry.maps_one_to_one else 0
        work = Workload(part.geometry, dtype, memory, Traits(rank, exact=True), execution.limits)
        return choose_convolution(work, execution.algorithm)

    return _plan_in_some_way(choose, geometry, execution)


def _whole_parts(parts: Iterable[SubKernel], memory: int) -> Iterable[SubKernel]:
    """Return the parts as they are: all output channels are computed together."""
    return parts


def _plan_in_some_way(
    choose: Callable[[SubKernel, int], Choice],
    geometry: Geometry,
    execution: Execution,
    narrow: Callable[[Iterable[SubKernel], int], Iterable[SubKernel]] = _whole_parts,
) -> Plan:
    """Return the usual plan if it does not take long; otherwise the fastest of all ways.

    Large kernels can be computed in parts, and with more memory, unless the memory was requested.
    narrow: cuts parts of a kernel into parts for so much memory.
    Raises OptionError if the requested algorithm refuses every way.
    """

    def plan(parts: Iterable[SubKernel], memory: int) -> Plan | OptionError:
        try:
            return Plan(tuple(_passes(choose, narrow(parts, memory), memory)), execution)
        except OptionError as error:
            return error

    usual = plan(sub_kernels(geometry, execution.limits.window), execution.share)
    if isinstance(usual, Plan) and usual.seconds < execution.limits.long:
        return usual
    others = (plan(parts, memory) for memory in execution.memories for parts in _divisions(geometry, execution.limits))
    able = [found for found in (usual, *others) if isinstance(found, Plan)]
    if not able:
        assert isinstance(usual, OptionError)
        raise usual
    return min(able, key=lambda found: found.seconds + WORTH_MEMORY * (found.workspace > execution.share))


def _passes(choose: Callable[[SubKernel, int], Choice], parts: Iterable[SubKernel], memory: int) -> Iterator[Pass]:
    """Yield the passes; parts of one size are computed in the same way."""
    choices: dict[tuple[int, int, int], Choice] = {}
    for part in parts:
        size = (part.geometry.out_channels, part.geometry.rows.taps, part.geometry.columns.taps)
        if size in choices:
            yield Pass(part, choices[size].at(part.geometry))
        else:
            choices[size] = choose(part, memory)
            yield Pass(part, choices[size])


def _divisions(geometry: Geometry, limits: Limits) -> Iterator[Iterable[SubKernel]]:
    """Yield the kernel as a whole, and in parts that are still large."""
    yield sub_kernels(geometry, limits.window)
    if geometry.shares_weights:
        shortest = min(geometry.rows.taps, geometry.columns.taps)
        yield from (kernel_in_parts(geometry, parts) for parts in PARTS if shortest >= parts * limits.part)


def plan_kernel_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dK, with products in ``dtype``. If V and G are whole, dK is, unless an algorithm is requested that rounds.

    Raises OptionError if the requested algorithm refuses.
    """

    def choose(part: SubKernel, memory: int) -> Choice:
        whole = execution.algorithm == AUTO
        work = Workload(part.geometry, dtype, memory, limits=execution.limits, whole=whole)
        return choose_kernel_gradient(work, execution.algorithm)

    return _plan_in_some_way(choose, geometry, execution, few_channels_each)


def plan_input_gradient(geometry: Geometry, dtype: np.dtype[Any], execution: Execution) -> Plan:
    """Plan dV for weights that outputs do not share, by one of INPUT_GRADIENTS.

    With shared weights, dV is a convolution of G, which ``plan_output`` plans.
    Raises OptionError if the requested algorithm refuses.
    """

    def choose(part: SubKernel, memory: int) -> Choice:
        work = Workload(part.geometry, dtype, memory, limits=execution.limits)
        return choose_input_gradient(work, execution.algorithm)

    return _plan_in_some_way(choose, geometry, execution)


def choose_convolution(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of CONVOLUTIONS; for ``auto`` the fastest, or an exact one that is nearly as fast.

    Choices are cached, because choosing takes longer than convolving a small image.
    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose_convolution(work, algorithm, _starts(_loops_of_convolutions(work), work.limits))


@lru_cache(maxsize=128)
def _choose_convolution(work: Workload, algorithm: str, starts: tuple[tuple[str, float], ...]) -> Choice:
    return _choose(CONVOLUTIONS, work, algorithm, dict(starts))


def choose_kernel_gradient(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of KERNEL_GRADIENTS; for ``auto`` the fastest.

    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose_kernel_gradient(work, algorithm, _starts(_loops_of_kernel_gradients(work), work.limits))


@lru_cache(maxsize=128)
def _choose_kernel_gradient(work: Workload, algorithm: str, starts: tuple[tuple[str, float], ...]) -> Choice:
    return _choose(KERNEL_GRADIENTS, work, algorithm, dict(starts))


@lru_cache(maxsize=128)
def choose_input_gradient(work: Workload, algorithm: str = AUTO) -> Choice:
    """Choose the named algorithm of INPUT_GRADIENTS; for ``auto`` the fastest.

    Raises OptionError for an unknown name, and if the named algorithm refuses.
    """
    return _choose(INPUT_GRADIENTS, work, algorithm)


# The recipes of the compiled loops of each algorithm that runs some.
Loops = tuple[tuple[str, Sequence[Recipe]], ...]


@lru_cache(maxsize=128)
def _loops_of_convolutions(work: Workload) -> Loops:
    return _loops(CONVOLUTIONS, work)


@lru_cache(maxsize=128)
def _loops_of_kernel_gradients(work: Workload) -> Loops:
    return _loops(KERNEL_GRADIENTS, work)


def _loops(algorithms: Mapping[str, Algorithm[Any]], work: Workload) -> Loops:
    if machine_code.missing():
        return ()
    return tuple((name, each.loops(work)) for name, each in algorithms.items() if each.recipes)


def _starts(loops: Loops, limits: Limits) -> tuple[tuple[str, float], ...]:
    """Return how long each algorithm that runs compiled loops takes to begin in this process."""
    return tuple((name, start_seconds(recipes, limits)) for name, recipes in loops)


def _choose(
    algorithms: Mapping[str, Algorithm[Any]], work: Workload, algorithm: str, starts: Mapping[str, float] = {}
) -> Choice:
    answers = {name: _started(each.answer(work), starts.get(name, 0)) for name, each in algorithms.items()}

    def choose() -> str:
        able = {name: answer for name, answer in answers.items() if isinstance(answer, Estimate)}
        at_once = {name: able[name] for name in able if work.limits.compiled or not algorithms[name].recipes}
        return _named(algorithm, answers) if algorithm != AUTO else _quickest(at_once)

    chosen = choose()
    if algorithms[chosen].recipes and (reason := machine_code.broken()):
        answers |= {name: Refusal(reason) for name, each in algorithms.items() if each.recipes}
        chosen = choose()
    estimate = answers[chosen]
    assert isinstance(estimate, Estimate)
    others = {name: answer for name, answer in answers.items() if name != chosen}
    return Choice(work, chosen, AUTO if algorithm == AUTO else "request", estimate, others)


def _started(answer: Estimate | Refusal, start: float) -> Estimate | Refusal:
    return answer._replace(start=start) if start and isinstance(answer, Estimate) else answer


def _quickest(able: Mapping[str, Estimate]) -> str:
    def seconds(name: str) -> float:
        answer = able[name]
        return answer.seconds + THREADS_THAT_WAIT * answer.start + (0 if answer.exact else WORTH_ROUNDING)

    return min(able, key=seconds)


def _named(name: str, answers: Mapping[str, Estimate | Refusal]) -> str:
    if name not in answers:
        raise OptionError(f"{name} cannot do this: use {any_of((AUTO, *answers))}", option="algorithm")
    answer = answers[name]
    if isinstance(answer, Refusal):
        remedy = advice(answer.extra, "to add it") if answer.extra else f"use {AUTO}"
        raise OptionError(f"{name} cannot do this: {answer.reason}; {remedy}", option="algorithm")
    return name
