"""Tensors as aligned grids of numbers, coloured by their signs, and cut to fit a screen."""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from rich.text import Text

from convcli.arrays import FloatArray, planes_of
from convcli.cli.text.screen import short_number, sign_style
from convcli.drawing.palette import statistics
from convcli.layouts import CHANNEL_MAJOR, Layout

ROWS_SHOWN = 12
DIGITS = 6
# The longest number, such as -1.23457e-308, has 13 characters; most have at most 12.
CELL_WIDTH = 12


class Extent(NamedTuple):
    """The part of a tensor that is shown: the rows of all its grids together, and the columns of each grid."""

    rows: int
    columns: int

    @classmethod
    def of(cls, width: int, rows: int = ROWS_SHOWN) -> "Extent":
        """Return the extent that fits into lines of this width."""
        return cls(rows, max(1, (width - 1) // (CELL_WIDTH + 1)))

    def planes(self, shape: tuple[int, ...]) -> int:
        """Return how many grids of ``(planes, rows, columns)`` are shown: as many as have room for all rows, or one."""
        return min(shape[0], max(1, self.rows // shape[1]))

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Return whether all grids ``(planes, rows, columns)`` are shown completely."""
        return self.planes(shape) == shape[0] and shape[1] <= self.rows and shape[2] <= self.columns


EVERYTHING = Extent(sys.maxsize, sys.maxsize)


def grids(tensor: FloatArray, extent: Extent, digits: int = DIGITS, layout: Layout = CHANNEL_MAJOR) -> Iterator[Text]:
    """Yield a tensor as aligned grids, one per index of its leading axes, and lines that say what is not shown.

    digits: the most significant digits of a number; with fewer than DIGITS, columns stand close together.
    layout: the order of the axes in the indices above the grids; the tensor itself is channel-major.
    """
    planes, leading, scale = planes_of(tensor), tensor.shape[:-2], statistics(tensor).limit
    shown = extent.planes(planes.shape)
    corners = planes[:shown, : extent.rows, : extent.columns]
    longest = longest_number(corners, digits)
    width = longest + (longest < CELL_WIDTH and digits == DIGITS)
    for number, corner in enumerate(corners):
        if len(planes) > 1:
            yield Text(grid_index(number, leading, layout), style="dim")
        yield from _grid(corner, scale, width, digits)
        if corner.size < planes[number].size:
            yield _hidden(corner.shape, planes[number].shape)
    if shown < len(planes):
        ends = f"{grid_index(shown, leading, layout)}..{grid_index(len(planes) - 1, leading, layout)}"
        yield Text(f"... not shown: planes {ends}, {len(planes) - shown:,} of {len(planes):,}", style="dim")


def longest_number(numbers: FloatArray, digits: int) -> int:
    """Return the length of the longest number with so many significant digits."""
    return max((len(short_number(value, digits)) for value in numbers.ravel().tolist()), default=0)


def shape_text(tensor: FloatArray, layout: Layout = CHANNEL_MAJOR) -> str:
    """Return a tensor's shape in parentheses, in the order of a layout."""
    return f"({', '.join(map(str, layout.order(tensor.shape)))})"


def grid_index(number: int, leading: tuple[int, ...], layout: Layout) -> str:
    """Return the index of a grid, such as ``[1]``, or in another layout ``[:, :, 1]``."""
    index = [str(each) for each in np.unravel_index(number, leading)]
    return f"[{', '.join(index if layout.is_channel_major else layout.order([*index, ':', ':']))}]"


def _grid(corner: FloatArray, scale: float, width: int, digits: int) -> Iterator[Text]:
    for row in corner.tolist():
        line = Text(" ")
        for value in row:
            line.append(f" {short_number(value, digits):>{width}}", style=sign_style(value, scale))
        yield line


def _hidden(shown: tuple[int, ...], whole: tuple[int, ...]) -> Text:
    hidden = [
        f"{name} {few}..{size - 1} of {size:,}"
        for name, few, size in zip(("rows", "columns"), shown, whole, strict=True)
        if few < size
    ]
    return Text(f"  ... not shown: {' and '.join(hidden)}", style="dim")
