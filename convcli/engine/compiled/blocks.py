"""The blocks of taps that compiled code is made for. A kernel is cut into blocks of one size, which end with a rest."""

from math import ceil
from typing import NamedTuple

from convcli.geometry.axes import Axis, Geometry

# The bytes of a vector of neighbouring outputs: two or four registers on processors whose registers are shorter.
VECTOR = 64
# The rows of output that are computed together. With 6, some blocks need more registers than there are; with 2, each
# pixel is loaded more often.
ROWS = 4
# The most taps of a block. With more, weights do not stay in registers, or in the first cache.
MOST_TAPS = 49
# The most taps of a block whose sums stay in registers, of which there are 32, next to ROWS vectors of G.
MOST_SUMS = 27
# The most products that a lane of these sums adds, before the lanes are added up in float64.
MOST_ADDED = 1024
# A longer row of taps is cut into blocks of one row.
MOST_ACROSS = 16


class Blocks(NamedTuple):
    """The sizes of a kernel's blocks, for which code is compiled; kernels of several sizes may have the same blocks.

    height, width: the taps of a block.  last_height, last_width: those of the last block below, or to the right; 0 if
    it is as large as the others. At least one of them is 0.
    share_rows: whether neighbouring rows of output read some of the same rows of pixels.
    adjacent: whether the taps of a row read neighbouring pixels, so that only the place of the first is loaded.
    """

    dtype: str
    height: int
    last_height: int
    width: int
    last_width: int
    share_rows: bool
    adjacent: bool

    @property
    def rows_together(self) -> int:
        """How many rows of output are computed together."""
        return ROWS if self.share_rows else 1

    @property
    def name(self) -> str:
        """The blocks in a few characters, for a file name."""
        rests = f"{self.last_height}-{self.last_width}"
        return (
            f"{self.dtype}-{self.height}x{self.width}-{rests}{'-rows' * self.share_rows}{'-adjacent' * self.adjacent}"
        )


class LevelBlocks(NamedTuple):
    """The blocks of a kernel whose outputs are levels of 8 or 16 bits."""

    blocks: Blocks
    bits: int

    @property
    def name(self) -> str:
        """The blocks and the bits in a few characters, for a file name."""
        return f"{self.blocks.name}-to-{self.bits}"


class GradientBlocks(NamedTuple):
    """The blocks of a kernel for which code of its gradient is compiled."""

    blocks: Blocks

    @property
    def name(self) -> str:
        """The blocks in a few characters, for a file name."""
        return f"gradient-{self.blocks.name}"


def gradient_blocks_of(geometry: Geometry, dtype: str) -> GradientBlocks:
    """Return the blocks in which the gradient of a kernel is computed."""
    return GradientBlocks(blocks_of(geometry, dtype, MOST_SUMS))


def blocks_of(geometry: Geometry, dtype: str, most: int = MOST_TAPS) -> Blocks:
    """Return the blocks of a kernel, of at most so many taps, in the order of the taps: left to right, then down."""
    down, across = geometry.rows.taps, geometry.columns.taps
    # A single tap lies at any dilation. Columns are sorted by their phase of the stride.
    share, adjacent = (axis.taps == 1 or axis.stride == axis.dilation for axis in (geometry.rows, geometry.columns))
    if across > MOST_ACROSS:
        width = ceil(across / ceil(across / MOST_ACROSS))
        return Blocks(dtype, 1, 0, width, across % width, share, adjacent)
    height = ceil(down / ceil(down / (most // across)))
    return Blocks(dtype, height, down % height, across, 0, share, adjacent)


def number_of_blocks(geometry: Geometry, blocks: Blocks) -> int:
    """Return how many blocks the kernel of one pair of channels has."""
    return ceil(geometry.rows.taps / blocks.height) * ceil(geometry.columns.taps / blocks.width)


def row_steps(rows: Axis) -> tuple[int, int]:
    """Return how many rows lie from one output row, and from one tap, to the next.

    A single tap lies where its output starts, so that its dilation may be the stride, which lets output rows share
    pixels.
    """
    return rows.stride, rows.dilation if rows.taps > 1 else rows.stride


class Passes(NamedTuple):
    """The blocks of the two passes of a separable kernel: a row of taps, and a column of taps."""

    along: Blocks
    down: Blocks

    @property
    def name(self) -> str:
        """The blocks of both passes in a few characters, for a file name."""
        return f"{self.along.name}-then-{self.down.name}"


def passes_of(geometry: Geometry, dtype: str) -> Passes:
    """Return the blocks of the rows of a separable kernel, and of its columns."""
    one = Axis(size=1, taps=1)
    return Passes(blocks_of(geometry._replace(rows=one), dtype), blocks_of(geometry._replace(columns=one), dtype))
