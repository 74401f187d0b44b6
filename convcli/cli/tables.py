"""Kernels and gradients as text for people: aligned grids, with signed colour on a terminal."""

import io
from collections.abc import Iterable, Iterator
from math import prod
from typing import BinaryIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convcli.arrays import FloatArray
from convcli.gradient_files import GradientReport
from convcli.kernels import Kernel
from convcli.presets import Preset

ROWS_SHOWN = 12
CELL_WIDTH = 12
WIDTH_OF_FILES = 120
UNBOUNDED_WIDTH = 1 << 20


def print_presets(presets: Iterable[Preset]) -> None:
    """The presets, a line each."""
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", overflow="fold")
    table.add_column("what it does", ratio=1)
    for preset in presets:
        table.add_row(Text(preset.usage), Text(preset.summary))
    console = Console()
    if not console.is_terminal:
        console.width = UNBOUNDED_WIDTH
    console.print(table)


def print_kernel(kernel: Kernel) -> None:
    """A kernel's shape, sum, rank and separability, and its weights as a grid."""
    console = Console()
    console.print(Text(f"{kernel.name}  {_shape(kernel.weights)}  {_facts(kernel)}"))
    width = console.width if console.is_terminal else UNBOUNDED_WIDTH
    for line in _grids(kernel.weights, width, every_row=True):
        console.print(line, soft_wrap=True)


def _facts(kernel: Kernel) -> str:
    ranks = sorted({int(np.linalg.matrix_rank(matrix)) for matrix in kernel.weights.reshape(-1, *_plane(kernel))})
    separable = "separable" if ranks[-1] <= 1 else "not separable"
    return f"sum {_number(float(kernel.weights.sum()))}  rank {_span(ranks)}  {separable}"


def _plane(kernel: Kernel) -> tuple[int, int]:
    rows, columns = kernel.weights.shape[-2:]
    return rows, columns


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}..{values[-1]}"


def print_gradients(report: GradientReport, console: Console | None = None) -> None:
    """Every tensor with its statistics and numbers, with signed colour where the console is a terminal."""
    console = console or Console()
    geometry = report.geometry
    console.print(
        Text(f"V {report.input_shape}  K {report.kernel_shape}  Z {geometry.output_shape}"),
        soft_wrap=True,
    )
    for name, tensor in report.tensors.items():
        console.print(Text(f"\ndJ/d{name}  {_statistics(tensor)}", style="bold"), soft_wrap=True)
        for line in _grids(tensor, console.width):
            console.print(line)


def write_gradients(report: GradientReport, stream: BinaryIO) -> None:
    """The same as a file: UTF-8, no colour."""
    text = io.StringIO()
    print_gradients(report, Console(file=text, width=WIDTH_OF_FILES))
    stream.write(text.getvalue().encode())


def _statistics(tensor: FloatArray) -> str:
    numbers = {
        "min": tensor.min(),
        "mean": tensor.mean(),
        "max": tensor.max(),
        "norm": np.linalg.norm(tensor),
    }
    shown = "  ".join(f"{name} {_number(float(value))}" for name, value in numbers.items())
    return f"{_shape(tensor)}  {shown}"


def _shape(tensor: FloatArray) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _grids(tensor: FloatArray, width: int, *, every_row: bool = False) -> Iterator[Text]:
    """A tensor as aligned grids, one for each index of its leading axes, cut to what a screen holds."""
    rows = np.atleast_2d(tensor)
    planes = rows.reshape(-1, *rows.shape[-2:])
    shown = len(planes) if every_row else max(1, ROWS_SHOWN // planes.shape[1])
    for index, plane in list(zip(np.ndindex(rows.shape[:-2]), planes, strict=True))[:shown]:
        if index:
            yield Text(f"[{', '.join(map(str, index))}]", style="dim")
        yield from _grid(plane, width, plane.shape[0] if every_row else ROWS_SHOWN)
    if shown < len(planes):
        yield Text(f"... {len(planes) - shown} more of {len(planes)} planes", style="dim")


def _grid(plane: FloatArray, width: int, most_rows: int) -> Iterator[Text]:
    most_columns = max(1, (width - 2) // CELL_WIDTH)
    corner = plane[:most_rows, :most_columns]
    scale = float(np.abs(plane).max(initial=0))
    for row in corner.tolist():
        line = Text("  ")
        for value in row:
            line.append(_number(value).rjust(CELL_WIDTH), style=_sign_style(value, scale))
        yield line
    hidden = prod(plane.shape) - prod(corner.shape)
    if hidden:
        yield Text(f"  ... {hidden:,} more of {plane.shape[0]} x {plane.shape[1]} numbers", style="dim")


def _number(value: float) -> str:
    return f"{value:.6g}"


def _sign_style(value: float, scale: float) -> str:
    """Blue below zero, red above, stronger towards the largest magnitude; zero is dim."""
    if value == 0 or scale == 0:
        return "dim"
    hue = "red" if value > 0 else "blue"
    return f"bold {hue}" if abs(value) > scale / 2 else hue
