"""Whole numbers stay whole under ``auto``, whatever algorithm is the fastest."""

import re

import numpy as np
import pytest
from support.algorithms import EXACT_GRADIENTS, FACTORED, each_named
from support.any_size import ANY_SIZE
from support.command_line import convcli, succeed
from support.geometries import geometry_of

from convcli import conv2d, conv2d_grad, conv2d_plan, conv2d_transpose, filter_image
from convcli.convolution.forecast import forecast_to_json
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution, Limits, Plan, Traits, Workload, choose_convolution
from convcli.engine.execution import MEMORY
from convcli.engine.plan import Pass
from convcli.engine.sub_kernels import sub_kernels
from convcli.errors import OptionError
from convcli.kernels.presets import preset

RANK_2 = np.outer([1, 2, 3, 4, 5, 4, 3, 2, 1], [1, 0, 2, 0, 3, 0, 2, 0, 1]) + np.outer(
    [1, -1] * 4 + [1], [2, 1] * 4 + [5]
)
PHOTO = (3, 3000, 4000)


def sums(V, K):
    """Return Z by sums of integers, without padding."""
    rows, columns = V.shape[-2] - K.shape[0] + 1, V.shape[-1] - K.shape[1] + 1
    V = V.astype(np.int64)
    return sum(int(weight) * V[..., m : m + rows, n : n + columns] for (m, n), weight in np.ndenumerate(K))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(31, 31), (25, 33)], ids=str)
def test_a_large_kernel_of_full_rank(dtype, shape):
    rng = np.random.default_rng(1)
    V, K = rng.integers(0, 128, (1, 230, 240)).astype(dtype), rng.integers(-9, 10, shape)
    assert np.array_equal(conv2d(V, K), sums(V, K))


@each_named(sorted(EXACT_GRADIENTS))
@pytest.mark.parametrize("stored", [np.uint16, np.int16])
def test_16_bits_by_large_weights(stored, algorithm):
    rng, range_ = np.random.default_rng(3), np.iinfo(stored)
    V = rng.integers(range_.min, range_.max + 1, (2, 20, 30)).astype(stored)
    K = np.outer(rng.integers(-(2**10), 2**10, 5), rng.integers(-(2**10), 2**10, 3))
    assert np.array_equal(conv2d(V, K, algorithm=algorithm), sums(V, K))
    G = rng.integers(-(2**20), 2**20, (2, 16, 28))
    gradients = conv2d_grad(V, K, G, algorithm=algorithm)
    windows = [[V[:, m : m + 16, n : n + 28].astype(np.int64) for n in range(3)] for m in range(5)]
    assert np.array_equal(gradients.kernel, [[(G * window).sum() for window in row] for row in windows])
    padded = np.pad(G, ((0, 0), (4, 4), (2, 2)))
    assert np.array_equal(gradients.input, sums(padded, K[::-1, ::-1]))
    assert gradients.bias == G.sum()


def test_16_bits_in_pads_of_a_large_constant():
    V = np.array([[[65535, 3]]], np.uint16)
    assert conv2d(V, np.ones((3, 1)), padding=(1, 0), edge="constant:16777217").tolist() == [[[33619969.0, 33554437.0]]]


def rounded_plan(prepared, algorithm, memory=MEMORY):
    """Return the plan of an algorithm that computes in float64 and rounds, as ``auto`` would choose it."""
    (part,) = sub_kernels(prepared.geometry, MEMORY)
    factors = prepared.kernel.factors(np.dtype(np.float64)) if algorithm in FACTORED else None
    work = Workload(prepared.geometry, prepared.dtype, memory, factors.traits if factors else Traits(), ANY_SIZE, True)
    choice = choose_convolution(work, algorithm)
    assert choice.estimate.rounded
    return Plan((Pass(part, choice),), Execution())


@pytest.mark.parametrize("stored", [np.uint8, np.float32])
@each_named(["fft", *sorted(FACTORED)])
def test_planes_are_rounded(algorithm, stored):
    V = np.random.default_rng(2).integers(0, 256, (3, 60, 70)).astype(stored)
    prepared = Convolution.of(RANK_2).at(V.shape, np.float32)
    assert np.array_equal(prepared.convolve(V, rounded_plan(prepared, algorithm)), sums(V, RANK_2))


@pytest.mark.parametrize("stored", [np.uint8, np.float32])
@pytest.mark.parametrize("algorithm", ["fft", "winograd"])
def test_banks_are_rounded(algorithm, stored):
    rng = np.random.default_rng(2)
    V, K = rng.integers(0, 256, (3, 40, 50)).astype(stored), rng.integers(-9, 10, (2, 3, 3, 3))
    prepared = Convolution.of(K).at(V.shape, np.float32)
    expected = [sum(map(sums, V, kernels)) for kernels in K]
    assert np.array_equal(prepared.convolve(V, rounded_plan(prepared, algorithm)), expected)


@pytest.mark.parametrize("memory", [1 << 20, MEMORY])
def test_only_windows_of_whole_numbers_are_rounded(memory):
    V = np.random.default_rng(3).integers(0, 256, (1, 50, 60)).astype(np.float32)
    V[0, 20, 30] += 0.25
    exact = conv2d(V, RANK_2, dtype=np.float64, algorithm="direct")
    prepared = Convolution.of(RANK_2).at(V.shape, np.float32)
    Z = prepared.convolve(V, rounded_plan(prepared, "fft", memory))
    assert np.array_equal(np.rint(Z) == Z, exact == np.rint(exact))
    assert np.abs(Z - exact).max() < 1e-3


def test_a_plan_says_that_it_rounds():
    convolution = Convolution.of(np.random.default_rng(0).integers(-9, 10, (31, 31)), padding="same")
    # Compiled loops that earlier tests loaded would be faster than rounding.
    choice = convolution.at(PHOTO, np.float32).plan(Execution(limits=Limits(compiled=False))).first
    assert (choice.algorithm, choice.estimate.exact, choice.estimate.rounded) == ("fft", True, True)
    assert (choice.work.dtype, choice.computed.dtype) == (np.float32, np.float64)


def test_weights_with_fractions_are_computed_as_fast_as_they_can_be():
    choice = conv2d_plan(PHOTO, np.random.default_rng(0).random((31, 31)), padding="same").output.first
    assert (choice.algorithm, choice.estimate.exact, choice.estimate.rounded) == ("fft", False, False)
    assert choice.computed.dtype == np.float32


def test_a_requested_algorithm_rounds():
    K = np.random.default_rng(0).integers(-9, 10, (31, 31))
    choice = conv2d_plan(PHOTO, K, padding="same", algorithm="fft").output.first
    assert (choice.estimate.exact, choice.estimate.rounded) == (False, False)


def test_exact_algorithms_need_no_rounding():
    geometry, limits = geometry_of(PHOTO, (5, 5), padding="same"), Limits(compiled=False)
    work = Workload(geometry, np.dtype(np.float32), MEMORY, Traits(5), limits, whole=True)
    choice = choose_convolution(work)
    assert (choice.algorithm, choice.estimate.rounded, choice.computed) == ("toeplitz", False, work)


class TestTypes:
    """Float64 is the default where float32 may not hold the sums of whole weights, or the weights at all."""

    @pytest.mark.parametrize(
        ("stored", "K", "bias", "computed"),
        [
            (np.uint16, np.ones((16, 16)), None, np.float32),
            (np.uint16, np.ones((16, 16)), 255, np.float32),
            (np.uint16, np.ones((16, 16)), 256, np.float64),
            (np.uint16, np.ones((31, 31)), None, np.float64),
            (np.uint16, np.ones((31, 31)) / 961, None, np.float32),
            (np.uint16, [[256, -1]], None, np.float64),
            (np.int16, np.ones((22, 23)), None, np.float32),
            (np.int16, -np.ones((22, 24)), None, np.float64),
            (np.uint8, np.full((31, 31), 99), None, np.float32),
            (np.uint16, np.ones((2, 4, 8, 7)), None, np.float32),
            (np.uint16, np.ones((2, 4, 8, 9)), None, np.float64),
            (np.float32, [[3e38, 0.5]], None, np.float32),
            (np.float32, [[4e38, 0.5]], None, np.float64),
            (np.float32, [[1, 2]], -1e39, np.float64),
            (np.uint8, [[3e38, 0.5]], None, np.float64),
            (np.uint8, [[1e-39, -1e-45]], None, np.float64),
            (np.uint8, [[1e-39, 1e-37]], None, np.float32),
            (np.uint8, [[0, 0]], None, np.float32),
            (np.float32, [[np.inf, 1]], None, np.float32),
            (np.uint8, np.full((2, 3), 1e35), None, np.float32),
            (np.uint8, np.full((20, 30), 1e35), None, np.float64),
            (np.float32, [[1, 1e-50]], None, np.float32),
            (np.float32, np.array([[1, 2]], np.float32), np.float32(1e-40), np.float32),
            (np.float32, [[1, 2]], 1e-50, np.float64),
            (np.uint8, [[[[1.0]]], [[[1e-50]]]], [0, 0], np.float64),
            (np.uint8, [[[[1.0, 1e-50]]], [[[2, 0]]]], [0, 1e-9], np.float32),
        ],
    )
    def test_default(self, stored, K, bias, computed):
        assert Convolution.of(K, bias).computing_type(np.dtype(stored)) == computed
        channels = np.shape(K)[1] if np.ndim(K) == 4 else 1
        assert conv2d(np.ones((channels, 40, 40), stored), K, bias).dtype == computed

    @pytest.mark.parametrize(
        ("K", "options", "beyond"),
        [
            ([[1e-50]], {}, "a weight of 1e-50"),
            ([[[[1.0]]], [[[-1e39]]]], {}, r"a weight of 1e\+39"),
            ([[1]], {"bias": -1e300}, r"a bias of -1e\+300"),
            ([[1]], {"edge": "constant:1e-42"}, "an edge fill of 1e-42"),
            ([[1]], {"edge": "constant:-1e300"}, r"an edge fill of -1e\+300"),
        ],
    )
    def test_requested_float32_that_cannot_hold_a_number_is_refused(self, K, options, beyond):
        V = np.ones((1, 3, 3), np.float32)
        message = rf"^dtype: float32 cannot hold {beyond}: expected float64, or no `dtype`$"
        for compute in (
            lambda dtype: conv2d(V, K, **options, dtype=dtype),
            lambda dtype: conv2d_grad(V, K, np.ones((len(K), 3, 3)), **options, dtype=dtype),
            lambda dtype: conv2d_plan("1,3,3", K, **options, dtype=dtype),
        ):
            with pytest.raises(OptionError, match=message):
                compute("float32")
        assert conv2d(V, K, **options).dtype == np.float64
        assert conv2d(V, K, **options, dtype=np.uint8).dtype == np.uint8

    def test_a_transposed_convolution(self):
        V = np.ones((1, 3, 3), np.float32)
        assert conv2d_transpose(V, [[1]], 1e300).dtype == np.float64
        assert conv2d_transpose(V, [[1e-50]]).max() == 1e-50
        with pytest.raises(OptionError, match=r"^dtype: float32 cannot hold a bias of 1e-50: expected float64"):
            conv2d_transpose(V, [[1]], 1e-50, dtype="float32")

    @pytest.mark.parametrize("number", [1e300, 1e-50])
    def test_requested_float32_that_cannot_hold_V_or_G_is_refused(self, number, tmp_path):
        ones, V, K = np.ones((1, 3, 3)), np.zeros((1, 3, 3)), np.ones((1, 1, 1, 1))
        V[0, 1, 1] = -number
        for symbol, compute in (
            ("V", lambda dtype: conv2d(V, K, dtype=dtype)),
            ("V", lambda dtype: conv2d_transpose(V, K, dtype=dtype)),
            ("V", lambda dtype: conv2d_grad(V, K, ones, dtype=dtype)),
            ("G", lambda dtype: conv2d_grad(ones, K, V, dtype=dtype)),
        ):
            with pytest.raises(OptionError, match=re.escape(f"dtype: float32 cannot hold -{number:g} in {symbol}: ")):
                compute("float32")
            compute("float64")
        assert conv2d(np.array([[np.inf, 1e-50, 1]]), K[0, 0], dtype="float32").tolist() == [[np.inf, 0, 1]]
        np.save(tmp_path / "V.npy", V)
        result = convcli("apply", "V.npy", "-k", "box", "--dtype", "float32", cwd=tmp_path)
        message = f"--dtype: float32 cannot hold -{number:g} in V: expected float64, or no --dtype"
        assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")

    def test_what_cancels_needs_float64(self):
        y, x = np.mgrid[:400, :500]
        V, K = (150 + 100 * np.sin(x / 150) + 80 * np.cos(y / 130)).astype(np.float32), preset("laplacian").weights
        exact = conv2d(V, K, algorithm="direct", dtype="float64")

        def error(algorithm, dtype):
            return np.abs(conv2d(V, K, algorithm=algorithm, dtype=dtype) - exact).max() / np.abs(exact).max()

        for algorithm in ("toeplitz", "direct", "separable"):
            assert 1e-3 < error(algorithm, "float32") < 0.05
            assert error(algorithm, "float64") < 1e-9

    @pytest.mark.parametrize("command", ["check", "explain --at 0,0", "matrix", "grad", "apply", "plan"])
    def test_every_command_takes_float64(self, command, tmp_path):
        name, *more = command.split()
        words = (name, "[[1,2],[3,4]]", "-k", "[[1,2]]", *more, "--dtype")
        if name == "plan":
            words = ("plan", "--input-shape", "2,2", *words[2:])
        elif name == "matrix":
            words = ("matrix", "--input-shape", "2,2", *words[2:])
        assert succeed(*words, "float64", cwd=tmp_path)
        if name in ("check", "explain", "matrix"):
            result = convcli(*words, "float32", cwd=tmp_path)
            message = "--dtype: this command always computes in float64: expected float64, given float32"
            assert (result.code, result.err) == (2, f"convcli: error: {message}\n")

    def test_the_plan_says_why(self, tmp_path):
        arguments = ("plan", "--input-shape", "1,3,3", "-k", "[[1]]", "--bias", "1e300")
        assert (
            "computed in float64, because float32 cannot hold a bias of 1e+300\n"
            in succeed(*arguments, cwd=tmp_path).decode()
        )
        found = forecast_to_json(conv2d_plan("1,3,3", [[1e-50]]))
        assert (found["dtype"], found["beyond_float32"]) == ("float64", "a weight of 1e-50")
        assert forecast_to_json(conv2d_plan("1,3,3", [[1]]))["beyond_float32"] is None
        result = convcli(*arguments, "--dtype", "float32", cwd=tmp_path)
        assert (result.code, result.err) == (
            2,
            "convcli: error: --dtype: float32 cannot hold a bias of 1e+300: expected float64, or no --dtype\n",
        )

    def test_requested(self):
        V, K = np.ones((40, 40), np.uint16), np.ones((31, 31))
        assert conv2d(V, K, dtype=np.float32).dtype == np.float32
        assert conv2d(V.astype(np.uint8), K, dtype=np.float64).dtype == np.float64

    def test_sums_of_16_bits_are_exact(self):
        V = np.random.default_rng(0).integers(0, 65536, (1, 60, 50), np.uint16)
        for K in (np.ones((31, 31)), np.random.default_rng(1).integers(-99, 100, (25, 29))):
            assert np.array_equal(conv2d(V, K), sums(V, K))

    def test_of_a_filtered_image(self):
        V = np.full((1, 40, 40), 65535, np.uint16)
        assert filter_image(V, np.ones((31, 31)), format="npy").maps.values.dtype == np.float64
        assert filter_image(V, np.ones((31, 31)), format="npy", unit=True).maps.values.dtype == np.float32
        assert filter_image(V, np.ones((31, 31)), format="npy", dtype="float32").maps.values.dtype == np.float32

    def test_from_the_command_line(self, tmp_path):
        np.save(tmp_path / "V.npy", np.full((1, 9, 9), 0.1, np.float32))
        succeed("apply", "V.npy", "-k", "box", "--dtype", "float64", "-o", "Z.npy", cwd=tmp_path)
        assert np.load(tmp_path / "Z.npy").dtype == np.float64
        succeed("grad", "V.npy", "-k", "box", "--dtype", "float32", "--wrt", "dK", "-o", "dK.npy", cwd=tmp_path)
        assert np.load(tmp_path / "dK.npy").dtype == np.float32

    @pytest.mark.parametrize("command", ["apply", "grad", "plan"])
    def test_other_types_are_refused(self, command, tmp_path):
        np.save(tmp_path / "V.npy", np.ones((1, 9, 9)))
        result = convcli(command, "V.npy", "-k", "box", "--dtype", "float16", cwd=tmp_path)
        assert result.code == 2
        assert "--dtype: expected float32 or float64, given 'float16'" in result.err
