"""Presets and kernels as text for people."""

from collections.abc import Iterable

import numpy as np
from rich.table import Table
from rich.text import Text

from convcli.cli.text.grids import Extent, grids, shape_text
from convcli.cli.text.screen import UNBOUNDED_WIDTH, captured, console_for, short_number
from convcli.kernels.catalogue import Preset
from convcli.kernels.kernel import Kernel
from convcli.kernels.magnitudes import MAGNITUDES
from convcli.text import in_one_line

# The most rows and columns of a kernel that are shown. Kernel JSON contains all.
ROWS_SHOWN, COLUMNS_SHOWN = 1023, 127
# With more rows or columns, computing the rank takes minutes.
WIDEST_RANKED = 1023


def presets_text(presets: Iterable[Preset], *, plain: bool) -> str:
    """Return the presets, and those that are no single kernel, one per line."""
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", overflow="fold")
    table.add_column("what it does", ratio=1)
    for preset in presets:
        table.add_row(Text(preset.usage), Text(preset.summary))
    for name, magnitude in MAGNITUDES.items():
        table.add_row(Text(name), Text(magnitude.summary))
    return captured(console_for(UNBOUNDED_WIDTH, plain=plain), [table], wrap=True)


def kernel_text(kernel: Kernel, *, plain: bool) -> str:
    """Return a kernel's shape, sum, rank and separability, and its weights as a grid."""
    console = console_for(UNBOUNDED_WIDTH, plain=plain)
    head = Text(f"{in_one_line(kernel.name)}  {shape_text(kernel.weights)}  {_facts(kernel)}")
    fitting = Extent.of(console.width)
    return captured(console, [head, *grids(kernel.weights, Extent(ROWS_SHOWN, min(fitting.columns, COLUMNS_SHOWN)))])


@np.errstate(over="ignore", invalid="ignore")
def _facts(kernel: Kernel) -> str:
    total = f"sum {short_number(float(kernel.weights.sum()))}"
    if max(_plane(kernel)) > WIDEST_RANKED:
        return total
    ranks = sorted({int(np.linalg.matrix_rank(matrix)) for matrix in kernel.weights.reshape(-1, *_plane(kernel))})
    separable = "separable" if ranks[-1] <= 1 else "not separable"
    return f"{total}  rank {_span(ranks)}  {separable}"


def _plane(kernel: Kernel) -> tuple[int, int]:
    rows, columns = kernel.weights.shape[-2:]
    return rows, columns


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}..{values[-1]}"
