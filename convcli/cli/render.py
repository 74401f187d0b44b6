"""The one place that prints results: tables for people, JSON for programs."""

import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convcli.arrays import FloatArray
from convcli.batch import Written
from convcli.cli.options import Talk
from convcli.cli.streams import STREAM, binary_stdout, text_stdout
from convcli.geometry import Geometry
from convcli.gradient_files import BINARY, WRITERS, GradientReport
from convcli.kernels import Kernel
from convcli.outputs import write_atomically
from convcli.presets import Preset

ROWS_SHOWN = 12
CELL_WIDTH = 12
WIDEST = 1 << 20


def show_presets(presets: Iterable[Preset], *, as_json: bool) -> None:
    """The presets, a line each."""
    if as_json:
        print_json([{"name": p.name, "parameters": p.parameters, "summary": p.summary} for p in presets])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", overflow="fold")
    table.add_column("what it does", ratio=1)
    for preset in presets:
        table.add_row(Text(preset.usage), Text(preset.summary))
    Console().print(table)


def show_kernel(kernel: Kernel) -> None:
    """A kernel's shape, sum, rank and separability, and its weights as a grid."""
    console = Console()
    console.print(Text(f"{kernel.name}  {_shape(kernel.weights)}  {_facts(kernel)}"))
    width = console.width if console.is_terminal else WIDEST
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


def geometry_in_words(geometry: Geometry) -> str:
    """The numbers that words such as 'same' came to."""
    top, bottom, left, right = geometry.pads
    shape = "x".join(map(str, geometry.output_shape))
    return f"pads: top {top}, bottom {bottom}, left {left}, right {right}; output {shape}"


def show_written(written: Written, talk: Talk, *, as_json: bool) -> None:
    """One output of apply: its warnings, and a line of JSON if that was asked for."""
    for warning in written.warnings:
        talk.warn(f"{written.output}: {warning}")
    talk.note(f"{written.output}: {'x'.join(map(str, written.shape))} {written.dtype}, pads {written.pads}")
    if as_json:
        print_json({name: value for name, value in asdict(written).items() if name != "warnings"})


def save_gradients(report: GradientReport, name: str, format: str) -> None:
    """Gradients into a file, or as ``-`` onto stdout, with signed colour where that is a terminal."""
    if name == STREAM and format == "text":
        _print_gradients(report, Console())
        return
    write = WRITERS.get(format, _write_text)
    with _stream(name, binary=format in BINARY) as stream:
        write(report, stream)


def _stream(name: str, *, binary: bool) -> AbstractContextManager[BinaryIO]:
    if name != STREAM:
        return write_atomically(Path(name))
    return binary_stdout() if binary else text_stdout()


def _write_text(report: GradientReport, stream: BinaryIO) -> None:
    text = io.StringIO()
    _print_gradients(report, Console(file=text, width=120))
    stream.write(text.getvalue().encode())


def _print_gradients(report: GradientReport, console: Console) -> None:
    geometry = report.geometry
    console.print(
        Text(f"V {report.input_shape}  K {report.kernel_shape}  Z {geometry.output_shape}"),
        soft_wrap=True,
    )
    for name, tensor in report.tensors.items():
        console.print(Text(f"\ndJ/d{name}  {_statistics(tensor)}", style="bold"), soft_wrap=True)
        for line in _grids(tensor, console.width):
            console.print(line)


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


def print_json(value: list[Any] | Mapping[str, Any]) -> None:
    """A value as JSON, on stdout."""
    sys.stdout.write(json.dumps(value) + "\n")
