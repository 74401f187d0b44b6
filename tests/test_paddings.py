"""``plan --paddings``: widths, formulas, and how many outputs use each pixel."""

import json
import re
from math import ceil, floor

import numpy as np
import pytest
from typer.testing import CliRunner

from convcli import conv2d, conv2d_grad
from convcli.cli.app import app
from convcli.convolution.paddings import paddings_of, widths_of
from convcli.errors import GeometryError
from convcli.geometry.axes import Axis
from convcli.geometry.coverage import sights, uses
from convcli.geometry.options import parse_options

SHAPES = [(9, 12), (6, 5)]
KERNELS = [(3, 5), (2, 4), (1, 7), (8, 3)]
OPTIONS = [
    {},
    {"stride": (2, 3)},
    {"dilation": (2, 1)},
    {"stride": (3, 2), "dilation": (1, 2)},
    {"padding": (4, 3, 2, 1)},
]


def paddings(shape, kernel, padding="full", **options):
    parsed = parse_options(padding=padding, **options)
    return paddings_of(parsed.geometry(shape, kernel), parsed)


def plan(*arguments, code=0):
    result = CliRunner().invoke(app, ["plan", *arguments, "--paddings"])
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_counts_are_a_convolution_of_ones_and_its_gradient(shape, kernel, options):
    V, K = np.ones(shape), np.ones(kernel)
    for found in paddings(shape, kernel, **options):
        if not found.has_outputs:
            continue
        (y, x), pads = found.axes.values(), [n for axis in found.axes.values() for n in (axis.before, axis.after)]
        given = options | {"padding": pads}
        Z = conv2d(V, K, **given)
        assert np.array_equal(np.outer(sights(y), sights(x)), Z)
        dV = conv2d_grad(V, K, np.ones(Z.shape), **given, wrt="input").input
        assert np.array_equal(np.outer(uses(y), uses(x)), dV)
        assert (y.output, x.output) == Z.shape


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_formulas_give_the_sizes(shape, kernel, options):
    for found in paddings(shape, kernel, **options):
        for axis in found.axes.values():
            formulas = widths_of(found.name, axis)
            assert value(formulas.padded, axis) == axis.padded
            assert value(formulas.output, axis) == axis.output


def value(formula, axis):
    """Evaluate a formula, in which 2d(k-1) is a product."""
    products = re.sub(r"(?<=[\dd])(?=[d(])", "*", formula)
    names = {"m": axis.size, "k": axis.taps, "s": axis.stride, "d": axis.dilation, "floor": floor, "ceil": ceil}
    return eval(products, names)


def test_under_full_every_pixel_is_used_by_each_tap_once():
    (full,) = [found for found in paddings((9, 12), (3, 5), dilation=2) if found.name == "full"]
    assert (set(uses(full.rows)), set(uses(full.columns))) == ({3}, {5})


def test_paddings_are_in_order_and_distinct():
    assert [found.name for found in paddings((9, 9), (5, 5))] == ["valid", "", "same", "", "full"]
    assert [found.name for found in paddings((9, 9), (3, 3))] == ["valid", "same", "full"]
    assert [found.name for found in paddings((9, 9), (1, 1))] == ["valid"]
    given = paddings((9, 9), (5, 5), padding=(0, 1, 0, 0))
    assert [found.name for found in given] == ["valid", "given", "", "same", "", "full"]
    lower = [found for found in paddings((9, 9), (4, 4), padding="same-lower") if found.name == "same-lower"]
    assert [(found.rows.before, found.rows.after) for found in lower] == [(2, 1)]


def test_one_table_if_both_axes_are_equal():
    shown = plan("--input-shape", "1,5,5", "-k", "box")
    assert shown.startswith(
        "rows and columns: m = 5 pixels, k = 3 taps, s = 1, d = 1\n"
        "padding  pads   padded        output     pixel used by  output sees\n"
        "valid    0 + 0  m = 5         m-k+1 = 3  1..3 outputs   3 pixels\n"
        "same     1 + 1  m+k-1 = 7     m = 5      2..3 outputs   2..3 pixels\n"
        "full     2 + 2  m+2(k-1) = 9  m+k-1 = 7  3 outputs      1..3 pixels\n"
    )
    assert " 4 6 6 6 4                  9 9 9 9 9\n" in shown
    both = plan("--input-shape", "1,5,6", "-k", "box")
    assert re.findall(r"^(\w+): m = (\d)", both, re.MULTILINE) == [("rows", "5"), ("columns", "6")]


@pytest.mark.parametrize("kernel", ["box:5", "box:31", "box:2,9"])
def test_pictures_fit_into_80_columns(kernel):
    lines = plan("--input-shape", "1,512,300", "-k", kernel, "-p", "0,1,2,3").splitlines()
    assert max(map(len, lines)) <= 80
    assert "valid" in lines[-10]


def test_json():
    found = json.loads(plan("--input-shape", "1,4,3", "-k", "box:4,2", "-s", "1,2", "--json"))
    assert (found["stride"], [each["name"] for each in found["paddings"]]) == ([1, 2], ["valid", "same", "full"])
    valid = {"m": 3, "k": 2, "pads": [0, 0], "padded": {"formula": "m", "size": 3}, "used": [0, 1], "seen": [2, 2]}
    assert found["paddings"][0]["columns"] == valid | {"output": {"formula": "floor((m-k)/s)+1", "size": 1}}


def test_a_kernel_that_is_larger_than_the_image():
    shown = plan("--input-shape", "1,3,3", "-k", "box:4")
    assert "valid    0 + 0  m = 3         none: the kernel is larger  0 outputs\n" in shown
    assert json.loads(plan("--input-shape", "1,3,3", "-k", "box:4", "--json"))["paddings"][0]["rows"]["seen"] is None


def test_what_has_no_paddings_is_refused():
    transposed = plan("--input-shape", "1,4,4", "-k", "box", "--transpose", code=2)
    assert transposed == "convcli: error: --paddings are of a convolution: expected no --transpose\n"
    assert "expected a --kernel for these options" in plan("--input-shape", "1,4,4", code=2)
    with pytest.raises(GeometryError, match=r"^expected at most 16,777,216 padded rows or columns .* given 20,000,000"):
        uses(Axis(20_000_000, 3))
