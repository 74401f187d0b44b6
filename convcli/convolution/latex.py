r"""Write formulas, numbers and tensors as LaTeX, which papers and notebooks read.

A formula comes as text, as ``convcli.convolution.formulas`` writes it. Gradients become derivatives: ``dK[m,n]`` is
``\frac{\partial J}{\partial K_{m,n}}``. The environments are those of amsmath.
"""

import re
from collections.abc import Iterator, Sequence
from math import isinf, isnan, prod

import numpy as np

from convcli.arrays import FloatArray, planes_of
from convcli.layouts import CHANNEL_MAJOR, Layout

# The parts of a formula, each with the function that writes it.
_SUM = r"sum over (?P<letters>[\w,]+)(?: with (?P<conditions>.+?),)? of "
_TENSOR = r"\b(?P<derivative>d?)(?P<tensor>[VKZGAb])(?P<padded>'?)(?:\[(?P<index>[^\]]*)\])?"
_ADJOINT = r"\(adjoint of the padding\)\((?P<argument>[^)]*)\)"
_GROUPING = r" \((?P<grouping>each group: [^)]*)\)"
_PARTS = re.compile("|".join((_ADJOINT, _SUM, _GROUPING, _TENSOR, r"(?P<times> \* )", r"(?P<comma>, )")))
# A factor of an index, such as the stride sy, and the channels per group.
_FACTOR = re.compile(r"\b([sdktc])([yxhwrcoi])\b")
_DIGITS = 10
# MaxMatrixCols of amsmath.
_MATRIX_COLUMNS = 10


def latex_formula(formula: str) -> str:
    """Return a formula as LaTeX."""
    return _PARTS.sub(_part, formula)


def latex_tensor(symbol: str, index: Sequence[object] = ()) -> str:
    """Return a tensor's symbol with an index, as LaTeX. symbol: ``V``, ``V'``, ``dK`` ..."""
    return latex_formula(f"{symbol}[{','.join(map(str, index))}]" if index else symbol)


def latex_number(value: float) -> str:
    """Return a number with at most ten digits, as LaTeX."""
    if isnan(value):
        return r"\mathrm{NaN}"
    if isinf(value):
        return r"\infty" if value > 0 else r"-\infty"
    digits, _, exponent = f"{value:z.{_DIGITS}g}".partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if exponent else digits


def latex_aligned(rows: Sequence[str]) -> Iterator[str]:
    """Yield the lines of equations, one below the other. rows: each with ``&`` before its equals sign."""
    yield "\\begin{aligned}\n"
    yield from (f"{row} \\\\\n" for row in rows[:-1])
    yield f"{rows[-1]}\n\\end{{aligned}}\n"


def latex_row(formula: str) -> str:
    """Return a formula as a row of ``latex_aligned``."""
    left, _, right = formula.partition(" = ")
    return f"{latex_formula(left)} &= {latex_formula(right)}"


def latex_matrices(symbol: str, tensor: FloatArray, layout: Layout = CHANNEL_MAJOR) -> Iterator[str]:
    """Yield a row of ``latex_aligned`` for each plane of a tensor. A vector is one row; a number has no brackets.

    layout: the order of the indices; the tensor itself is channel-major.
    """
    leading = tensor.shape[:-2]
    for number, plane in enumerate(planes_of(tensor)):
        index = [int(each) for each in np.unravel_index(number, leading)] if prod(leading) > 1 else []
        name = latex_tensor(symbol, index if layout.is_channel_major else layout.order([*index, ":", ":"]))
        yield f"{name} &= {_matrix(plane) if tensor.ndim else latex_number(float(plane[0, 0]))}"


def _matrix(plane: FloatArray) -> str:
    rows = r" \\ ".join(" & ".join(map(latex_number, row)) for row in plane.tolist())
    if plane.shape[1] <= _MATRIX_COLUMNS:
        return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"
    return rf"\left[ \begin{{array}}{{{'r' * plane.shape[1]}}} {rows} \end{{array}} \right]"


def _part(found: re.Match[str]) -> str:
    if found["argument"]:
        return rf"\operatorname{{pad}}^{{\top}} \left( {latex_formula(found['argument'])} \right)"
    if found["letters"]:
        return _sum(found["letters"], found["conditions"])
    if found["grouping"]:
        words = re.sub(r"\bc([oi])\b", r"}c_\1\\text{", found["grouping"])
        return rf" \quad \text{{({words})}}"
    if found["tensor"]:
        return _tensor(found["tensor"] + found["padded"], found["index"], is_derivative=bool(found["derivative"]))
    return r" \, " if found["times"] else r", \quad "


def _sum(letters: str, conditions: str | None) -> str:
    if conditions is None:
        return rf"\sum_{{{_index(letters)}}} "
    each = r" \\ ".join(map(_index, (letters, *conditions.split(", "))))
    return rf"\sum_{{\substack{{{each}}}}} "


def _tensor(symbol: str, index: str | None, *, is_derivative: bool) -> str:
    indexed = f"{symbol}_{{{_index(index)}}}" if index else symbol
    return rf"\frac{{\partial J}}{{\partial {indexed}}}" if is_derivative else indexed


def _index(text: str) -> str:
    """Return indices as LaTeX: ``j*sy + m`` becomes ``j s_y + m``."""
    text = re.sub(r"(\w+)//(\w+)", r"\\lfloor \1/\2 \\rfloor", text)
    text = re.sub(r"\s*%\s*", r" \\bmod ", text)
    text = _FACTOR.sub(r"\1_\2", text)
    text = re.sub(r"(?<=\d)\*|\*(?=\d)", r" \\cdot ", text).replace("*", r" \, ")
    text = re.sub(r"\bbatch(\d*)\b", r"\\mathrm{batch}_{\1}", text).replace("_{}", "")
    return text.replace(" or ", r" \text{ or } ")
