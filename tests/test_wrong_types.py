"""Arguments of types that no function takes are one-line errors of convcli's own, from every public function."""

import re

import numpy as np
import pytest

from convcli import (
    ConvcliError,
    Convolution,
    Execution,
    TransposedConvolution,
    conv2d,
    conv2d_check,
    conv2d_compare,
    conv2d_explain,
    conv2d_grad,
    conv2d_matrix,
    conv2d_plan,
    conv2d_transpose,
    filter_image,
    load_kernel,
    preset,
)

V, K, G = np.ones((1, 5, 6)), np.ones((3, 3)), np.ones((1, 3, 4))
CONVOLUTION = Convolution.of(K)
PREPARED = CONVOLUTION.at(V.shape, np.float64)
PLAN, GRADIENTS = PREPARED.plan(), PREPARED.plan_gradients()
TRANSPOSED = TransposedConvolution.of(K).at(G.shape, np.float64)

CALLS = {
    "load_kernel": load_kernel,
    "preset": preset,
    "V": lambda given: conv2d(given, K),
    "K": lambda given: conv2d(V, given),
    "G": lambda given: conv2d_grad(V, K, given),
    "wrt": lambda given: conv2d_grad(V, K, G, wrt=given),
    **{
        option: lambda given, option=option: conv2d(V, K, **{option: given})
        for option in ("stride", "padding", "dilation", "groups", "edge", "flip", "algorithm")
    },
    "input_shape of plan": lambda given: conv2d_plan(given, K),
    "input_shape of matrix": lambda given: conv2d_matrix(K, given),
    "at": lambda given: conv2d_explain(V, K, given),
    "of": lambda given: conv2d_explain(V, K, (0, 0, 0), of=given),
    "every": lambda given: conv2d_check(V, K, every=given),
    "theirs": lambda given: conv2d_compare(V, K, given),
    "tolerance": lambda given: conv2d_compare(V, K, {"Z": G}, tolerance=given),
    "output_padding": lambda given: conv2d_transpose(G, K, output_padding=given),
    "image": lambda given: filter_image(given, K),
    **{
        option: lambda given, option=option: filter_image(V, K, **{option: given})
        for option in ("range", "alpha", "gray", "unit", "linear", "format")
    },
    "Convolution": lambda given: Convolution(given, None, CONVOLUTION.options).at(V.shape, np.float64),
    "Convolution's bias": lambda given: Convolution(K, given, CONVOLUTION.options).at(V.shape, np.float64),
    "Convolution's options": lambda given: Convolution(K, None, given),
    "TransposedConvolution": TransposedConvolution,
    "Convolution.at": lambda given: CONVOLUTION.at(given, np.float64),
    "a float type": lambda given: CONVOLUTION.at(V.shape, given),
    "Prepared.plan": PREPARED.plan,
    "Prepared.convolve": lambda given: PREPARED.convolve(given, PLAN),
    "the plan of Z": lambda given: PREPARED.convolve(V, given),
    "the plan of stored Z": lambda given: PREPARED.store(V, given, print),
    "the plan of gradients": lambda given: PREPARED.gradients(V, G, given),
    "Prepared.gradients": lambda given: PREPARED.gradients(given, G, GRADIENTS),
    "Prepared.plan_gradients": lambda given: PREPARED.plan_gradients("kernel", given),
    "PreparedTransposed.plan": TRANSPOSED.plan,
    "PreparedTransposed.plan_gradients": lambda given: TRANSPOSED.plan_gradients("kernel", given),
    "the plan of a transposed Z": lambda given: TRANSPOSED.convolve(G, given),
    "the plan of a stored transposed Z": lambda given: TRANSPOSED.store(G, given, print),
    "the plan of transposed gradients": lambda given: TRANSPOSED.gradients(G, V, given),
    "Execution": Execution,
    "threads": lambda given: Execution(threads=given),
    "memory": lambda given: Execution(memory=given),
}
WRONG = [b"x", object(), {"a": 1}, {1, 2}, [None], len]
# These take None for their default, or nothing.
TAKE_NONE = ("output_padding", "Convolution's bias", "threads", "memory", "a float type")
NONE = [name for name in CALLS if name not in TAKE_NONE]


@pytest.mark.parametrize("given", WRONG, ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("name", CALLS)
def test_every_function_refuses(name, given):
    with pytest.raises(ConvcliError, match=r"^.{10,300}$"):
        CALLS[name](given)


@pytest.mark.parametrize("name", NONE)
def test_every_function_refuses_none(name):
    with pytest.raises(ConvcliError, match=r"^.{10,300}$"):
        CALLS[name](None)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("load_kernel", None, "expected the name, text or path of a kernel, given None"),
        ("load_kernel", b"box", "expected the name, text or path of a kernel, given b'box'"),
        ("preset", 3, "expected the name of a preset, given 3"),
        ("Convolution's options", {}, "options: expected Options, which Convolution.of makes, given {}"),
        ("Prepared.plan", "fft", "execution: expected an Execution, given 'fft'"),
        ("the plan of Z", GRADIENTS, "plan: expected the plan of this convolution, given "),
        ("the plan of a transposed Z", PLAN, "plan: expected the plan of this transposed convolution, given "),
        ("Prepared.convolve", V[0], "input V: expected the shape (1, 5, 6) that the convolution is for, given (5, 6)"),
        ("a float type", "int8", "dtype: expected float32 or float64, given 'int8'"),
        ("threads", True, "threads: expected an integer of at least 1, given True"),
        ("gray", "yes", "gray: expected True or False, given 'yes'"),
        ("stride", b"2", "stride: expected S or SY,SX, given b'2'"),
        ("wrt", 1, "wrt: expected names of gradients, given 1"),
    ],
)
def test_what_was_expected(name, given, message):
    with pytest.raises(ConvcliError, match=f"^{re.escape(message)}"):
        CALLS[name](given)


@pytest.mark.parametrize("given", [True, False, np.True_, 1, 0])
def test_true_and_false(given):
    assert np.array_equal(conv2d(V, np.eye(3), flip=given), conv2d(V, np.eye(3)))


# Options that take a word, a number or a few integers.
OPTIONS = [
    *("stride", "padding", "dilation", "groups", "edge", "flip", "algorithm", "of", "every", "tolerance"),
    *("output_padding", "range", "alpha", "gray", "unit", "linear", "format", "threads", "memory", "a float type"),
]


@pytest.mark.parametrize("given", [np.ones((2, 3)), np.zeros(0), "9" * 5000], ids=["matrix", "empty", "long"])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_refuses_arrays_and_long_text(name, given):
    """The message stays one line, although what was given is printed in several."""
    with pytest.raises(ConvcliError, match=r"^.{10,1500}$"):
        CALLS[name](given)


def test_an_array_without_axes_names_no_gradients():
    with pytest.raises(ConvcliError, match=r"^wrt: expected names of gradients, given array\('dK', dtype='<U2'\)$"):
        conv2d_grad(V, K, G, wrt=np.array("dK"))


def test_an_empty_bias_is_refused():
    with pytest.raises(ConvcliError, match=r"^bias: expected a number \(2-D kernel\), given shape \(0,\)$"):
        conv2d(V.astype(np.uint8), K, [])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d_plan(K, V.shape), "input_shape: expected H,W or C,H,W"),
        (lambda: conv2d_matrix(V.shape, K), "input_shape: expected H,W or C,H,W"),
        (lambda: conv2d_grad(V, G, K), "kernel K: expected rank 2"),
        (lambda: conv2d_compare(V, K, G, {"Z": G}), "theirs: expected tensors by name, given array"),
        (lambda: conv2d_explain(V, K, "Z"), "at: expected integers as in"),
        (lambda: conv2d_check(V, K, np.ones(1)), "upstream gradient G: expected the output's shape"),
        (lambda: conv2d_transpose(G, K, (5, 6)), "bias: expected a number"),
    ],
)
def test_arguments_in_another_order_are_refused(call, message):
    with pytest.raises(ConvcliError, match=f"^{message}"):
        call()
