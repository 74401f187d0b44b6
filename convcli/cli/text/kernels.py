"""Presets and kernels as text for people."""

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from convcli.arrays import is_whole, planes_shape
from convcli.cli.layout import heading, is_coloured, page_width, two_columns, wrapped
from convcli.cli.text.grids import DIGITS, EVERYTHING, Extent, grid_index, grids, longest_number, shape_text
from convcli.cli.text.large_kernels import factor_lines, factors_of, weight_lines
from convcli.cli.text.screen import UNBOUNDED_WIDTH, captured, console_for, short_number
from convcli.kernels.catalogue import GROUPS
from convcli.kernels.kernel import Kernel, sums_of
from convcli.kernels.magnitudes import MAGNITUDES
from convcli.layouts import CHANNEL_MAJOR, Layout
from convcli.text import in_one_line, span

PRESETS_USE = (
    "Parameters follow a colon, by position or by name: gaussian:2 is gaussian:sigma=2, and motion:9,45 is "
    "motion:length=9,angle=45. Those that are missing have the values below."
)
USAGE_WIDTH = 27
# The most rows and columns of a kernel that are shown. Kernel JSON contains all.
ROWS_SHOWN, COLUMNS_SHOWN = 1023, 127
# If a kernel is too wide for the screen, its numbers are rounded.
FEWER_DIGITS = (DIGITS, 4, 3, 2)
# A 2-D kernel with more rows or columns is shown in fewer lines on a terminal.
LARGEST_GRID = 9
# With more rows or columns, computing the rank takes minutes.
WIDEST_RANKED = 1023


def presets_text(*, plain: bool) -> Iterator[str]:
    """Yield the lines of the list of presets, group by group.

    plain: True for text that goes to a file, which has no colours even if stdout is a terminal.
    """
    coloured = is_coloured() and not plain
    groups = {"Edges (only in apply)": [(name, each.summary) for name, each in MAGNITUDES.items()]}
    groups |= {name: [(each.usage, each.summary) for each in presets] for name, presets in GROUPS.items()}
    yield from wrapped(PRESETS_USE, page_width())
    for name, rows in groups.items():
        yield from ("", heading(name, coloured=coloured))
        yield from two_columns(rows, USAGE_WIDTH, page_width(), coloured=coloured)


def kernel_text(kernel: Kernel, layout: Layout = CHANNEL_MAJOR, *, plain: bool) -> str:
    """Return a kernel's shape, sum, rank and separability, and its weights as a grid.

    layout: the order of the axes in the shape and in indices.
    """
    console = console_for(UNBOUNDED_WIDTH, plain=plain)
    head = Text(heading_text(kernel, layout))
    if console.is_terminal and max(_plane(kernel)) > LARGEST_GRID:
        return captured(console, [head, *_large(kernel, console.width, layout)])
    shown = Extent(ROWS_SHOWN, min(Extent.of(console.width).columns, COLUMNS_SHOWN))
    digits = _fitting_digits(kernel, console.width)
    if digits is None:
        return captured(console, [head, *grids(kernel.weights, shown, layout=layout)])
    rounded = [Text(f"  ... rounded to {digits} digits; --json shows all", style="dim")] * (digits < DIGITS)
    all_columns = shown._replace(columns=COLUMNS_SHOWN)
    return captured(console, [head, *grids(kernel.weights, all_columns, digits, layout), *rounded])


def heading_text(kernel: Kernel, layout: Layout = CHANNEL_MAJOR) -> str:
    """Return a kernel's name, shape, sum, rank and separability in one line."""
    return f"{in_one_line(kernel.name)}  {shape_text(kernel.weights, layout)}  {_facts(kernel)}"


def _large(kernel: Kernel, width: int, layout: Layout) -> Iterator[Text]:
    """Return the lines of a large kernel: all its weights if they are whole and fit, or its factors, or whole units."""
    weights, leading = kernel.weights, kernel.weights.shape[:-2]
    if is_whole(weights) and _fitting_digits(kernel, width) == DIGITS:
        return grids(weights, EVERYTHING._replace(rows=ROWS_SHOWN), layout=layout)
    if leading:
        shown = Extent(ROWS_SHOWN, COLUMNS_SHOWN).planes(planes_shape(weights.shape))
        return weight_lines(weights, width, [grid_index(number, leading, layout) for number in range(shown)])
    factors = factors_of(weights, kernel.factors)
    return weight_lines(weights, width) if factors is None else factor_lines(factors, width)


def _fitting_digits(kernel: Kernel, width: int) -> int | None:
    """Return how many digits of each number have room if all columns are shown; None if not even the fewest have."""
    columns = kernel.weights.shape[-1]
    if columns > width // 2:
        return None
    for digits in FEWER_DIGITS:
        gap = 2 if digits == DIGITS else 1
        if columns * (longest_number(kernel.weights, digits) + gap) < width:
            return digits
    return None


@np.errstate(over="ignore", invalid="ignore")
def _facts(kernel: Kernel) -> str:
    total = f"sum {short_number(sums_of(kernel.weights).item())}"
    if max(_plane(kernel)) > WIDEST_RANKED:
        return total
    ranks = sorted({int(np.linalg.matrix_rank(matrix)) for matrix in kernel.weights.reshape(-1, *_plane(kernel))})
    separable = "separable" if ranks[-1] <= 1 else "not separable"
    return f"{total}  rank {span(ranks)}  {separable}"


def _plane(kernel: Kernel) -> tuple[int, int]:
    rows, columns = kernel.weights.shape[-2:]
    return rows, columns
