"""Write gradients and their operands as LaTeX: formulas, and matrices of numbers."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from convcli.arrays import planes_shape
from convcli.convolution.latex import latex_aligned, latex_matrices, latex_number, latex_row
from convcli.convolution.layers import shape_of
from convcli.convolution.relu import LATEX as RELU_LATEX
from convcli.errors import OptionError
from convcli.files.file_bytes import write_text
from convcli.grad.report import GradientReport
from convcli.names import SYMBOLS

# The most planes of a tensor, and the most rows and columns of a plane, that are written.
MOST = 16


def write_latex(report: GradientReport, stream: BinaryIO) -> None:
    """Write J if it is known, the operands unless one is too large, and each gradient with its formula.

    Raises OptionError for a gradient with more planes, rows or columns than MOST.
    """
    for name, tensor in report.tensors.items():
        if not _is_small(tensor.shape):
            shape = report.layouts.of(name).order(tensor.shape)
            raise OptionError(
                f"latex writes at most {MOST} matrices of {MOST} x {MOST} numbers per gradient, given "
                f"{SYMBOLS[name]} of shape {shape}: choose smaller ones with `wrt`, or another `format`"
            )
    write_text(stream, _lines(report))


def _lines(report: GradientReport) -> Iterator[str]:
    rows = [*_loss(report), *_operands(report)]
    if rows:
        yield from _displayed(rows)
    for name, tensor in report.tensors.items():
        formula = latex_row(report.formula(name))
        yield from _displayed([formula, *latex_matrices(SYMBOLS[name], tensor, report.layouts.of(name))])


def _loss(report: GradientReport) -> Iterator[str]:
    if report.loss is not None:
        yield f"J &= {latex_number(report.loss)}"


def _operands(report: GradientReport) -> Iterator[str]:
    if not all(_is_small(shape_of(report.prepared, name)) for name in report.shapes):
        return
    formulas = {"Z": latex_row(report.operand_formulas["Z"]), "G": r"G &= \frac{\partial J}{\partial Z}"}
    if report.A is not None:
        formulas |= RELU_LATEX
    for symbol, tensor in report.operands().items():
        if symbol in formulas:
            yield formulas[symbol]
        yield from latex_matrices(symbol, tensor, report.layouts.of(symbol))


def _is_small(shape: tuple[int, ...]) -> bool:
    return max(planes_shape(shape)) <= MOST


def _displayed(rows: Sequence[str]) -> Iterator[str]:
    yield "\\[\n"
    yield from latex_aligned(rows)
    yield "\\]\n"
