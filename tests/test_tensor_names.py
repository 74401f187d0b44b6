"""Names of tensors, and the letters that stand for them, in options and in Python."""

import re

import numpy as np
import pytest

from convcli import conv2d_compare, conv2d_explain, conv2d_grad
from convcli.errors import OptionError
from convcli.names import parse_tensor, parse_wrt

V, K = np.arange(12.0).reshape(1, 3, 4), np.array([[1.0, 2.0], [4.0, 8.0]])
G = np.arange(6.0).reshape(1, 2, 3)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Z", "output"), ("dK", "kernel"), ("dV", "input"), ("db", "bias")]
    + [(name, name) for name in ("output", "kernel", "input", "bias")],
)
def test_tensors_have_names_and_letters(text, name):
    assert parse_tensor("of", text) == name


def test_an_explanation_takes_letters():
    found = conv2d_explain(V, K, (0, 0), of="dK", G=G)
    assert (found.of, found.total) == ("kernel", float((G * V[:, :2, :3]).sum()))


@pytest.mark.parametrize(
    ("wrt", "names"),
    [
        ("dK,dV,db", ("kernel", "input", "bias")),
        ("K, V, b", ("kernel", "input", "bias")),
        (["bias", "dK"], ("bias", "kernel")),
        ("kernel,dK,K", ("kernel",)),
        ({"dV"}, ("input",)),
        ({"K": 1, "b": 2}.keys(), ("kernel", "bias")),
        (np.array(["dK", "dV"]), ("kernel", "input")),
    ],
)
def test_gradients_have_names_and_letters(wrt, names):
    assert parse_wrt(wrt) == names
    found = conv2d_grad(V, K, G, wrt=wrt)
    assert {name for name in ("kernel", "input", "bias") if getattr(found, name) is not None} == set(names)


@pytest.mark.parametrize(
    ("text", "nearest"), [("K", ""), ("b", ""), ("", ""), ("z", "Z"), ("DK", "dK"), ("dv", "dV"), ("kernels", "kernel")]
)
def test_other_tensors_are_refused_with_the_nearest(text, nearest):
    advice = f"; did you mean {nearest}?" * bool(nearest)
    message = f"of: expected Z, dK, dV, db, output, kernel, input or bias, given {text!r}{advice}"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        parse_tensor("of", text)


@pytest.mark.parametrize(
    ("text", "nearest"), [("Z", ""), ("output", ""), ("", ""), ("k", "K"), ("dz", ""), ("DB", "db")]
)
def test_other_gradients_are_refused_with_the_nearest(text, nearest):
    advice = f"; did you mean {nearest}?" * bool(nearest)
    message = f"wrt: expected dK, dV, db, kernel, input, bias, K, V or b, given {text!r}{advice}"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        parse_wrt(text)


@pytest.mark.parametrize("wrt", [[], (), set(), iter([])], ids=lambda wrt: type(wrt).__name__)
def test_no_gradient_at_all_is_refused(wrt):
    message = r"^wrt: expected names of gradients, given none: kernel, input or bias$"
    with pytest.raises(OptionError, match=message):
        conv2d_grad(V, K, G, wrt=wrt)


def test_gradients_of_a_generator():
    found = conv2d_grad(V, K, G, wrt=(f"d{letter}" for letter in "Kb"))
    assert found.input is None
    assert found == conv2d_grad(V, K, G, wrt="dK,db")


def test_tensors_to_compare_have_letters():
    dK = conv2d_grad(V, K, G, wrt="K").kernel
    (found,) = conv2d_compare(V, K, {"dK": dK}, G)
    assert (found.tensor, found.holds) == ("kernel", True)
