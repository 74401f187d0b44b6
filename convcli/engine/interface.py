"""Define the interface between an algorithm and the planner and executor that use it.

The file of an algorithm has two functions: ``estimate`` returns what the algorithm would do with a workload, or why it
refuses; ``runner`` prepares the weights and returns the function that fills an output tile from a padded input tile.
An algorithm may also compute the gradient of the kernel (``kernel_gradient_estimate``, ``kernel_gradient_runner``) or
that of the input (``input_gradient_estimate``, ``input_gradient_runner``). The registries in
``convcli.engine.algorithms`` list these pairs of functions, and what each algorithm takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.costs import CACHE
from convcli.engine.factors import Factors, Traits
from convcli.engine.limits import LIMITS, Limits
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize
from convcli.geometry.axes import Geometry


class Workload(NamedTuple):
    """A convolution, or one of its gradients, as the planner sees it.

    dtype: the float type to compute in.  memory: bytes of workspace per thread.
    traits: what is known of the kernel's numbers.  limits: the sizes from which something pays.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    memory: int
    traits: Traits = Traits()
    limits: Limits = LIMITS

    @property
    def itemsize(self) -> int:
        """Bytes per float."""
        return self.dtype.itemsize

    @property
    def output_pixels(self) -> int:
        """Pixels of one output channel, in all images and groups."""
        geometry = self.geometry
        return geometry.images * geometry.groups * geometry.rows.output * geometry.columns.output


def cached_floats(work: Workload) -> int:
    """Return how many floats a tile, its scratch and its output may take to stay in a core's own cache."""
    return min(CACHE, work.memory) // work.itemsize


@dataclass(frozen=True, slots=True)
class Estimate:
    """Describe how an algorithm would compute a workload: its tiles, its blocks and its costs.

    tile: the size of the largest tile.  blocks: the sizes of blocks, by name.
    seconds: the time of one thread.  multiplications: multiply-adds, including those by zero.
    moved: bytes that copies and elementwise passes read or write, besides the products.
    workspace: bytes that one thread takes, besides input and output.
    exact: whether integers give integers, as far as the float type holds them.
    spreads: whether infinities and NaN reach outputs whose windows do not hold them, because blocks and transforms
    multiply them by 0.
    """

    tile: TileSize
    seconds: float
    multiplications: int
    moved: int
    workspace: int
    blocks: Mapping[str, int] = field(default_factory=dict)
    exact: bool = True
    spreads: bool = False


class Refusal(NamedTuple):
    """The reason why an algorithm does not take a workload."""

    reason: str


# Fills an output tile from a padded input tile; or adds a padded input tile's gradient from an upstream tile.
Fill = Callable[[FloatArray, FloatArray, Scratch], None]
# Returns a tile's part of dK from a padded input tile and an upstream tile.
TileGradient = Callable[[FloatArray, FloatArray, Scratch], FloatArray]


class Weights(NamedTuple):
    """The weights that a runner prepares. factors: None unless the algorithm computes with them."""

    K: Array
    factors: Factors | None = None


FillRunner = Callable[[Weights, Workload, Estimate], Fill]
KernelGradientRunner = Callable[[Workload, Estimate], TileGradient]
Runner = TypeVar("Runner")


@dataclass(frozen=True, slots=True)
class Algorithm(Generic[Runner]):
    """An algorithm that computes Z, dK or dV, and what it takes.

    shares_weights: whether it is for weights that all outputs share, or for weights of each output's own.
    last_resort: whether it takes every geometry, and may exceed the memory limit if its smallest tile does.
    factored: whether it computes with the kernel's factors.
    """

    estimate: Callable[[Workload], Estimate | Refusal]
    runner: Runner
    shares_weights: bool = True
    last_resort: bool = False
    factored: bool = False

    def answer(self, work: Workload) -> Estimate | Refusal:
        """Return what the algorithm would do with a workload, or why it refuses."""
        if self.shares_weights != work.geometry.shares_weights:
            return Refusal(f"it is for weights that outputs {'share' if self.shares_weights else 'do not share'}")
        answer = self.estimate(work)
        if isinstance(answer, Estimate) and answer.workspace > work.memory and not self.last_resort:
            return Refusal(f"its smallest tile takes {answer.workspace:,} bytes, and {work.memory:,} are allowed")
        return answer
