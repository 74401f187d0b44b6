"""What an algorithm is to the planner and to the executor.

Each algorithm's file has the same functions. ``estimate`` says what the algorithm would do with a workload, or why
not. ``runner`` prepares the weights once, and gives the function that fills an output tile from a padded input
tile. One that computes kernel gradients has ``gradient_runner``, whose function gives a tile's part of dK.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import FloatArray
from convcli.engine.costs import CACHE
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import Extent
from convcli.geometry.axes import Geometry


class Workload(NamedTuple):
    """One convolution, or one kernel's gradient: all that the planner sees of it.

    dtype: the float type that is computed in.  rank: of how many outer products of a column and a row the kernel
    is the sum, where every group maps one channel to one; 0 where that is not so, or was not looked at.
    exact_factors: whether those columns and rows hold the kernel's numbers without rounding.
    memory: bytes of workspace that a thread may take.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    memory: int
    rank: int = 0
    exact_factors: bool = False

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

    extent: Extent
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


Run = Callable[[FloatArray, FloatArray, Scratch], None]
GradientRun = Callable[[FloatArray, FloatArray, Scratch], FloatArray]
