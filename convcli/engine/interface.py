"""What an algorithm is to the planner and to the executor.

Each algorithm's file has two functions: ``estimate`` returns what the algorithm would do with a workload, or why it
refuses; ``runner`` prepares the weights once and returns the function that fills an output tile from a padded input
tile. An algorithm may also compute the gradient of the kernel (``kernel_gradient_estimate``,
``kernel_gradient_runner``) or that of the input (``input_gradient_estimate``, ``input_gradient_runner``). The
registries in ``convcli.engine.algorithms`` list these pairs of functions, and what each algorithm takes.
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
    """One convolution, or one kernel's gradient: all that the planner sees of it.

    dtype: the float type that is computed in.  memory: bytes of workspace that a thread may take.
    traits: what is known of the kernel's numbers.  limits: the sizes from which something pays.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    memory: int
    traits: Traits = Traits()
    limits: Limits = LIMITS

    @property
    def itemsize(self) -> int:
        """Bytes of a float."""
        return self.dtype.itemsize

    @property
    def output_pixels(self) -> int:
        """Pixels of one output channel, over all images and groups."""
        geometry = self.geometry
        return geometry.images * geometry.groups * geometry.rows.output * geometry.columns.output


def cached_floats(work: Workload) -> int:
    """Floats that a tile, its scratch and its output may take together, to stay in a core's own cache."""
    return min(CACHE, work.memory) // work.itemsize


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an algorithm would do: in which tiles and blocks, and what that takes.

    seconds: of one thread.  multiplications: multiply-adds, those by zeros included.
    moved: bytes read or written beside the products, by copies and elementwise passes.
    workspace: bytes that one thread takes beyond input and output.
    exact: whether integers come out as integers, as far as the float type holds them.
    spreads: whether infinities and NaN reach outputs whose windows do not hold them: zeros in blocks and transforms
    make NaN of them.
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
    """Why an algorithm does not do a workload."""

    reason: str


# Fills an output tile from a padded input tile; or adds a padded input tile's gradient from an upstream tile.
Fill = Callable[[FloatArray, FloatArray, Scratch], None]
# Returns a tile's part of dK from a padded input tile and an upstream tile.
TileGradient = Callable[[FloatArray, FloatArray, Scratch], FloatArray]


class Weights(NamedTuple):
    """The weights that a runner prepares. factors: for an algorithm that computes with them; else None."""

    K: Array
    factors: Factors | None = None


FillRunner = Callable[[Weights, Workload, Estimate], Fill]
KernelGradientRunner = Callable[[Workload, Estimate], TileGradient]
Runner = TypeVar("Runner")


@dataclass(frozen=True, slots=True)
class Algorithm(Generic[Runner]):
    """One way to compute Z, dK or dV, and what it takes.

    shares_weights: whether it is for weights that all outputs share, or for weights that they do not.
    last_resort: whether it fits any geometry, and may exceed the memory limit where its smallest tile does.
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
