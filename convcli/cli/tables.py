"""Presets, kernels and gradients as text for people: aligned grids, with signed colour on a terminal."""

import io
import sys
from collections.abc import Iterable, Iterator
from math import isnan, prod
from typing import NamedTuple

import numpy as np
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from convcli.arrays import FloatArray
from convcli.engine import Estimate, Plan, Refusal
from convcli.formulas import SYMBOLS, index_letters
from convcli.gradient_files import GradientReport
from convcli.kernels import Kernel
from convcli.matrix import ConvolutionMatrix
from convcli.planning import Forecast
from convcli.presets import Preset

ROWS_SHOWN = 12
# The longest number, as -1.23457e-308, has 13 characters; most have 12 at most.
CELL_WIDTH = 12
WIDTH_OF_FILES = 120
UNBOUNDED_WIDTH = 1 << 20


class Extent(NamedTuple):
    """How much of a tensor is shown: so many rows of all its grids together, and columns of each."""

    rows: int
    columns: int

    @classmethod
    def of(cls, width: int, rows: int = ROWS_SHOWN) -> "Extent":
        """What fits into lines of this width."""
        return cls(rows, max(1, (width - 1) // (CELL_WIDTH + 1)))

    def planes(self, shape: tuple[int, ...]) -> int:
        """How many grids ``(planes, rows, columns)`` keep: whole ones, and always one."""
        return min(shape[0], max(1, self.rows // shape[1]))

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Whether grids ``(planes, rows, columns)`` are shown whole."""
        return self.planes(shape) == shape[0] and shape[1] <= self.rows and shape[2] <= self.columns


EVERYTHING = Extent(sys.maxsize, sys.maxsize)


def presets_text(presets: Iterable[Preset], *, plain: bool) -> str:
    """The presets, a line each."""
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", overflow="fold")
    table.add_column("what it does", ratio=1)
    for preset in presets:
        table.add_row(Text(preset.usage), Text(preset.summary))
    return _text(_console(UNBOUNDED_WIDTH, plain=plain), [table], wrap=True)


def kernel_text(kernel: Kernel, *, plain: bool) -> str:
    """A kernel's shape, sum, rank and separability, and its weights as a grid."""
    console = _console(UNBOUNDED_WIDTH, plain=plain)
    head = Text(f"{kernel.name}  {_shape(kernel.weights)}  {_facts(kernel)}")
    return _text(console, [head, *_grids(kernel.weights, Extent.of(console.width, rows=sys.maxsize))])


def gradients_text(report: GradientReport, *, plain: bool, full: bool) -> Iterator[str]:
    """Every tensor with its statistics, its formula and its numbers, line by line: all of them, or what fits."""
    console = _console(WIDTH_OF_FILES, plain=plain)
    extent = EVERYTHING if full else Extent.of(console.width)
    for line in _gradient_lines(report, extent):
        # Where there are no colours, what rich would print is the text, a hundred times as soon.
        yield _text(console, [line]) if console.color_system else f"{line.plain}\n"


def forecast_text(found: Forecast) -> str:
    """The numbers of a convolution, and a table of its algorithms."""
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, fact in _forecast_facts(found):
        facts.add_row(name, Text(fact))
    console = _console(UNBOUNDED_WIDTH, plain=False)
    text = _text(console, [facts, Text(), _algorithms(found.plans["output"])], wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def matrix_text(M: ConvolutionMatrix, *, plain: bool) -> str:
    """What a convolution's matrix is, and its first rows and columns."""
    console = _console(WIDTH_OF_FILES, plain=plain)
    return _text(console, _matrix_lines(M, console.width))


def _forecast_facts(found: Forecast) -> Iterator[tuple[str, str]]:
    geometry, (top, bottom, left, right) = found.geometry, found.geometry.pads
    y, x = geometry.rows, geometry.columns
    yield "V", f"{found.input_shape}"
    yield "K", f"{found.kernel_shape}"
    yield "Z", f"{geometry.output_shape}, computed in {found.dtype}"
    yield "pads", f"top {top}, bottom {bottom}, left {left}, right {right}, holding {geometry.edge}"
    yield "receptive field", f"{y.reach} x {x.reach} pixels, {y.stride} x {x.stride} apart"
    for name, runs in found.untouched.items():
        yield f"untouched {name}", _runs(runs)
    yield "multiplications", f"{found.multiplications:,} by the definition"
    yield "gradients", f"dK {found.kernel_shape}, dV {found.input_shape}, db {found.bias_shape}"
    for name, plan in found.plans.items():
        yield FORECAST_NAMES[name], _chosen(plan, found.passes[name])


FORECAST_NAMES = {"output": "Z by", "kernel": "dK by", "input": "dV by"}
RUNS_SHOWN = 4


def _runs(runs: tuple[range, ...]) -> str:
    if not runs:
        return "none"
    shown = ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:RUNS_SHOWN])
    more = f" and {len(runs) - RUNS_SHOWN} more stretches" if len(runs) > RUNS_SHOWN else ""
    return f"{shown}{more}: {sum(map(len, runs)):,} in all, where dV is 0"


def _chosen(plan: Plan, passes: int) -> str:
    extent, count = plan.estimate.extent, plan.estimate.extent.count(plan.work.geometry)
    blocks = "".join(f", {name} {number}" for name, number in plan.estimate.blocks.items())
    tiles = f"{count:,} tile{'s' * (count > 1)} of {extent.images} x {extent.rows} x {extent.columns}"
    often = f", {passes} times" if passes > 1 else ""
    return f"{plan.algorithm} ({plan.chosen_by}) in {plan.work.dtype}: {tiles}{blocks}{often}"


def _algorithms(plan: Plan) -> Table:
    """What each algorithm would take for Z, the chosen one first."""
    table = Table(box=None, pad_edge=False)
    for heading in ("algorithm", "ms", "multiplications", "moved", "workspace"):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, answer in [(plan.algorithm, plan.estimate), *plan.others.items()]:
        table.add_row(*_algorithm(name, answer), style="bold" if name == plan.algorithm else "")
    return table


def _algorithm(name: str, answer: Estimate | Refusal) -> tuple[str, ...]:
    if isinstance(answer, Refusal):
        return name, "-", "-", "-", "-", f"refused: {answer.reason}"
    numbers = (f"{answer.multiplications:,}", _megabytes(answer.moved), _megabytes(answer.workspace))
    return name, f"{answer.seconds * 1e3:.3g}", *numbers, "" if answer.exact else "rounds"


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.3g} MB"


def _console(width: int, *, plain: bool) -> Console:
    """Stdout's colour and width if it is a terminal; else, and where text is to be plain, none and this width."""
    console = Console(file=io.StringIO(), force_terminal=False) if plain else Console()
    if not console.is_terminal:
        console.width = width
    return console


def _text(console: Console, parts: Iterable[RenderableType], *, wrap: bool = False) -> str:
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=not wrap)
    return captured.get()


def _facts(kernel: Kernel) -> str:
    ranks = sorted({int(np.linalg.matrix_rank(matrix)) for matrix in kernel.weights.reshape(-1, *_plane(kernel))})
    separable = "separable" if ranks[-1] <= 1 else "not separable"
    return f"sum {_number(float(kernel.weights.sum()))}  rank {_span(ranks)}  {separable}"


def _plane(kernel: Kernel) -> tuple[int, int]:
    rows, columns = kernel.weights.shape[-2:]
    return rows, columns


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}..{values[-1]}"


def _gradient_lines(report: GradientReport, extent: Extent) -> Iterator[Text]:
    yield Text(f"V {report.input_shape}  K {report.kernel_shape}  Z {report.geometry.output_shape}")
    if report.loss is not None:
        yield Text(f"J {report.loss:.10g}")
    for name, tensor in report.tensors.items():
        yield Text(f"\n{SYMBOLS[name]}  {_statistics(tensor)}", style="bold")
        yield Text(report.formula(name), style="dim")
        yield from _grids(tensor, extent)
    if not all(extent.holds(_planes(tensor).shape) for tensor in report.tensors.values()):
        yield Text("\n--full prints every number", style="dim")


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


def _grids(tensor: FloatArray, extent: Extent) -> Iterator[Text]:
    """A tensor as aligned grids, one for each index of its leading axes, and what of them is left out."""
    planes, leading, scale = _planes(tensor), tensor.shape[:-2], _largest(tensor)
    shown = extent.planes(planes.shape)
    for number, plane in enumerate(planes[:shown]):
        if leading:
            yield Text(_index(number, leading), style="dim")
        yield from _grid(plane, scale, extent)
    if shown < len(planes):
        ends = f"{_index(shown, leading)}..{_index(len(planes) - 1, leading)}"
        yield Text(f"... left out: planes {ends}, {len(planes) - shown:,} of {len(planes):,}", style="dim")


def _planes(tensor: FloatArray) -> FloatArray:
    """``(planes, rows, columns)``: a vector is one row, and a number one of one."""
    rows = np.atleast_2d(tensor)
    return rows.reshape(-1, *rows.shape[-2:])


def _index(number: int, leading: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, np.unravel_index(number, leading)))}]"


def _largest(tensor: FloatArray) -> float:
    """The largest finite magnitude."""
    finite = np.isfinite(tensor)
    return float(max(tensor.max(initial=0, where=finite), -tensor.min(initial=0, where=finite)))


def _grid(plane: FloatArray, scale: float, extent: Extent) -> Iterator[Text]:
    corner = plane[: extent.rows, : extent.columns]
    for row in corner.tolist():
        line = Text(" ")
        for value in row:
            line.append(f" {_number(value):>{CELL_WIDTH}}", style=_sign_style(value, scale))
        yield line
    if corner.size < plane.size:
        left = [
            f"{name} {shown}..{size - 1} of {size:,}"
            for name, shown, size in zip(("rows", "columns"), corner.shape, plane.shape, strict=True)
            if shown < size
        ]
        yield Text(f"  ... left out: {' and '.join(left)}", style="dim")


def _matrix_lines(M: ConvolutionMatrix, width: int) -> Iterator[Text]:
    filled = len(M.data) / prod(M.shape)
    yield Text(f"M {M.shape}  {len(M.data):,} nonzeros  ({100 * filled:.3g} %)", style="bold")
    yield Text(f"V {M.input_shape}  K {M.kernel_shape}  Z {M.output_shape}")
    constant = " + offset" if M.offset.any() else ""
    yield Text(f"vec(Z) = M vec(V){constant}, and so vec(dV) = M^T vec(G), with vec in row-major order", style="dim")
    yield Text()
    yield from _matrix_grid(M, width)


MATRIX_ROWS_SHOWN = 32


class _MatrixLine(NamedTuple):
    """What is to be aligned: what a line is about, a cell for each column of M, and what is added to the product."""

    label: str
    cells: list[Text]
    offset: str = ""


def _matrix_grid(M: ConvolutionMatrix, width: int) -> Iterator[Text]:
    """M's upper left corner: above a column its pixel's place in V, before a row its output's place in Z."""
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
    """For each axis of V, its index in every column."""
    places = np.unravel_index(np.arange(columns), M.input_shape)
    for letter, indices in zip(index_letters("input", len(M.input_shape)), places, strict=True):
        yield _MatrixLine(f"V {letter}", [Text(str(index)) for index in indices.tolist()])


def _output_lines(M: ConvolutionMatrix, rows: int, columns: int) -> Iterator[_MatrixLine]:
    scale = M.largest
    for row in range(rows):
        cells = [Text(".", style="dim") for _ in range(columns)]
        entries = slice(M.indptr[row], M.indptr[row + 1])
        for column, value in zip(M.indices[entries].tolist(), M.data[entries].tolist(), strict=True):
            if column < columns:
                cells[column] = Text(_number(value), style=_sign_style(value, scale))
        place = ",".join(str(index) for index in np.unravel_index(row, M.output_shape))
        yield _MatrixLine(f"Z[{place}]", cells, f"{M.offset[row]:+.6g}" if M.offset.any() else "")


def _more_of_matrix(shape: tuple[int, int], shown: tuple[int, int]) -> Iterator[Text]:
    axes = zip(shape, shown, ("rows", "columns"), strict=True)
    hidden = [f"{whole - part:,} more of {whole:,} {name}" for whole, part, name in axes if whole > part]
    if hidden:
        yield Text(f"... {' and '.join(hidden)}", style="dim")


def _number(value: float) -> str:
    return f"{value:.6g}"


# Eight bits, which every terminal with colours reduces well: as legible on black as on white.
_BLUES = ("color(60)", "color(61)", "color(68)", "bold color(33)")
_REDS = ("color(95)", "color(131)", "color(167)", "bold color(196)")


def _sign_style(value: float, scale: float) -> str:
    """Blue below zero, red above, stronger towards the largest magnitude; zero is dim, NaN is reversed."""
    if isnan(value):
        return "reverse"
    if value == 0:
        return "dim"
    steps = _REDS if value > 0 else _BLUES
    share = min(1.0, abs(value) / scale) if scale else 1.0
    return steps[min(int(share * len(steps)), len(steps) - 1)]
