"""The layout of a heatmap: the places of its panels, and the size at which a number is drawn."""

from collections.abc import Iterator
from itertools import count
from math import ceil, prod, sqrt
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array

_CELLS = (64, 48, 40, 32, 24, 20, 16, 12, 10, 8, 6, 5, 4, 3, 2, 1)
# In pixels.
_MOST_PIXELS = 24_000_000
_LONGEST_SIDE = 12_000
_ROW_HEIGHT = 24
_ONE_LINE = 3
_LABEL = 16
_LABEL_WIDTH = 60


class Bounds(NamedTuple):
    """The pixels along the longer side of a panel, and of all panels. Cells are as large as these allow, at least 1."""

    panel: int = 1000
    panels: int = 2000


LARGE, SMALL = Bounds(), Bounds(400, 900)


class Layout(NamedTuple):
    """The places of panels, and the size at which a number is drawn.

    leading: the axes whose indices number the panels.  across: panels per line.  cell: ``(height, width)`` in pixels.
    block: ``(rows, columns)`` of numbers averaged into one cell.  label: pixels above each panel for its index, 0 if
    the index does not fit.
    """

    leading: tuple[int, ...]
    plane: tuple[int, int]
    across: int
    cell: tuple[int, int]
    block: tuple[int, int] = (1, 1)
    label: int = 0

    @property
    def panels(self) -> int:
        """The number of panels."""
        return prod(self.leading)

    @property
    def down(self) -> int:
        """The number of lines of panels."""
        return ceil(self.panels / self.across)

    @property
    def gap(self) -> int:
        """The pixels between panels."""
        return 1 if min(self._panel) < 40 else 10

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of all panels in pixels."""
        height, width = self._panel
        return self.down * (height + self.label + self.gap) - self.gap, self.across * (width + self.gap) - self.gap

    @property
    def _panel(self) -> tuple[int, int]:
        rows, columns = (ceil(n / b) for n, b in zip(self.plane, self.block, strict=True))
        return rows * self.cell[0], columns * self.cell[1]

    def shrink(self, planes: Array) -> Array:
        """Return the planes ``(panels, rows, columns)`` with one mean per block; blocks at the edges may be smaller."""
        if self.block == (1, 1):
            return planes
        (height, width), (_, rows, columns) = self.block, planes.shape
        tops, lefts = np.arange(0, rows, height), np.arange(0, columns, width)
        counts = np.outer(np.diff([*tops, rows]), np.diff([*lefts, columns]))
        with np.errstate(invalid="ignore", over="ignore"):
            sums = [np.add.reduceat(np.add.reduceat(plane, tops, axis=0), lefts, axis=1) for plane in planes]
            means: Array = np.stack(sums) / counts
        return means


def lay_out(shape: tuple[int, ...], bounds: Bounds = LARGE) -> Layout:
    """Return the layout with the largest cells at which the panels of a tensor of this shape fit the bounds."""
    leading, plane = shape[:-2], ((1, 1, *shape)[-2], (1, 1, *shape)[-1])
    layout = next((each for each in _with_cells(leading, plane) if _is_within(bounds, each)), None)
    return layout or next(filter(_fits_in_a_picture, _with_blocks(leading, plane)))


def _with_cells(leading: tuple[int, ...], plane: tuple[int, int]) -> Iterator[Layout]:
    for cell in _CELLS:
        yield _arrange(_with_cell(leading, plane, cell))


def _with_blocks(leading: tuple[int, ...], plane: tuple[int, int]) -> Iterator[Layout]:
    """Yield layouts with one pixel per cell: first one number per cell, then ever larger blocks, up to a panel."""
    finest = _with_cell(leading, plane, 1)
    for side in count(1):
        yield _arrange(finest._replace(block=(min(side, plane[0]), min(side, plane[1]))))


def _with_cell(leading: tuple[int, ...], plane: tuple[int, int], side: int) -> Layout:
    """Return a layout with one panel per line; a tensor of a single row gets cells that are high enough to see."""
    height = max(side, _ROW_HEIGHT) if prod(leading) * plane[0] == 1 else side
    labelled = prod(leading) > 1 and plane[1] * side >= _LABEL_WIDTH
    return Layout(leading=leading, plane=plane, across=1, cell=(height, side), label=_LABEL if labelled else 0)


def _arrange(layout: Layout) -> Layout:
    """Return the layout with the first half of the leading axes down and the others across.

    If this picture would be long and thin, the panels are in reading order instead.
    """
    if layout.panels <= _ONE_LINE:
        return layout._replace(across=layout.panels)
    axes = [n for n in layout.leading if n > 1]
    natural = layout._replace(across=prod(axes[len(axes) // 2 :]))
    height, width = natural.size
    if len(axes) > 1 and max(height, width) <= 3 * min(height, width):
        return natural
    single_height, single_width = layout._replace(leading=()).size
    across = round(sqrt(layout.panels * 1.3 * single_height / single_width))
    return layout._replace(across=min(max(across, 1), layout.panels))


def _is_within(bounds: Bounds, layout: Layout) -> bool:
    sides = [n * cell for n, cell in zip(layout.plane, layout.cell, strict=True)]
    return max(sides) <= bounds.panel and max(layout.size) <= bounds.panels


def _fits_in_a_picture(layout: Layout) -> bool:
    fits = prod(layout.size) <= _MOST_PIXELS and max(layout.size) <= _LONGEST_SIDE
    return fits or layout.block == layout.plane
