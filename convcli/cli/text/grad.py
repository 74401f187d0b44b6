"""Gradients as text for people: statistics, formulas and numbers."""

from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.text import Text

from convcli.arrays import FloatArray, planes_shape
from convcli.cli.text.grids import EVERYTHING, Extent, grids, shape_text
from convcli.cli.text.screen import WIDTH_OF_FILES, console_for, folded, printed_lines, short_number
from convcli.convolution.layers import shape_of
from convcli.grad.report import GradientReport
from convcli.names import SYMBOLS


def gradients_text(report: GradientReport, *, plain: bool, full: bool) -> Iterator[str]:
    """Yield the lines: each tensor's statistics, formula and numbers; all numbers if ``full``, else those that fit."""
    console = console_for(WIDTH_OF_FILES, plain=plain)
    screen = Extent.of(console.width)
    return printed_lines(console, _lines(report, console, screen, EVERYTHING if full else screen))


def _lines(report: GradientReport, console: Console, screen: Extent, extent: Extent) -> Iterator[Text]:
    """Yield the lines. screen: what V, K, Z and G must fit into to be shown.  extent: what is shown of gradients."""
    shapes = report.shapes
    yield Text(f"V {shapes['input']}  K {shapes['kernel']}  Z {shapes['output']}")
    if report.loss is not None:
        yield Text(f"J {report.loss:.10g}")
    if all(screen.holds(planes_shape(shape_of(report.prepared, name))) for name in shapes):
        yield from _operand_lines(report, console, screen)
    for name, tensor in report.tensors.items():
        layout = report.layouts.of(name)
        yield Text(f"\n{SYMBOLS[name]}  {shape_text(tensor, layout)}  {_statistics(tensor)}", style="bold")
        yield from folded(console, Text(report.formula(name), style="dim"))
        yield from grids(tensor, extent, layout=layout)
    if not all(extent.holds(planes_shape(tensor.shape)) for tensor in report.tensors.values()):
        yield Text("\n--full shows every number", style="dim")


def _operand_lines(report: GradientReport, console: Console, extent: Extent) -> Iterator[Text]:
    for name, tensor in report.operands().items():
        layout = report.layouts.of(name)
        yield Text(f"\n{name}  {shape_text(tensor, layout)}", style="bold")
        if formula := report.operand_formulas.get(name):
            yield from folded(console, Text(formula, style="dim"))
        yield from grids(tensor, extent, layout=layout)


@np.errstate(over="ignore", invalid="ignore")
def _statistics(tensor: FloatArray) -> str:
    numbers = {
        "min": tensor.min(),
        "mean": tensor.mean(),
        "max": tensor.max(),
        "norm": np.linalg.norm(tensor),
    }
    return "  ".join(f"{name} {short_number(float(value))}" for name, value in numbers.items())
