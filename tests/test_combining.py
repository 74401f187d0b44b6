"""Several kernels' maps made into one output, against numpy and the plain loops of the definition."""

import re

import numpy as np
import pytest
from support.reference import assert_same, block_diagonal, conv2d
from support.requests import convolved, request_of, stored

from convcli.apply.combining import COMBINE_RULES, Combination
from convcli.engine import AUTOMATIC, Execution
from convcli.errors import GeometryError, OptionError

# No flip, transpose or shift of one is the same kernel.
FIRST = np.array([[1, 2, 4], [8, -16, 32], [64, 3, 5.0]])
SECOND = np.array([[-7, 1, 0], [2, 9, -3], [4, -6, 2.0]])
THIRD = np.array([[0, 5, -1], [3, -2, 8], [-9, 1, 6.0]])
OPTIONS = {"padding": "same", "edge": "reflect", "stride": (2, 1)}


def request(weights, name="kernel", bias=None, options=OPTIONS, execution=AUTOMATIC):
    return request_of(weights, bias, name=name, execution=execution, **options)


def image(*shape, dtype=np.float64):
    return np.random.default_rng(3).integers(0, 256, shape).astype(dtype)


def maps_of(V, weights, bias=0.0):
    """Of a 2-D kernel at stride (2, 1) with ``same`` pads of an input with an odd number of rows."""
    bank = block_diagonal(weights, len(V))
    return conv2d(V[np.newaxis], bank, (2, 1), (1, 1, 1, 1), (1, 1), 1, "reflect")[0] + bias


EXPECTED = {
    "magnitude": lambda maps: np.sqrt((maps**2).sum(0)),
    "sum-abs": lambda maps: np.abs(maps).sum(0),
    "max": lambda maps: maps.max(0),
    "sum": lambda maps: maps.sum(0),
    "mean": lambda maps: maps.sum(0) / len(maps),
}


def test_every_rule_has_its_formula():
    assert EXPECTED.keys() == COMBINE_RULES.keys()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("rule", COMBINE_RULES)
def test_rules(rule, count):
    V, kernels = image(3, 7, 9), (FIRST, SECOND, THIRD)[:count]
    combination = Combination([request(weights) for weights in kernels], rule)
    expected = EXPECTED[rule](np.stack([maps_of(V, weights) for weights in kernels]))
    for found in (convolved(combination, V), stored(combination, V)):
        if rule == "magnitude" and count > 2:
            # The root of the first two is rounded before the third joins.
            np.testing.assert_array_max_ulp(found, expected, 2)
        else:
            assert_same(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", ["large", "small"])
def test_magnitudes_whose_squares_are_out_of_range(scale, dtype):
    limits = np.finfo(dtype)
    unit = 2.0 ** (limits.maxexp // 2 + 9 if scale == "large" else limits.minexp // 2 - 9)
    # 3, 4 and 5 times the unit.
    V = (unit * image(1, 5, 8, dtype=dtype)).astype(dtype)
    combination = Combination([request([[3.0]]), request([[4.0]])], "magnitude")
    expected = conv2d(V[np.newaxis], np.array([[[[5.0]]]]), (2, 1), (0, 0, 0, 0), (1, 1), 1, "reflect")[0]
    np.testing.assert_array_max_ulp(convolved(combination, V), expected.astype(dtype), 2)


def test_each_kernel_has_its_bias():
    V = image(1, 5, 8)
    combination = Combination([request(FIRST, bias=1000), request(SECOND, bias=-30)], "max")
    assert_same(convolved(combination, V), np.maximum(maps_of(V, FIRST, 1000), maps_of(V, SECOND, -30)))


def test_signs_decide_which_is_largest():
    Z = convolved(Combination([request(np.array([[-1.0]])), request(np.array([[-2.0]]))], "max"), image(1, 5, 8))
    assert_same(Z, -image(1, 5, 8)[:, ::2])


def test_a_bank_and_a_kernel_of_every_channel():
    """Their maps are one shape, though parts of them lie on other axes."""
    V = image(3, 7, 9)
    both = [request(block_diagonal(FIRST, 3)), request(SECOND)]
    expected = maps_of(V, FIRST) + maps_of(V, SECOND)
    for requests in (both, both[::-1]):
        assert_same(convolved(Combination(requests, "sum"), V), expected)
        assert_same(stored(Combination(requests, "sum"), V), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_float32_where_the_maps_are(dtype):
    combination = Combination([request(FIRST), request(SECOND)], "magnitude")
    Z = convolved(combination, image(1, 5, 8, dtype=dtype))
    assert Z.dtype == np.float32
    np.testing.assert_allclose(Z, convolved(combination, image(1, 5, 8)), rtol=1e-6)


@pytest.mark.parametrize("rule", COMBINE_RULES)
def test_the_same_numbers_from_any_number_of_threads(rule):
    V = np.random.default_rng(4).normal(size=(3, 301, 203)).astype(np.float32)

    def combined(**options):
        execution = Execution(**options)
        requests = [request(weights, execution=execution) for weights in (FIRST, SECOND, THIRD)]
        return convolved(Combination(requests, rule), V)

    alone = combined(threads=1, memory=1 << 17)
    for threads in (2, 5):
        assert_same(combined(threads=threads, memory=1 << 17), alone)


def test_names_and_kernels_stay_in_order():
    combination = Combination([request(FIRST, "sobel-x"), request(SECOND, "sobel-y")], "sum")
    assert combination.name == "sobel-x+sobel-y"
    assert [each.name for each in combination.requests] == ["sobel-x", "sobel-y"]


def test_maps_of_two_shapes_are_refused():
    valid = {"padding": "valid"}
    requests = [request(FIRST, "small", options=valid), request(np.ones((5, 3)), "tall", options=valid)]
    message = (
        "`combine` takes kernels whose maps have one shape: small makes (3, 5, 7) and tall (3, 3, 7); "
        "use kernels of one size, or `padding` same"
    )
    with pytest.raises(GeometryError, match=f"^{re.escape(message)}$"):
        Combination(requests, "sum").at((3, 7, 9), np.dtype(float))


def test_one_kernel_is_refused():
    with pytest.raises(OptionError, match=r"^combine: mean takes at least 2 kernels, given 1: add a `kernel`$"):
        Combination([request(FIRST)], "mean")


def test_an_unknown_rule_is_refused():
    with pytest.raises(OptionError, match=r"^combine: expected magnitude, sum-abs, max, sum or mean, given 'product'$"):
        Combination([request(FIRST)] * 2, "product")
