"""Compare dK, dV and db with plain loops and PyTorch's own answers, and check the identities of gradients."""

import json
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import pytest
from support import any_size, reference
from support.algorithms import INPUT_GRADIENTS, able, assert_agrees, each_kernel_gradient, gradients_plan
from support.geometries import BY_NAME, CASES, FILLS, TILED, WORKSPACES, Case, integers, operands, random_case
from support.reference import assert_adjoint, assert_same, block_diagonal, central_differences

from convcli import Gradients, conv2d, conv2d_grad, engine
from convcli.engine import KERNEL_GRADIENTS
from convcli.errors import GeometryError, OptionError
from convcli.names import WRT

each_case = pytest.mark.parametrize("case", CASES, ids=str)

PYTORCH = json.loads((Path(__file__).parent / "data" / "conv2d_grad_pytorch.json").read_text())["cases"]
SQUARE = Case("square", (2, 3, 6, 6), (4, 3, 3, 3))


@cache
def expected(case):
    return reference.conv2d_grad(*operands(case), **case.plain)


def assert_gradients(gradients, kernel, input_, bias, algorithm="auto"):
    assert_agrees(gradients.kernel, kernel, algorithm)
    assert_agrees(gradients.input, input_, algorithm)
    assert_same(gradients.bias, bias)


@each_kernel_gradient
@each_case
def test_bank(case, algorithm):
    gradients = any_size.conv2d_grad(*operands(case), **case.options, algorithm=algorithm)
    assert_gradients(gradients, *expected(case), algorithm)


@each_kernel_gradient
@each_case
def test_plane_kernel_sums_over_channels(case, algorithm):
    V, K, _ = operands(case)
    channels, options, plain = V.shape[1], case.options | {"groups": 1}, case.plain | {"groups": 1}
    G = integers((case.Z[0], channels, *case.Z[2:]), seed=3)
    dK, dV, db = reference.conv2d_grad(V, block_diagonal(K[0, 0], channels), G, **plain)
    gradients = any_size.conv2d_grad(V, K[0, 0], G, **options, algorithm=algorithm)
    assert_gradients(gradients, np.einsum("ccmn->mn", dK), dV, db.sum(), algorithm)


@pytest.mark.parametrize(("case", "algorithm"), INPUT_GRADIENTS, ids=str)
def test_input(case, algorithm):
    V, K, G = operands(case)
    dV = any_size.conv2d_grad(V, K, G, **case.options, algorithm=algorithm, wrt="input").input
    assert_agrees(dV, expected(case)[1], algorithm)


@pytest.mark.parametrize(
    ("algorithm", "memory"),
    [
        (name, memory)
        for memory in WORKSPACES
        for name in able(gradients_plan(TILED, WRT), KERNEL_GRADIENTS, memory=memory)
    ],
)
def test_tiles_change_nothing(algorithm, memory):
    options = TILED.options | {"algorithm": algorithm, "memory": memory}
    assert_gradients(any_size.conv2d_grad(*operands(TILED), **options), *expected(TILED), algorithm)


@each_case
def test_input_gradient_computes_exactly_what_it_fills(case, monkeypatch):
    convolve = engine.convolve

    def checked(G, weights, plan, out):
        assert out.shape == plan.first.work.geometry.output_blocks
        convolve(G, weights, plan, out)

    monkeypatch.setattr(engine, "convolve", checked)
    assert_same(conv2d_grad(*operands(case), **case.options, wrt="input").input, expected(case)[1])


@pytest.mark.parametrize("edge", FILLS)
def test_one_pixel_tiles_under_stride_and_dilation(edge):
    case = BY_NAME[f"everything-{edge}"]
    assert_gradients(conv2d_grad(*operands(case), **case.options, memory=1), *expected(case))


@each_kernel_gradient
@pytest.mark.parametrize("known", PYTORCH, ids=lambda known: known["name"].removeprefix("test_conv2d_"))
def test_known_answers_of_pytorch(known, algorithm):
    K = counting(np.shape(known["dw"]))
    V = counting((known["batch_size"], known["channels_in"], known["height"], known["width"]))
    words = ("stride", "padding", "dilation")
    options = {word: (known[f"{word}_1"], known[f"{word}_2"]) for word in words} | {"groups": known["groups"]}
    G = np.ones(conv2d(V, K, **options).shape)
    answers = (np.array(known[name]) for name in ("dw", "dx", "db"))
    assert_gradients(any_size.conv2d_grad(V, K, G, **options, algorithm=algorithm), *answers, algorithm)


def counting(shape):
    return np.arange(prod(shape), dtype=float).reshape(shape)


CROPPING = [Case("cropping", (1, 2, 60, 70), (1, 2, 3, 2), stride, (5, 4, 0, 7)) for stride in ((1, 1), (2, 3))]


@pytest.mark.parametrize(
    ("stride", "algorithm"),
    [(case.stride, name) for case in CROPPING for name in able(gradients_plan(case, "input"), memory=20_000)],
)
def test_an_input_gradient_that_crops_in_many_tiles(algorithm, stride):
    """If pads are wider than the kernel's reach, the convolution that gives dV crops G, and tiles inside are views."""
    V, K = integers((2, 60, 70), seed=1), integers((3, 2), seed=2)
    options = {"stride": stride, "padding": (5, 4, 0, 7), "wrt": "input"}
    G = integers(conv2d(V, K, stride=stride, padding=(5, 4, 0, 7)).shape, seed=3)
    whole = conv2d_grad(V, K, G, **options, algorithm="direct").input
    tiled = any_size.conv2d_grad(V, K, G, **options, algorithm=algorithm, memory=20_000).input
    assert_agrees(tiled, whole, algorithm)
    V_padded = np.pad(V, ((0, 0), (5, 4), (0, 7)))
    assert np.isclose(np.sum(whole * V), np.sum(G * conv2d(V_padded, K, stride=stride, algorithm="direct")))


@each_kernel_gradient
def test_a_long_sum_in_float32_keeps_its_digits(algorithm):
    """The rounding of three million float32 products per weight must not add up."""
    rng = np.random.default_rng(1)
    V, G = rng.random((1500, 2000), np.float32), rng.random((1500, 2000), np.float32)
    K = np.zeros((3, 2), np.float32)
    options = {"padding": "same", "wrt": "kernel", "algorithm": algorithm}
    exact = any_size.conv2d_grad(V, K, G, **options).kernel
    rounded = any_size.conv2d_grad(V, K, G, dtype=np.float32, **options).kernel
    assert rounded.dtype == np.float32
    assert np.abs(rounded - exact).max() <= 1e-6 * np.abs(exact).max()


def test_a_bias_gradient_of_many_images_in_float32_keeps_its_digits():
    G = np.random.default_rng(1).random((300_000, 4, 1, 1), np.float32)
    V, K = np.zeros((300_000, 1, 1, 1), np.float32), np.zeros((4, 1, 1, 1))
    db = conv2d_grad(V, K, G, dtype=np.float32, wrt="bias").bias
    assert db.dtype == np.float32
    assert np.allclose(db, G.sum(axis=(0, 2, 3), dtype=np.float64), rtol=1e-7, atol=0)


class TestIdentities:
    @each_kernel_gradient
    @pytest.mark.parametrize("case", [random_case(seed) for seed in range(25)], ids=str)
    def test_adjoints(self, case, algorithm):
        V, K, G = real_operands(case)
        Z = any_size.conv2d(V, K, **case.options, algorithm=algorithm)
        gradients = any_size.conv2d_grad(V, K, G, **case.options, algorithm=algorithm)
        assert_adjoint(G, Z, V, gradients.input)
        assert_adjoint(G, Z, K, gradients.kernel)

    @pytest.mark.parametrize("flip", [False, True])
    @pytest.mark.parametrize("edge", FILLS)
    def test_central_differences(self, edge, flip):
        case = BY_NAME[f"everything-{edge}"]
        V, K, G = operands(case)
        options, b = case.options | {"flip": flip}, integers(case.Z[1], seed=4)
        assert_gradients(
            conv2d_grad(V, K, G, bias=b, **options),
            central_differences(lambda K: np.vdot(G, conv2d(V, K, b, **options)), K),
            central_differences(lambda V: np.vdot(G, conv2d(V, K, b, **options)), V),
            central_differences(lambda b: np.vdot(G, conv2d(V, K, b, **options)), b),
        )

    @pytest.mark.parametrize("shape", [(), (4, 4, 4)], ids=["number", "untied"])
    def test_central_differences_of_other_biases(self, shape):
        V, K, G = operands(SQUARE)
        b = integers(shape, seed=4)
        differences = central_differences(lambda b: np.vdot(G, conv2d(V, K, b)), np.asarray(b))
        assert_same(conv2d_grad(V, K, G, bias=b).bias, differences)


def real_operands(case):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(shape) for shape in (case.V, case.K, case.Z))


class TestShapes:
    """A gradient has the shape of its parameter."""

    def test_default_bias(self):
        V, G = integers((2, 3, 4, 5), seed=1), integers((2, 3, 3, 3), seed=3)
        plane = conv2d_grad(V, integers((2, 3), seed=2), G).bias
        assert_same(plane, np.asarray(G.sum()))
        assert_same(conv2d_grad(V, integers((3, 3, 2, 3), seed=2), G).bias, G.sum(axis=(0, 2, 3)))

    @pytest.mark.parametrize(
        ("bias", "repeated"),
        [(0, (0, 1, 2, 3)), (np.zeros(6), (0, 2, 3)), (np.zeros((6, 3, 4)), 0)],
        ids=["number", "per-channel", "untied"],
    )
    @pytest.mark.parametrize("groups", [1, 2])
    def test_bias(self, bias, repeated, groups):
        V, K = integers((5, 4, 4, 6), seed=1), integers((6, 4 // groups, 2, 3), seed=2)
        G = integers((5, 6, 3, 4), seed=3)
        db = conv2d_grad(V, K, G, bias=bias, groups=groups).bias
        assert_same(db, np.asarray(G.sum(axis=repeated)))

    @pytest.mark.parametrize("leading", [(), (3,), (2, 3)], ids=str)
    @pytest.mark.parametrize("K_shape", [(2, 3), (5, 4, 2, 3)], ids=["plane", "bank"])
    def test_leading_axes_are_kept_in_dV_and_summed_over_in_dK_and_db(self, leading, K_shape):
        V, K = integers((*leading, 4, 5, 7), seed=1), integers(K_shape, seed=2)
        G = integers(conv2d(V, K).shape, seed=3)
        each = [conv2d_grad(V[image], K, G[image]) for image in np.ndindex(*leading)]
        dV = np.array([one.input for one in each]).reshape(V.shape)
        kernel, bias = (np.sum([getattr(one, name) for one in each], axis=0) for name in ("kernel", "bias"))
        assert_gradients(conv2d_grad(V, K, G), kernel, dV, np.asarray(bias))

    def test_image_without_channels(self):
        V, K, G = integers((5, 7), seed=1), integers((3, 2), seed=2), integers((3, 6), seed=3)
        bank = conv2d_grad(V[None], K[None, None], G[None])
        assert_gradients(conv2d_grad(V, K, G), bank.kernel[0, 0], bank.input[0], bank.bias.reshape(()))

    def test_untouched_rows_and_columns_have_no_gradient(self):
        K, G = 2.0 ** np.arange(12).reshape(1, 2, 3, 2), 3.0 ** np.arange(9).reshape(1, 3, 3)
        dV = conv2d_grad(np.zeros((2, 8, 10)), K, G, stride=(2, 3)).input
        touched = np.zeros((8, 10), bool)
        touched[:7, [0, 1, 3, 4, 6, 7]] = True
        assert_same(dV != 0, np.array([touched, touched]))

    @pytest.mark.parametrize("case", [SQUARE, BY_NAME["everything-reflect"]], ids=str)
    def test_flip_is_with_respect_to_the_kernel_as_given(self, case):
        V, K, G = operands(case)
        dK, dV, db = reference.conv2d_grad(V, K[..., ::-1, ::-1], G, **case.plain)
        assert_gradients(conv2d_grad(V, K, G, **case.options, flip=True), dK[..., ::-1, ::-1], dV, db)


class TestRequest:
    @pytest.mark.parametrize(
        ("wrt", "names"),
        [
            (("kernel",), {"kernel"}),
            (["input"], {"input"}),
            (("bias", "kernel"), {"bias", "kernel"}),
            ({"input", "bias"}, {"input", "bias"}),
            (("bias", "bias"), {"bias"}),
            ("kernel", {"kernel"}),
            ("input,bias", {"input", "bias"}),
        ],
        ids=lambda names: str(sorted(names) if isinstance(names, set) else names),
    )
    def test_only_what_is_asked_for(self, wrt, names):
        V, K, G = operands(SQUARE)
        full, part = conv2d_grad(V, K, G)._asdict(), conv2d_grad(V, K, G, wrt=wrt)._asdict()
        assert {name for name, gradient in part.items() if gradient is not None} == set(names)
        for name in names:
            assert_same(part[name], full[name])

    @pytest.mark.parametrize(
        ("wrt", "given"), [(["kernel", "weights"], "'weights'"), ("input,G", "'G'"), ("", "''"), ([None], "None")]
    )
    def test_unknown_parameters_are_refused(self, wrt, given):
        with pytest.raises(OptionError, match=f"^wrt: expected dK, dV, db, kernel, .* or b, given {given}$"):
            conv2d_grad(*operands(SQUARE), wrt=wrt)

    @pytest.mark.parametrize("stored", ["uint8", "int16", "float32", "int64", "float64"])
    @pytest.mark.parametrize(
        ("requested", "computed"), [({}, "float64"), ({"dtype": "float32"}, "float32")], ids=["default", "float32"]
    )
    def test_types(self, stored, requested, computed):
        V, K, G = operands(SQUARE)
        V = abs(V)
        gradients = conv2d_grad(V.astype(stored), K, G, **requested)
        assert {gradients.kernel.dtype, gradients.input.dtype, gradients.bias.dtype} == {np.dtype(computed)}
        assert_gradients(gradients, *reference.conv2d_grad(V, K, G, **SQUARE.plain))

    def test_integers_do_not_overflow(self):
        V, K, G = np.full((1, 2, 2), 255, np.uint8), np.array([[[[1, 2]]]], np.uint8), np.full((1, 2, 1), 255, np.uint8)
        dV = np.array([[[255.0, 510.0], [255.0, 510.0]]])
        assert_gradients(conv2d_grad(V, K, G), np.full((1, 1, 1, 2), 130050.0), dV, np.array([510.0]))

    @pytest.mark.parametrize(
        ("G_shape", "shown"), [((2, 4, 4, 3), r"\(2, 4, 4, 3\)"), ((4, 4, 4), r"\(4, 4, 4\)"), ((), r"\(\)")]
    )
    def test_upstream_of_another_shape_is_refused(self, G_shape, shown):
        V, K, _ = operands(SQUARE)
        message = rf"^upstream gradient G: expected the output's shape \(2, 4, 4, 4\), given {shown}$"
        with pytest.raises(GeometryError, match=message):
            conv2d_grad(V, K, np.ones(G_shape))

    def test_operands_are_left_alone(self):
        V, K, G = operands(BY_NAME["everything-wrap"])
        V.flags.writeable = K.flags.writeable = G.flags.writeable = False
        gradients = conv2d_grad(V, K, G, **BY_NAME["everything-wrap"].options, flip=True)
        assert gradients.kernel.flags.writeable
        assert gradients.input.flags.writeable


class TestTheOracles:
    """The comparisons detect one entry that is wrong by 0.1 %, and a transposed G."""

    def test_gradients_object_starts_empty(self):
        assert Gradients() == Gradients(None, None, None)

    @pytest.mark.parametrize("name", ["kernel", "input", "bias"])
    def test_reference_catches_one_wrong_entry(self, name):
        wrong = gradients_of(SQUARE)
        one_entry_off(wrong[name])
        with pytest.raises(AssertionError, match=r"^1 entries differ, first \(.*\): .*, expected"):
            assert_gradients(Gradients(**wrong), *expected(SQUARE))

    def test_reference_catches_a_transposed_upstream(self):
        V, K, G = operands(SQUARE)
        with pytest.raises(AssertionError, match="entries differ"):
            assert_gradients(conv2d_grad(V, K, G.swapaxes(-1, -2)), *expected(SQUARE))

    def test_reference_catches_another_shape(self):
        with pytest.raises(AssertionError, match=r"^shape \(3,\), expected \(3, 1\)"):
            assert_same(np.zeros(3), np.zeros((3, 1)))

    @pytest.mark.parametrize("name", ["kernel", "input"])
    def test_adjoint_identity_catches_one_wrong_entry(self, name):
        V, K, G = operands(SQUARE)
        wrong = gradients_of(SQUARE)[name]
        one_entry_off(wrong)
        with pytest.raises(AssertionError, match=r"^<G, Z> = .*, but <gradient, parameter> = "):
            assert_adjoint(G, conv2d(V, K), {"kernel": K, "input": V}[name], wrong)

    def test_adjoint_identity_catches_a_transposed_upstream(self):
        V, K, G = operands(SQUARE)
        wrong = conv2d_grad(V, K, G.swapaxes(-1, -2)).input
        with pytest.raises(AssertionError, match=r"^<G, Z> = .*, but <gradient, parameter> = "):
            assert_adjoint(G, conv2d(V, K), V, wrong)

    def test_central_differences_catch_one_wrong_entry(self):
        V, K, G = operands(SQUARE)
        wrong = gradients_of(SQUARE)["kernel"]
        one_entry_off(wrong)
        with pytest.raises(AssertionError, match="1 entries differ"):
            assert_same(wrong, central_differences(lambda K: np.vdot(G, conv2d(V, K)), K))


def gradients_of(case):
    return conv2d_grad(*operands(case), **case.options)._asdict()


def one_entry_off(gradient):
    gradient.flat[np.argmax(gradient)] *= 1.001
