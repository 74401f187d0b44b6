"""Values that hold arrays are compared, hashed, printed, copied and pickled."""

import copy
import pickle

import numpy as np
import pytest

import convcli
from convcli import (
    Convolution,
    Execution,
    Kernel,
    TransposedConvolution,
    conv2d_check,
    conv2d_compare,
    conv2d_explain,
    conv2d_grad,
    conv2d_matrix,
    conv2d_plan,
    conv2d_walk,
    filter_image,
    preset,
)

V = np.arange(192.0).reshape(3, 8, 8)
K = np.arange(54.0).reshape(2, 3, 3, 3)
G = np.ones((2, 6, 6))


def prepared(K):
    return Convolution.of(K, [1.0, 2.0]).at(V.shape, np.float64)


# A value of each public class, and of others that these hold, for a kernel.
VALUES = {
    "Kernel": lambda K: Kernel("bank", K, factors=((K[0, 0, 0], K[0, 0, :, 0]),)),
    "Convolution": lambda K: Convolution.of(K, [1.0, 2.0]),
    "TransposedConvolution": TransposedConvolution.of,
    "Prepared": prepared,
    "PreparedTransposed": lambda K: TransposedConvolution.of(K).at(G.shape, np.float64),
    "Gradients": lambda K: conv2d_grad(V, K, G),
    "Comparison": lambda K: conv2d_compare(V, K, {"Z": np.ones((2, 6, 6))})[0],
    "Check": lambda K: conv2d_check(V, K)[1],
    "Explanation": lambda K: conv2d_explain(V, K, (0, 1, 2)),
    "ConvolutionMatrix": lambda K: conv2d_matrix(K, V.shape),
    "FilteredImage": lambda K: filter_image(V, K[0, 0], format="npy"),
    "Walk": lambda K: conv2d_walk(V[:1], K[:1, :1]),
    "Plan": lambda K: prepared(K).plan(),
    "GradientPlan": lambda K: prepared(K).plan_gradients(),
    "Forecast": lambda K: conv2d_plan(V.shape, K),
    "Execution": lambda K: Execution(),
}
# These depend at most on the shape of K.
SAME = {"Plan", "GradientPlan", "Execution"}


@pytest.fixture(scope="module", params=VALUES)
def value(request):
    return VALUES[request.param](K)


def test_every_public_class_is_here():
    classes = {name for name in convcli.__all__ if isinstance(getattr(convcli, name), type)}
    errors = {name for name in classes if issubclass(getattr(convcli, name), Exception)}
    assert classes - errors <= set(VALUES)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_equal_and_has_the_same_hash(value, copied):
    other = copied(value)
    assert (value == other) is True
    assert (value != other) is False
    assert hash(value) == hash(other)
    assert len({value, other}) == 1


def test_a_value_of_other_numbers_differs(value):
    name = type(value).__name__
    other, same = VALUES[name](K + 1), name in SAME
    assert (value == other) is same
    assert (value != other) is not same


def test_a_value_is_printed_in_a_readable_line(value):
    """Shapes instead of numbers: a larger array makes no longer line."""
    text = repr(value)
    assert text.startswith(f"{type(value).__name__}(")
    assert "array(" not in text
    assert "\n" not in text
    assert len(text) < 700


def test_printed_values():
    assert repr(Kernel("mine", K)) == "Kernel(name='mine', weights=float64 (2, 3, 3, 3))"
    assert repr(preset("sobel-x")).endswith("factors=((float64 (3,), float64 (3,))))")
    gradients = conv2d_grad(V[:1], K[0, 0], G[:1], wrt="db,dV")
    assert repr(gradients) == "Gradients(input=float64 (1, 8, 8), bias=36.0)"
    assert repr(Convolution.of(K, stride=2, padding="same", edge="constant:3")) == (
        "Convolution(weights=float64 (2, 3, 3, 3), options=Options(stride=(2, 2), padding='same', dilation=(1, 1), "
        "groups=1, edge='constant:3.0', flip=False))"
    )


def test_nan_equals_nan():
    numbers = np.array([[1.0, np.nan]])
    assert Kernel("k", numbers) == Kernel("k", numbers.copy())
    assert conv2d_explain([[np.nan]], [[1.0]], (0, 0)) == conv2d_explain([[np.nan]], [[1.0]], (0, 0))


def test_values_of_other_kinds_differ():
    kernel = Kernel("k", np.ones((2, 2)))
    assert kernel != tuple(kernel)
    assert kernel != Kernel("k", np.ones((1, 4)))
    assert kernel != Kernel("k", np.ones((2, 2)), np.zeros(()))
    assert kernel != Kernel("other", np.ones((2, 2)))
