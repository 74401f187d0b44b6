"""The checker itself: correct gradients hold, and planted errors are found."""

import numpy as np
import pytest
from support.geometries import BY_NAME, FILLS, Case, integers

from convcli import conv2d, conv2d_check
from convcli.check.gradcheck import LIMIT, SAMPLE, check_gradients, checks_to_json
from convcli.convolution.prepared import Convolution, Prepared
from convcli.errors import GeometryError, OptionError
from convcli.geometry.fills import EdgeFill

CASE = Case("check", (1, 4, 7, 8), (6, 2, 3, 2), (2, 1), (2, 0, 1, 3), (1, 2), groups=2, edge="reflect")
CASES = [
    *(BY_NAME[f"everything-{edge}"] for edge in FILLS),
    BY_NAME["stride-remainder"],
    Case("tiled", (1, 4, 7, 8), (6, 2, 3, 2, 3, 2), (2, 1), (2, 0, 1, 3), (1, 2), groups=2, edge="wrap"),
]


def prepared(case, *, plane=False, flip=False, bias=None):
    """Return the convolution of one image of a case, V and a random G."""
    draw = np.random.default_rng(0).standard_normal
    V, K = draw(case.V[1:]), draw(case.K[-2:] if plane else case.K)
    options = case.options | {"groups": 1 if plane else case.groups}
    G = draw(conv2d(V, K, **options).shape)
    return Convolution.of(K, bias, flip=flip, **options).at(V.shape, np.float64), V, G


def checked(convolution, V, G, **options):
    return list(check_gradients(convolution, V, G, **({"every": True} | options)))


@pytest.mark.parametrize("flip", [False, True], ids=["correlation", "convolution"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_correct_gradients_hold(case, flip):
    checks = checked(*prepared(case, flip=flip, bias=integers(case.K[:1], seed=4)))
    assert [check.tensor for check in checks] == ["output", "kernel", "input", "bias", "kernel", "input"]
    assert all(check.holds for check in checks), checks


def test_an_empty_batch_has_nothing_to_check():
    with pytest.raises(GeometryError, match=r"^input V: expected numbers to check, given shape \(0, 1, 4, 4\)$"):
        conv2d_check(np.ones((0, 1, 4, 4)), np.ones((2, 2)))


def test_2d_kernels_and_untied_biases_hold():
    assert all(check.holds for check in checked(*prepared(CASE, plane=True, bias=np.array(2.0))))
    untied = integers(prepared(CASE)[2].shape, seed=4)
    assert all(check.holds for check in checked(*prepared(CASE, bias=untied)))


def test_rounding_of_large_numbers_is_no_error():
    convolution, V, G = prepared(CASE)
    assert all(check.holds for check in checked(convolution, 1e9 * V, 1e-6 * G))


@pytest.mark.parametrize("edge", ["constant:1e9", "constant:-1e15"])
def test_rounding_beside_large_constants_in_the_pads_is_no_error(edge):
    case = CASE._replace(edge=edge)
    assert all(check.holds for check in checked(*prepared(case, bias=integers((6,), seed=4))))


@pytest.mark.parametrize(("V_scale", "K_scale"), [(1e300, 1), (1e-300, 1), (0, 1), (1, 1e12), (1, 0)])
def test_numbers_near_the_limits_of_float64_hold(V_scale, K_scale):
    convolution, V, G = prepared(CASE)
    scaled = convolution.with_parameters(K_scale * convolution.convolution.weights, None)
    assert all(check.holds for check in checked(scaled, V_scale * V, G))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(number):
    convolution, V, G = prepared(CASE)
    V[1, 2, 3] = number
    message = rf"^input V: expected finite numbers to compute differences, given {number} at \[1,2,3\]$"
    with pytest.raises(OptionError, match=message):
        checked(convolution, V, G)


def planted(change):
    """Return a function that computes gradients, with some of them changed."""

    def differentiate(convolution, V, G):
        gradients = convolution.gradients(V, G, convolution.plan_gradients())
        return gradients._replace(**change(gradients))

    return differentiate


def one_entry_off(name, at, by=1e-5):
    def change(gradients):
        tensor = getattr(gradients, name).copy()
        tensor[at] += by
        return {name: tensor}

    return change


PLANTED = {
    "an entry of dK": (one_entry_off("kernel", (3, 1, 2, 0)), {("kernel", "central differences of J")}),
    "an entry of dV": (one_entry_off("input", (2, 3, 4)), {("input", "central differences of J")}),
    "an entry of db": (one_entry_off("bias", 4), {("bias", "central differences of J")}),
    "NaN": (one_entry_off("kernel", (0, 0, 0, 0), np.nan), {("kernel", "central differences of J")}),
    "flipped": (lambda found: {"kernel": found.kernel[..., ::-1, ::-1]}, {("kernel", "central differences of J")}),
    "averaged": (lambda found: {"input": found.input / 30}, {("input", "central differences of J")}),
}


@pytest.mark.parametrize(("change", "expected"), PLANTED.values(), ids=PLANTED)
def test_planted_errors_are_found(change, expected):
    checks = checked(*prepared(CASE, bias=integers((6,), seed=4)), differentiate=planted(change))
    failed = {(check.tensor, check.reference) for check in checks if not check.holds}
    sums = {"kernel": "<dK, K>", "input": "<dV, V>"}
    identities = {(name, f"<G, conv(V, K)> = {sums[name]}") for name, _ in expected if name in sums}
    assert failed == expected | identities


def test_the_worst_entry_is_named():
    convolution, V, G = prepared(CASE)
    checks = checked(convolution, V, G, differentiate=planted(one_entry_off("kernel", (3, 1, 2, 0), by=0.25)))
    (found,) = [check for check in checks if check.tensor == "kernel" and check.indices]
    assert found.worst == (3, 1, 2, 0)
    assert abs(found.absolute - 0.25) < 1e-12
    assert found.relative > LIMIT


def test_a_sample_includes_the_first_and_the_last_entry():
    checks = checked(*prepared(CASE), every=False)
    for check, shape in zip(checks[:3], [prepared(CASE)[2].shape, CASE.K, CASE.V[1:]], strict=True):
        assert (check.samples, len(set(check.indices)), check.size) == (SAMPLE, SAMPLE, np.prod(shape))
        assert check.indices[0] == (0,) * len(shape)
        assert check.indices[-1] == tuple(size - 1 for size in shape)


def test_a_wrong_output_is_found():
    convolution, V, G = prepared(CASE)

    class Wrong(Prepared):
        def convolve(self, V, plan, **options):
            return super().convolve(V[..., ::-1, :], plan, **options)

    checks = checked(Wrong(*convolution), V, G)
    assert not next(check for check in checks if check.tensor == "output").holds


def test_json_says_whether_all_checks_hold():
    checks = checked(*prepared(CASE, bias=np.array(1.0)), every=False)
    document = checks_to_json(checks, EdgeFill("wrap"))
    assert (document["holds"], document["limit"], len(document["checks"])) == (True, LIMIT, 6)
    assert document["edge"] == "wrap"
    assert document["checks"][3]["indices"] == ((),)
