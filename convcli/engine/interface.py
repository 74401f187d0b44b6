"""Define the interface between an algorithm and the planner and executor that use it.

The file of an algorithm has two functions: ``estimate`` returns the tiles and costs that the algorithm would have for a
workload, or a refusal with its reason; ``runner`` prepares the weights and returns the function that fills an output
tile from a padded input tile. An algorithm may also compute the gradient of the kernel (``kernel_gradient_estimate``,
``kernel_gradient_runner``) or that of the input (``input_gradient_estimate``, ``input_gradient_runner``). The
registries in ``convcli.engine.algorithms`` list these pairs of functions, and say which weights each pair is for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.machine_code import Recipe
from convcli.engine.costs import CACHE, elementwise_seconds
from convcli.engine.factors import Factors, Traits
from convcli.engine.levels import LevelStore, MapStatistics
from convcli.engine.limits import LIMITS, Limits
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import TileSize, input_floats, output_floats
from convcli.geometry.axes import Geometry

# How often a float64 is read or written to round it and store it as float32.
PASSES_TO_ROUND = 4


class Workload(NamedTuple):
    """A convolution, or one of its gradients, as the planner sees it.

    dtype: the float type to compute in.  memory: bytes of workspace per thread.
    traits: what the planner knows about the kernel's factors.
    limits: the sizes from which transforms, threads and bands are used.
    whole: whether outputs must be whole numbers where V is, because the weights are.
    cancels: whether weights nearly cancel, so that a reference value is subtracted from V first.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    memory: int
    traits: Traits = Traits()
    limits: Limits = LIMITS
    whole: bool = False
    cancels: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes per float."""
        return self.dtype.itemsize

    @property
    def in_double(self) -> "Workload":
        """The workload in double precision."""
        return self._replace(dtype=np.dtype(np.float64))

    @property
    def output_pixels(self) -> int:
        """Pixels of one output channel, in all images and groups."""
        geometry = self.geometry
        return geometry.images * geometry.groups * geometry.rows.output * geometry.columns.output


def cached_floats(work: Workload) -> int:
    """Return how many floats a tile, its scratch and its output may take, for algorithms that work in cache."""
    return min(CACHE, work.memory) // work.itemsize


class Estimate(NamedTuple):
    """How an algorithm would compute a workload: its tiles, its blocks and its costs.

    tile: the size of the largest tile.  blocks: the sizes of blocks, by name.
    seconds: the time that one thread takes.  multiplications: multiply-adds, including those by zero.
    moved: bytes that copies and elementwise operations read or write; matrix products are not counted.
    workspace: bytes that one thread takes, besides input and output.
    exact: whether integer inputs give integer outputs without rounding, as long as the float type can represent them.
    rounded: whether that is so because it computes in float64, and rounds outputs of whole numbers to whole numbers.
    spreads: whether an infinity or a NaN reaches outputs whose windows do not contain it. That happens in blocks and
    transforms, which multiply it by 0.
    mixes: whether a large pixel rounds outputs whose windows do not contain it, because transforms add and subtract it.
    start: seconds until this process can begin, such as those to compile code.
    """

    tile: TileSize
    seconds: float
    multiplications: int
    moved: int
    workspace: int
    blocks: Mapping[str, int] = {}
    exact: bool = True
    rounded: bool = False
    spreads: bool = False
    mixes: bool = False
    start: float = 0.0


class Refusal(NamedTuple):
    """The reason why an algorithm does not take a workload.

    extra: the extra of convcli without which it takes none.
    """

    reason: str
    extra: str = ""


# Reads its first array, and writes its second: for Z, fills an output tile from a padded input tile; for dV, adds the
# gradient of a padded input tile from an upstream tile.
Fill = Callable[[FloatArray, FloatArray, Scratch], None]
# Returns what one tile adds to dK, from a padded input tile and an upstream tile.
TileGradient = Callable[[FloatArray, FloatArray, Scratch], FloatArray]


class Weights(NamedTuple):
    """The weights that a runner prepares.

    K: the weights, with the engine's axes.  factors: the kernel's factors if the algorithm uses them; else None.
    """

    K: Array
    factors: Factors | None = None


class LevelFiller(NamedTuple):
    """The computation of Z as levels in one pass.

    tiles: the rows of each tile, which has all images and columns.
    fill: fills a tile of the store's levels, and returns what it counted.
    statistics: returns the statistics of each map, from what was counted in all tiles.
    """

    tiles: Sequence[range]
    fill: Callable[[range, Scratch], Any]
    statistics: Callable[[Sequence[Any]], Sequence[MapStatistics]]


# Returns how V and a bias become the levels of a store; None if an algorithm computes floats first.
LevelRunner = Callable[["Weights", Workload, Array, LevelStore, FloatArray | None], LevelFiller | None]
FillRunner = Callable[[Weights, Workload, Estimate], Fill]
KernelGradientRunner = Callable[[Workload, Estimate], TileGradient]
Runner = TypeVar("Runner")


class Algorithm(NamedTuple, Generic[Runner]):
    """An algorithm that computes Z, dK or dV, and the workloads that it is for.

    shares_weights: True if all outputs share the weights; False if each output has its own.
    last_resort: True if it never refuses a geometry, and is used even if its smallest tile exceeds the memory limit.
    factored: True if it computes with the kernel's factors.
    recipes: returns the recipes of the compiled loops that it runs for a workload; None if it needs none.
    levels: computes levels in one pass; None if the algorithm computes floats first.
    """

    estimate: Callable[[Workload], Estimate | Refusal]
    runner: Runner
    shares_weights: bool = True
    last_resort: bool = False
    factored: bool = False
    recipes: Callable[[Workload], Sequence[Recipe]] | None = None
    levels: LevelRunner | None = None

    def loops(self, work: Workload) -> Sequence[Recipe]:
        """Return the recipes of the compiled loops that the algorithm runs for a workload."""
        return self.recipes(work) if self.recipes else ()

    def answer(self, work: Workload) -> Estimate | Refusal:
        """Return the algorithm's estimate for a workload, or its refusal."""
        if self.shares_weights != work.geometry.shares_weights:
            return Refusal(f"it is for weights that outputs {'share' if self.shares_weights else 'do not share'}")
        if self.recipes and (reason := machine_code.missing()):
            return Refusal(reason, extra="fast" if reason == machine_code.NOT_INSTALLED else "")
        answer = self.estimate(work)
        if work.whole and isinstance(answer, Estimate) and not answer.exact:
            answer = self._rounded(work.in_double)
        if isinstance(answer, Estimate) and answer.workspace > work.memory and not self.last_resort:
            return Refusal(f"its smallest tile takes {answer.workspace:,} bytes, and {work.memory:,} are allowed")
        return answer if isinstance(answer, Refusal) else _with_overlap(answer, work)

    def _rounded(self, work: Workload) -> Estimate | Refusal:
        """Return the estimate for computing in float64 and rounding to whole numbers."""
        answer = self.estimate(work)
        if isinstance(answer, Refusal):
            return answer
        moved = PASSES_TO_ROUND * work.output_pixels * work.geometry.out_channels * work.itemsize
        return answer._replace(
            seconds=answer.seconds + elementwise_seconds(moved),
            moved=answer.moved + moved,
            workspace=answer.workspace + output_floats(work.geometry, answer.tile) * work.itemsize,
            exact=True,
            rounded=True,
        )


def _with_overlap(estimate: Estimate, work: Workload) -> Estimate:
    """Return the estimate with the cost of loading pixels again that several tiles read."""
    geometry = work.geometry
    once = geometry.images * geometry.groups * geometry.in_channels * geometry.rows.padded * geometry.columns.padded
    again = max(0, estimate.tile.number(geometry) * input_floats(geometry, estimate.tile) - once)
    moved = 2 * again * work.itemsize
    return estimate._replace(seconds=estimate.seconds + elementwise_seconds(moved), moved=estimate.moved + moved)
