"""Kernels as rows of numbers: the dialects of other programs, and mistakes in them."""

import re

import numpy as np
import pytest
from support.pages import codes, page, table

from convcli import KernelError, load_kernel
from convcli.kernels.rows import row_doubt

BINOMIAL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float64)
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float64)

DIALECTS = {
    "MATLAB without brackets": ("1 2 1; 2 4 2; 1 2 1", BINOMIAL),
    "MATLAB": ("[1, 2, 1; 2 4 2; 1 2 1]", BINOMIAL),
    "MATLAB over several lines": ("[1 2 1;\n 2 4 2;\n 1 2 1];\n", BINOMIAL),
    "G'MIC": ("(0,1,0;1,-4,1;0,1,0)", LAPLACIAN),
    "ImageMagick": ("3x3: 0,1,0 1,-4,1 0,1,0", LAPLACIAN),
    "ImageMagick gives the width first": ("2x3: 1,2,3,4,5,6", [[1, 2], [3, 4], [5, 6]]),
    "NumPy": ("array([[ 0.,  1.,  0.],\n       [ 1., -4.,  1.],\n       [ 0.,  1.,  0.]])", LAPLACIAN),
    "NumPy with a type": ("array([[1, 2], [3, 4]], dtype=float32)", [[1, 2], [3, 4]]),
    "one row": ("1, 2, 1", [[1, 2, 1]]),
    "one row of MATLAB": ("[1 -2 1]", [[1, -2, 1]]),
    "one row of nine numbers": ("0 -1 0 -1 5 -1 0 -1 0", [[0, -1, 0, -1, 5, -1, 0, -1, 0]]),
    "one row that could begin a vips matrix without rows": ("2 0", [[2, 0]]),
    "one row of four numbers, of which the second is 0": ("[1 0 0 -1]", [[1, 0, 0, -1]]),
    "one column": ("1;2;1", [[1], [2], [1]]),
    "fractions and short numbers": ("+.5 1/4\n-1. 2e-1", [[0.5, 0.25], [-1, 0.2]]),
    "a divisor after brackets": ("[1 2 1; 2 4 2; 1 2 1]/16", BINOMIAL / 16),
    "a divisor after JSON": ("[[1,2,1],[2,4,2],[1,2,1]] / 16", BINOMIAL / 16),
    "a factor before brackets": ("1/16*[1 2 1; 2 4 2; 1 2 1];", BINOMIAL / 16),
    "a factor in parentheses": ("(1/16) * [[1,2,1],[2,4,2],[1,2,1]]", BINOMIAL / 16),
    "NumPy's function and a divisor": ("np.array([[1, 2], [3, 4]]) / 4", [[0.25, 0.5], [0.75, 1]]),
    "Mathematica": ("{{1,2,1},{2,4,2},{1,2,1}}/16", BINOMIAL / 16),
    "ImageMagick's square": ("3: 0,1,0 1,-4,1 0,1,0", LAPLACIAN),
    "ImageMagick's origin at the centre": ("3x1+1+0: 1,2,1", [[1, 2, 1]]),
    "a spreadsheet with semicolons": ("1;2;1\n2;4;2\n1;2;1", BINOMIAL),
    "a spreadsheet with decimal commas": ("0,25;-1,5\n2;1e-1", [[0.25, -1.5], [2, 0.1]]),
    "a spreadsheet that starts like a vips matrix": ("3;2;1\n1;2;3\n4;5;6", [[3, 2, 1], [1, 2, 3], [4, 5, 6]]),
    "vips": ("3 2\n1 2 3\n4 5 6", [[1, 2, 3], [4, 5, 6]]),
}


@pytest.mark.parametrize(("text", "weights"), DIALECTS.values(), ids=DIALECTS)
def test_rows_of_numbers_inline_and_in_a_file(tmp_path, text, weights):
    (tmp_path / "ridge.txt").write_text(text)
    for source, name in ((text, "inline"), (tmp_path / "ridge.txt", "ridge")):
        kernel = load_kernel(source)
        np.testing.assert_array_equal(kernel.weights, weights)
        assert (kernel.name, kernel.weights.dtype, kernel.bias, kernel.groups) == (name, np.float64, None, 1)


OF_OTHERS = page("docs/coming-from.md").partition("## Kernels as others write them")[2]


@pytest.mark.parametrize("text", [text for _, cell in table(OF_OTHERS) for text in codes(cell)])
def test_kernels_of_the_page_are_read(text):
    weights = load_kernel(text).weights
    np.testing.assert_array_equal(weights * (16 / weights.sum()), BINOMIAL)


def test_the_header_of_a_vips_matrix_has_a_scale_and_an_offset(tmp_path):
    (tmp_path / "k.mat").write_text("3 3 16 128\n1 2 1\n2 4 2\n1 2 1\n")
    kernel = load_kernel(tmp_path / "k.mat")
    np.testing.assert_array_equal(kernel.weights, BINOMIAL / 16)
    assert kernel.bias == 128


def test_a_matrix_that_vips_writes(tmp_path):
    pyvips = pytest.importorskip("pyvips", reason="pyvips is not installed", exc_type=ImportError)
    matrix = pyvips.Image.new_from_array(BINOMIAL.tolist(), scale=16, offset=3)
    matrix.matrixsave(str(tmp_path / "k.mat"))
    kernel = load_kernel(tmp_path / "k.mat")
    np.testing.assert_array_equal(kernel.weights, BINOMIAL / 16)
    assert kernel.bias == 3


@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_text_that_numpy_saves_reads_back_exactly(tmp_path, delimiter):
    weights = np.random.default_rng(7).normal(size=(5, 3))
    np.savetxt(tmp_path / "k.csv", weights, delimiter=delimiter, header="a ridge; from the left")
    np.testing.assert_array_equal(load_kernel(tmp_path / "k.csv").weights, weights)


def test_csv_of_a_spreadsheet_has_a_byte_order_mark(tmp_path):
    (tmp_path / "k.csv").write_bytes(b"\xef\xbb\xbf1,2\r\n3,4\r\n")
    np.testing.assert_array_equal(load_kernel(tmp_path / "k.csv").weights, [[1, 2], [3, 4]])


def test_a_file_wins_over_numbers_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1,2,1").write_text("5 6")
    np.testing.assert_array_equal(load_kernel("1,2,1").weights, [[5, 6]])


MISTAKES = [
    ("1,2;3", "row 2: expected 2 numbers as in row 1, given 1"),
    ("1 2\n3 4 5", "row 2: expected 2 numbers as in row 1, given 3"),
    ("1 2;3 4\n5 6;7 8", "expected rows separated by line breaks or by ;, given both"),
    ("1;2\n3", "row 2: expected 2 numbers as in row 1, given 1"),
    ("0,1 0,2", "row 1: expected numbers separated by commas or by spaces, given both: write decimals with a point"),
    (
        "1 2\n0,1\t0,2",
        "row 2: expected numbers separated by commas or by spaces, given both: write decimals with a point",
    ),
    ("[1 2]/0", "expected a divisor other than 0, given 0"),
    ("1/0*[1 2]", "the scale: expected a number, given '1/0'"),
    ("[[[[1, 2]]]]/3", "expected rows of numbers, given brackets three deep: write a bank as JSON or .npy"),
    ("array([[[1, 2], [3, 4]]])", "expected rows of numbers, given brackets three deep: write a bank as JSON or .npy"),
    ("1:3", "row 1: expected a number, given '1:3'"),
    ("3x1: -,1,-", "after the size: expected a number, given '-'"),
    ("2x1: nan,1", "row 1: expected finite numbers, given nan"),
    ("1 2;3 1/0", "row 2: expected a number, given '1/0'"),
    ("1 2;;3 4", "row 2: expected a number, given ''"),
    ("1e400 2", "row 1: expected finite numbers, given inf"),
    ("2x2: 1 2 3", "expected 4 numbers, 2 per row in 2 rows, given 3"),
    ("3x1+0+0: 1 2 3", "expected a kernel whose origin is its centre, given the origin +0+0"),
    ("1e999*[1 2]", "expected weights that stay finite and are not all 0, given inf / 1 as scale"),
    ("[1e-300 0]/1e300", "expected weights that stay finite and are not all 0, given 1 / 1e+300 as scale"),
    ("3 1 1e-308 0\n1 2e3 3", "expected weights that stay finite and are not all 0, given 1 / 1e-308 as scale"),
    ("3 1 1 1e999\n1 2 3", "expected a vips matrix with a finite offset, given inf"),
    ("3 1 0 0\n1 2 3", "expected a vips matrix with a scale other than 0, given 0"),
    (
        "2 2\n1 2\n3 4",
        "the first row may be weights, or the header of a vips matrix of height 2: "
        "write the kernel as JSON [[...], ...]",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_mistakes_name_the_row(text, message):
    with pytest.raises(KernelError, match=f"^inline kernel: {re.escape(message)}$"):
        load_kernel(text)


def test_a_mistake_in_a_file_names_the_file(tmp_path):
    (tmp_path / "k.txt").write_text("1 2\n3 four\n")
    with pytest.raises(KernelError, match=r"k\.txt: row 2: expected a number, given 'four'$"):
        load_kernel(tmp_path / "k.txt")


def test_csv_is_never_json(tmp_path):
    (tmp_path / "k.csv").write_text("left,right\n1,2\n")
    with pytest.raises(KernelError, match=r"k\.csv: row 1: expected a number, given 'left'$"):
        load_kernel(tmp_path / "k.csv")


@pytest.mark.parametrize("text", ["5", "---;1", "1 2 x"])
def test_other_text_is_the_name_of_a_preset(text):
    with pytest.raises(KernelError, match=f"^expected the name of a preset, given {re.escape(repr(text))}"):
        load_kernel(text)


def test_json_with_a_missing_bracket_is_not_taken_as_rows():
    with pytest.raises(KernelError, match="invalid JSON at the end of the text"):
        load_kernel("[[1,2],[3,4]")


@pytest.mark.parametrize(
    ("text", "square"),
    [
        ("1 2 1 2 4 2 1 2 1", "3x3"),
        (",".join("1" * 25), "5x5"),
        ("3x3: 1 2 1 2 4 2 1 2 1", None),
        ("1 2 1; 2 4 2; 1 2 1", None),
        ("1;2;1;2;4;2;1;2;1", None),
        ("1 2 1 2", None),
        ("1 2 1 2 4 2 1 2", None),
        ("[[1,2,1,2,4,2,1,2,1]]", None),
        ("box:1,9", None),
    ],
)
def test_a_row_that_may_be_a_square_is_doubted(text: str, square: str | None) -> None:
    doubt = row_doubt(text, load_kernel(text))
    assert doubt is None if square is None else f"write {square}: before it" in str(doubt)
