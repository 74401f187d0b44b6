"""Read a kernel from rows of numbers, as other programs write them.

    text   = rows | [number "*"] "[" rows "]" ["/" number]         (or other brackets)
    rows   = [header] row {(";" | line break) row}
    row    = number {("," | space) number}
    number = 1 | -.5 | 2e-3 | 1/9
    header = WIDTHxHEIGHT: | WIDTH:            ImageMagick's; all numbers follow, and rows need not be separated
           | WIDTH HEIGHT [SCALE [OFFSET]]     the first line of a vips matrix: weights / SCALE, and OFFSET is the bias

This covers CSV, text such as numpy.savetxt's, and matrices of MATLAB, Mathematica, G'MIC and NumPy, whose brackets are
ignored. In lines of single numbers with ``;`` between them, which spreadsheets write where the comma is the decimal
point, ``;`` separates the numbers of a row. One row is a kernel of one row. Lines that start with ``#`` are comments.
Every error says the row.
"""

import re
from collections.abc import Sequence
from math import isqrt

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import KernelError
from convcli.files.file_bytes import read_errors
from convcli.files.memory import require_memory
from convcli.kernels.kernel import Kernel, is_spoilt
from convcli.text import BYTE_ORDER_MARK, real, shortened

_COMMENTS = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_ARRAY = r"(?:np\.|numpy\.)?array"
_BRACKETS = re.compile(rf"{_ARRAY}\(|[][(){{}}]|,\s*dtype=.*$")
_TOO_DEEP = re.compile(r"(?:[\[({]\s*+){3}")
# 1: is no size, because MATLAB's 1:3 is a range.
_HEADER = re.compile(r"\s*(?!1:)(\d{1,9})(?:x(\d{1,9}))?(\+\d+\+\d+)?:")
_SIZE = re.compile(r"\s*\d{1,9}x\d{1,9}([+-]\d+[+-]\d+)?:")
# The beginning of rows of numbers, and a text of nothing else.
_BEGINNING = re.compile(rf"{BYTE_ORDER_MARK}?\s*({_ARRAY}\(|\(|#|[-+]?\.?\d|\{{\s*[-+.\d{{])")
# One row of MATLAB: JSON has commas.
_ONE_ROW = re.compile(r"\s*\[[-+.\deE/]+(\s+[-+.\deE/]+)+\s*\]\s*")
# Each ++ and *+ takes all that it can, so that the time does not grow with the square of the text.
_NUMERIC = re.compile(rf"\s*({_ARRAY})?(?:[-+.eExX*/,:;\s\])}}[({{]*+\d)++[-+.eE*/,;\s\])}}[({{]*+(dtype=\w+\)\s*)?")
_SCALED = re.compile(
    r"\s*+(?:\(?(?P<factor>[-+.\deE/]++)\)?\s*+\*\s*+)?"
    rf"(?P<matrix>(?:{_ARRAY}\s*+)?[\[({{].*[\])}}])\s*+"
    r"(?:/\s*+(?P<divisor>[-+.\deE]++)\s*+)?;?\s*+",
    re.DOTALL,
)
# A number of a spreadsheet, with a point or a comma before its decimals.
_CELL = re.compile(r"\s*[^\s,]+(,[^\s,]+)?\s*")
_COMMA_INSIDE, _SPACE_ALONE = re.compile(r"[^\s,],[^\s,]"), re.compile(r"[^\s,]\s++[^\s,]")
_ROW_BREAKS = re.compile(r"[;\n]")
# The bytes of Python's objects, at most: a number of one digit and a space are a text, a float, and places in lists.
_PER_LETTER = 90
_SEPARATORS = re.compile(r"\s*,\s*|\s+")


def begins_as_rows(text: str) -> bool:
    """Return whether a text is meant as rows of numbers, even if it has mistakes further on."""
    return bool(_BEGINNING.match(text)) or (
        text.lstrip().startswith("[") and (";" in text or bool(_ONE_ROW.fullmatch(text)) or _scaled(text) is not None)
    )


def is_rows(text: str) -> bool:
    """Return whether a text is meant as rows of at least two numbers, and has nothing but numbers and separators.

    After ImageMagick's size, other words are mistakes in the rows.
    """
    numeric = bool(_NUMERIC.fullmatch(text)) and len(re.findall(r"[\d.]+", text)) > 1
    return begins_as_rows(text) and (numeric or bool(_SIZE.match(text)))


def row_doubt(text: str, kernel: Kernel) -> str | None:
    """Return a sentence if the kernel that a text names is a row of as many numbers as an odd square; else None."""
    taps, size = kernel.weights.shape[-1], isqrt(kernel.weights.size)
    if not is_rows(text) or kernel.weights.shape != (1, size * size) or size < 3 or size % 2 == 0:
        return None
    return f"{shortened(text)!r} is one row, 1x{taps}: for a square, write {size}x{size}: before it, or ; between rows"


def parse_rows(text: str, source: str, name: str) -> Kernel:
    """Return the 2-D kernel that rows of numbers describe; its weights and bias are float64.

    source: the name of the text in errors.  name: the name of the kernel.
    Raises KernelError for other text, for rows of different lengths, and for text with two meanings.
    """
    with read_errors(source):
        require_memory(_PER_LETTER * len(text), "as rows of numbers it takes up to", ": use .npy")
    try:
        return _parse(_COMMENTS.sub("", text.removeprefix(BYTE_ORDER_MARK)), name)
    except KernelError as error:
        raise KernelError(f"{source}: {error}") from None


def _parse(text: str, name: str) -> Kernel:
    if scaled := _scaled(text):
        factor, divisor = (_number(scaled[part] or "1", "the scale") for part in ("factor", "divisor"))
        if divisor == 0:
            raise KernelError("expected a divisor other than 0, given 0")
        kernel = _parse(scaled["matrix"], name)
        return kernel._replace(weights=_rescaled(kernel.weights, factor, divisor))
    header = _HEADER.match(text)
    if header:
        width, height, origin = header.groups()
        return Kernel(name, _of_size(text[header.end() :], int(width), int(height or width), origin))
    text = _with_one_row_break(_without_brackets(text))
    rows = _rows(text)
    # vips separates numbers by spaces; CSV has no header of numbers.
    if "," not in text and _is_vips(rows):
        return _vips_kernel(rows, name)
    return Kernel(name, _rectangle(rows))


def _scaled(text: str) -> re.Match[str] | None:
    """Return the match of a matrix in brackets that is multiplied or divided by a number."""
    found = _SCALED.fullmatch(text)
    return found if found and (found["factor"] or found["divisor"]) else None


def _without_brackets(text: str) -> str:
    """Return the text with a row break after each inner bracket, and without brackets."""
    if _TOO_DEEP.search(re.sub(rf"{_ARRAY}\(", "", text)):
        raise KernelError("expected rows of numbers, given brackets three deep: write a bank as JSON or .npy")
    return _BRACKETS.sub(" ", re.sub(r"[\])}]\s*,\s*[\[({]", ";", text))


def _with_one_row_break(text: str) -> str:
    """Return the text with ``;`` between its rows; raise KernelError if line breaks separate other rows than ``;``."""
    lines = [line.strip().removesuffix(";") for line in text.strip().splitlines() if line.strip(" \t;")]
    if len(lines) > 1 and any(";" in line for line in lines):
        lines = [_row_of_cells(line.split(";")) for line in lines]
    return ";".join(lines)


def _row_of_cells(cells: list[str]) -> str:
    """Return a row of a spreadsheet that separates numbers by ``;``, with commas between and points in the numbers."""
    if not all(map(_CELL.fullmatch, cells)):
        raise KernelError("expected rows separated by line breaks or by ;, given both")
    return ",".join(cell.replace(",", ".") for cell in cells)


def _rows(text: str) -> list[list[float]]:
    return [_row(row, f"row {number}") for number, row in enumerate(_ROW_BREAKS.split(text), 1)]


def _row(row: str, where: str) -> list[float]:
    """Return a row's numbers; raise KernelError if its commas may be decimal points, because spaces separate too."""
    if _COMMA_INSIDE.search(row) and _SPACE_ALONE.search(row):
        raise KernelError(
            f"{where}: expected numbers separated by commas or by spaces, given both: write decimals with a point"
        )
    return _numbers(row, where)


def _numbers(row: str, where: str) -> list[float]:
    return [_number(text, where) for text in _SEPARATORS.split(row.strip())]


def _number(text: str, where: str) -> float:
    numerator, slash, denominator = text.partition("/")
    try:
        return real(numerator) / real(denominator) if slash else real(numerator)
    except (ValueError, ZeroDivisionError):
        raise KernelError(f"{where}: expected a number, given {shortened(text)!r}") from None


def _rectangle(rows: Sequence[Sequence[float]]) -> FloatArray:
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise KernelError(f"row {number}: expected {len(rows[0])} numbers as in row 1, given {len(row)}")
    return _finite(np.array(rows, np.float64))


def _of_size(text: str, width: int, height: int, origin: str | None) -> FloatArray:
    """Return ImageMagick's kernel."""
    if origin and origin != f"+{(width - 1) / 2:g}+{(height - 1) / 2:g}":
        raise KernelError(f"expected a kernel whose origin is its centre, given the origin {origin}")
    numbers = _numbers(_ROW_BREAKS.sub(" ", text), "after the size")
    if len(numbers) != width * height:
        expected = width * height
        raise KernelError(f"expected {expected} numbers, {width} per row in {height} rows, given {len(numbers)}")
    return _finite(np.array(numbers, np.float64).reshape(height, width))


def _is_vips(rows: Sequence[Sequence[float]]) -> bool:
    """Return whether the first row is the header of a vips matrix; raise KernelError if it may also be weights."""
    width, height = [*rows[0], 0][:2]
    fits = 2 <= len(rows[0]) <= 4 and len(rows) - 1 == height > 0 and all(len(row) == width for row in rows[1:])
    if fits and width == len(rows[0]):
        raise KernelError(
            f"the first row may be weights, or the header of a vips matrix of height {height:g}: "
            "write the kernel as JSON [[...], ...]"
        )
    return fits


def _vips_kernel(rows: Sequence[Sequence[float]], name: str) -> Kernel:
    scale, offset = [*rows[0], 1.0, 0.0][2:4] if len(rows[0]) < 4 else rows[0][2:4]
    if scale == 0:
        raise KernelError("expected a vips matrix with a scale other than 0, given 0")
    if not np.isfinite(offset):
        raise KernelError(f"expected a vips matrix with a finite offset, given {offset}")
    return Kernel(name, _rescaled(_rectangle(rows[1:]), 1, scale), np.array(offset) if offset else None)


def _rescaled(weights: FloatArray, factor: float, divisor: float) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        rescaled = weights * factor / divisor
    if is_spoilt(rescaled, weights):
        raise KernelError(
            f"expected weights that stay finite and are not all 0, given {factor:g} / {divisor:g} as scale"
        )
    return rescaled


def _finite(weights: FloatArray) -> FloatArray:
    index = first_non_finite(weights)
    if index is not None:
        raise KernelError(f"row {index[0] + 1}: expected finite numbers, given {weights[index]}")
    return weights
