"""The corner of a convolution's matrix as text for people."""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text

from convcli.cli.text.screen import WIDTH_OF_FILES, captured, console_for, folded, short_number, sign_style
from convcli.convolution.places import bracketed
from convcli.matrix.assembly import ConvolutionMatrix

MATRIX_ROWS_SHOWN = 32


def matrix_text(M: ConvolutionMatrix, *, plain: bool) -> str:
    """Return a description of a convolution's matrix, and its first rows and columns."""
    console = console_for(WIDTH_OF_FILES, plain=plain)
    return captured(console, _matrix_lines(M, console))


def _matrix_lines(M: ConvolutionMatrix, console: Console) -> Iterator[Text]:
    filled = len(M.data) / prod(M.shape)
    yield Text(f"M {M.shape}  {len(M.data):,} nonzeros  ({100 * filled:.3g} %)", style="bold")
    yield Text(f"V {M.input_shape}  K {M.kernel_shape}  Z {M.output_shape}")
    constant = " + offset" if M.offset.any() else ""
    law = f"vec(Z) = M vec(V){constant}, and so vec(dV) = M^T vec(G), with vec in row-major order"
    yield from folded(console, Text(law, style="dim"))
    yield Text()
    yield from _matrix_grid(M, console.width)


class _MatrixLine(NamedTuple):
    """A line of the grid, before alignment: its label, a cell per column of M, and the offset of its row."""

    label: str
    cells: list[Text]
    offset: str = ""


def _matrix_grid(M: ConvolutionMatrix, width: int) -> Iterator[Text]:
    """Yield M's upper left corner. Above each column are the indices of its pixel of V, before each row those of Z."""
    rows, columns = min(M.shape[0], MATRIX_ROWS_SHOWN), min(M.shape[1], max(1, width // 2))
    lines = [*_pixel_lines(M, columns), *_output_lines(M, rows, columns)]
    margin, last = max(len(line.label) for line in lines), max(len(line.offset) for line in lines)
    cell = 1 + max(len(each) for line in lines for each in line.cells)
    shown = max(1, min(columns, (width - margin - last - 2) // cell))
    for line in lines:
        text = Text(line.label.ljust(margin), style="dim")
        for each in line.cells[:shown]:
            text.append(" " * (cell - len(each))).append_text(each)
        text.append(f"  {line.offset.rjust(last)}", style="not dim")
        text.rstrip()
        yield text
    yield from _more_of_matrix(M.shape, (rows, shown))


def _pixel_lines(M: ConvolutionMatrix, columns: int) -> Iterator[_MatrixLine]:
    """Yield a heading per axis of V: the index along that axis of each column's pixel."""
    places = np.unravel_index(np.arange(columns), M.input_shape)
    for letter, indices in zip(M.input_letters, places, strict=True):
        yield _MatrixLine(f"V {letter}", [Text(str(index)) for index in indices.tolist()])


def _output_lines(M: ConvolutionMatrix, rows: int, columns: int) -> Iterator[_MatrixLine]:
    scale = M.largest
    for row in range(rows):
        cells = [Text(".", style="dim") for _ in range(columns)]
        entries = slice(M.indptr[row], M.indptr[row + 1])
        for column, value in zip(M.indices[entries].tolist(), M.data[entries].tolist(), strict=True):
            if column < columns:
                cells[column] = Text(short_number(value), style=sign_style(value, scale))
        place = bracketed(np.unravel_index(row, M.output_shape))
        yield _MatrixLine(f"Z{place}", cells, f"{M.offset[row]:+.6g}" if M.offset.any() else "")


def _more_of_matrix(shape: tuple[int, int], shown: tuple[int, int]) -> Iterator[Text]:
    axes = zip(shape, shown, ("rows", "columns"), strict=True)
    hidden = [f"{whole - part:,} more of {whole:,} {name}" for whole, part, name in axes if whole > part]
    if hidden:
        yield Text(f"... {' and '.join(hidden)}", style="dim")
