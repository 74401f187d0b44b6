"""Compare Z with the plain loops, with scipy, and under every choice that must not change it."""

import tracemalloc
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage, signal
from support import any_size, reference
from support.algorithms import (
    BANKS,
    EXACT,
    FACTORED,
    IN_WORKSPACES,
    MISSING,
    PLANES,
    ROUNDING,
    able,
    assert_agrees,
    bank_plan,
    each_able,
    each_kernel_gradient,
    each_named,
    plan_of,
)
from support.geometries import BY_NAME, TILED, WORKSPACES, Case, geometry_of, integers, operands
from support.reference import assert_same, block_diagonal

from convcli import conv2d, conv2d_grad, preset
from convcli.engine import Limits, Refusal, Traits, Workload, choose_convolution
from convcli.engine.sub_kernels import sub_kernels
from convcli.engine.tiles import TileSize, input_floats, largest_tile, output_floats
from convcli.errors import ConvcliError, GeometryError, OptionError

GEOMETRY = geometry_of(TILED.V, TILED.K, **TILED.options)
MEGABYTES = 1 << 20


@cache
def expected(case):
    V, K, _ = operands(case)
    return reference.conv2d(V, K, **case.plain)


@pytest.mark.parametrize(("case", "algorithm"), BANKS, ids=str)
def test_bank(case, algorithm):
    V, K, _ = operands(case)
    assert_agrees(any_size.conv2d(V, K, **case.options, algorithm=algorithm), expected(case), algorithm)


@pytest.mark.parametrize(("case", "algorithm"), PLANES, ids=str)
def test_plane_kernel_is_a_block_diagonal_bank(case, algorithm):
    V, K, _ = operands(case)
    options, plain = case.options | {"groups": 1}, case.plain | {"groups": 1}
    bank = block_diagonal(K[0, 0], V.shape[1])
    Z = any_size.conv2d(V, K[0, 0], **options, algorithm=algorithm)
    assert_agrees(Z, reference.conv2d(V, bank, **plain), algorithm)


@pytest.mark.parametrize(("case", "algorithm", "memory"), IN_WORKSPACES, ids=str)
def test_tiles_change_nothing(case, algorithm, memory):
    V, K, _ = operands(case)
    b = integers(case.Z[1:], seed=4)
    Z = any_size.conv2d(V, K, b, **case.options, algorithm=algorithm, memory=memory)
    assert_agrees(Z, expected(case) + b, algorithm)


@pytest.mark.parametrize("name", ["threads", "memory"])
@pytest.mark.parametrize("count", [0, -1, "2", 1.5])
def test_invalid_counts_are_refused(name, count):
    with pytest.raises(OptionError, match=f"^{name}: expected an integer of at least 1, given {count!r}$"):
        conv2d(np.ones((3, 3)), np.ones((2, 2)), **{name: count})


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    ("algorithm", "memory"),
    [(name, size) for size in (20_000, 16 << 20) for name in able(plan_of((3, 400, 300), (5, 7)), memory=size)],
)
def test_threads_change_no_bit(algorithm, memory, threads):
    rng = np.random.default_rng(5)
    V, K = rng.standard_normal((3, 400, 300), np.float32), rng.standard_normal((5, 7))
    options = {"algorithm": algorithm, "memory": memory}
    alone = any_size.conv2d(V, K, **options, threads=1)
    assert_same(any_size.conv2d(V, K, **options, threads=threads), alone)


def test_workspaces_cut_every_axis():
    plans = [planned(TILED, memory, "direct") for memory in WORKSPACES]
    sizes = [plan.estimate.tile for plan in plans]
    images, _, rows, columns = TILED.Z
    assert any(size == TileSize(1, 1, 1) for size in sizes)
    assert any(size.rows == 1 and 1 < size.columns < columns for size in sizes)
    assert any(size.columns == columns and 1 < size.rows < rows for size in sizes)
    assert any(size.rows == rows and 1 < size.images < images for size in sizes)
    for plan, memory in zip(plans[1:], WORKSPACES[1:], strict=True):
        assert plan.estimate.workspace <= memory
        assert plan.estimate.tile.number(GEOMETRY) == len(list(plan.estimate.tile.tiles(GEOMETRY)))


def planned(case, memory, algorithm):
    geometry = geometry_of(case.V, case.K, **case.options)
    return choose_convolution(Workload(geometry, np.dtype(np.float64), memory), algorithm)


@pytest.mark.parametrize("more", [0, 5, 100])
def test_the_largest_tile_that_fits_is_taken(more):
    def floats(size):
        return input_floats(GEOMETRY, size) + more * output_floats(GEOMETRY, size)

    images, _, rows, columns = TILED.Z
    growing = [TileSize(1, 1, n) for n in range(1, columns + 1)]
    growing += [TileSize(1, n, columns) for n in range(2, rows + 1)]
    growing += [TileSize(n, rows, columns) for n in range(2, images + 1)]
    for smaller, size in pairwise([growing[0], *growing]):
        assert largest_tile(GEOMETRY, floats, floats(size)) == size
        assert largest_tile(GEOMETRY, floats, floats(size) - 1) == smaller


def test_floats_of_a_tile():
    """A tile of two images of two groups has two channels of 6x9 padded pixels, and three channels of 3x4 outputs."""
    assert input_floats(GEOMETRY, TileSize(2, 3, 4)) == 2 * 2 * 2 * 6 * 9
    assert output_floats(GEOMETRY, TileSize(2, 3, 4)) == 2 * 2 * 3 * 3 * 4


@each_able(plan_of((2, 90, 110), (15, 15)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_within_its_bound(algorithm, dtype):
    """In a bright image, transforms that kept the mean would lose digits."""
    rng = np.random.default_rng(6)
    V, K = 200 + 50 * rng.random((2, 90, 110)), rng.standard_normal((15, 15))
    Z = any_size.conv2d(V, K, dtype=dtype, algorithm=algorithm)
    assert_agrees(Z, conv2d(V, K, algorithm="direct").astype(dtype), "any")


@each_named(sorted(EXACT | FACTORED))
def test_integers_stay_integers(algorithm):
    V, K = integers((3, 40, 50), seed=1), np.outer([1, 4, 6, 4, 1], [-1, -2, 0, 2, 1])
    Z = conv2d(V.astype(np.float32), K, padding="same", algorithm=algorithm)
    assert_same(Z, conv2d(V, K, padding="same", algorithm="direct"))


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("K_shape", [(3, 2), (5, 4, 3, 2)], ids=["plane", "bank"])
def test_leading_axes_are_kept(leading, K_shape):
    V, K = integers((*leading, 4, 5, 7), seed=1), integers(K_shape, seed=2)
    Z = conv2d(V, K, stride=(1, 2), padding=1)
    channels = 4 if len(K_shape) == 2 else 5
    assert Z.shape == (*leading, channels, 5, 4)
    for image in np.ndindex(*leading):
        assert_same(Z[image], conv2d(V[image], K, stride=(1, 2), padding=1))


def test_image_without_channels():
    V, K = integers((5, 7), seed=1), integers((3, 2), seed=2)
    assert_same(conv2d(V, K), conv2d(V[None], K[None, None])[0])
    bank = integers((4, 1, 3, 2), seed=3)
    assert_same(conv2d(V, bank), conv2d(V[None], bank))


@pytest.mark.parametrize("kernel_shape", [(3, 2), (4, 3, 3, 2), (4, 2, 1, 3, 3, 2)], ids=["2-D", "bank", "tiled"])
def test_a_batch_may_be_empty(kernel_shape):
    V, K = np.ones((0, 3, 9, 8)), np.ones(kernel_shape)
    Z = conv2d(V, K, np.ones(()), stride=2)
    assert Z.shape == (0, 3 if K.ndim == 2 else 4, 4, 4)
    gradients = conv2d_grad(V, K, Z, stride=2)
    assert gradients.input.shape == V.shape
    assert_same(gradients.kernel, np.zeros(kernel_shape))
    assert not gradients.bias.any()


def test_inputs_may_be_views_and_lists():
    V, K = integers((5, 4, 3), seed=1), integers((2, 3, 4), seed=2)
    bank = K.transpose(0, 2, 1)[:, None].repeat(3, axis=1)
    Z = conv2d(V.transpose(2, 0, 1), bank)
    assert_same(Z, conv2d(np.ascontiguousarray(V.transpose(2, 0, 1)), bank.copy()))
    assert_same(conv2d(V.transpose(2, 0, 1).tolist(), bank.tolist()), Z)


def test_inputs_are_left_alone():
    V, K = integers((2, 5, 7), seed=1), integers((3, 2, 2, 4), seed=2)
    V.flags.writeable = K.flags.writeable = False
    assert conv2d(V, K, 1.5, padding=2, edge="wrap", flip=True).flags.writeable


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_kernel_rank_without_a_meaning_is_refused(rank):
    message = rf"^kernel K: expected rank 2: \(kh, kw\), .* rank 4: \(C_out, .* or rank 6: .*; given rank {rank}, shape"
    with pytest.raises(GeometryError, match=message):
        conv2d(np.ones((1, 5, 7)), np.ones((1,) * rank))


class TestTypes:
    @pytest.mark.parametrize(
        ("stored", "computed"),
        [
            ("bool", "float32"),
            ("uint8", "float32"),
            ("int8", "float32"),
            ("uint16", "float32"),
            ("int16", "float32"),
            ("float16", "float32"),
            ("float32", "float32"),
            ("int32", "float64"),
            ("uint32", "float64"),
            ("int64", "float64"),
            ("float64", "float64"),
            (">u2", "float32"),
            (">f8", "float64"),
        ],
    )
    def test_computed_in(self, stored, computed):
        V, K = integers((2, 5, 7), seed=1).astype(stored), integers((3, 2, 2, 4), seed=2)
        Z = conv2d(V, K)
        assert Z.dtype == computed
        assert_same(Z, conv2d(V.astype(float), K))

    @pytest.mark.parametrize("stored", ["uint8", "float32", "int64", "float64"])
    @pytest.mark.parametrize("computed", ["float32", "float64"])
    def test_dtype_overrides(self, stored, computed):
        V, K = np.ones((2, 5, 7), stored), integers((3, 2, 2, 4), seed=2)
        assert conv2d(V, K, dtype=computed).dtype == computed

    @pytest.mark.parametrize(("stored", "most"), [("uint8", 255), ("uint16", 65535), ("int16", 32767)])
    def test_integers_do_not_overflow(self, stored, most):
        V, K = np.full((1, 4, 5), most, stored), np.array([[1, 2, 4], [8, 16, 32]], stored)
        assert_same(conv2d(V, K), np.full((1, 3, 3), 63.0 * most))

    @pytest.mark.parametrize(
        ("V", "K", "options", "message"),
        [
            (np.ones((1, 3, 3), complex), np.ones((2, 2)), {}, "input V: expected real numbers, given .* complex128"),
            (np.ones((1, 3, 3)), np.ones((2, 2), complex), {}, "kernel K: expected real numbers, given .* complex128"),
            (np.full((1, 3, 3), "a"), np.ones((2, 2)), {}, "input V: expected real numbers, given .* <U1"),
            (
                [[1, 2], [3]],
                np.ones((1, 1)),
                {},
                "input V: expected a rectangular array of numbers, given a ragged one",
            ),
            (
                np.ones((1, 3, 3)),
                np.ones((2, 2)),
                {"dtype": "int32"},
                "expected float32, float64, uint8 or uint16, given 'int32'$",
            ),
            (
                np.ones((1, 3, 3)),
                np.ones((2, 2)),
                {"dtype": "float16"},
                "expected float32, float64, uint8 or uint16, given 'float16'; did you mean float64\\?$",
            ),
        ],
        ids=["complex-V", "complex-K", "text", "ragged", "integer-dtype", "half-dtype"],
    )
    def test_refused(self, V, K, options, message):
        with pytest.raises(OptionError if options else GeometryError, match=message):
            conv2d(V, K, **options)


@pytest.mark.parametrize("stored", ["bool", "uint8", "int64", "float32", ">f8"])
@each_able(bank_plan(BY_NAME["three-by-three"]))
def test_kernels_of_any_type(algorithm, stored):
    case = BY_NAME["three-by-three"]
    V, K, _ = operands(case)
    K = np.abs(K).astype(stored)
    Z = any_size.conv2d(V, K, **case.options, algorithm=algorithm)
    assert_agrees(Z, reference.conv2d(V, K.astype(float), **case.plain), algorithm)


@pytest.mark.parametrize("edge", ["zero", "reflect"])
@each_able(plan_of((2, 60, 70), (3, 2)), memory=20_000)
def test_inner_tiles_apart_from_those_at_the_edges(algorithm, edge):
    """There are enough tiles that views pay, and pads within, at and beyond the kernel's reach."""
    V, K = integers((2, 60, 70), seed=1), integers((3, 2), seed=2)
    for padding in ((0, 0, 0, 0), (1, 1, 1, 0), (9, 0, 0, 7)):
        options = {"padding": padding, "edge": edge}
        whole = conv2d(V, K, **options, algorithm="direct")
        tiled = any_size.conv2d(V, K, **options, algorithm=algorithm, memory=20_000)
        assert_agrees(tiled, whole, algorithm)


@each_able(plan_of((1, 200, 90), (5, 5)), memory=1 << 18)
def test_infinities_and_nan_stay_within_the_kernels_reach(algorithm):
    V, K = integers((1, 200, 90), seed=1), integers((5, 5), seed=2)
    V[0, 100, 40], V[0, 20, 70] = np.nan, np.inf
    expected = conv2d(V, K, algorithm="direct")
    Z = any_size.conv2d(V, K, algorithm=algorithm, memory=1 << 18)
    assert np.array_equal(np.isfinite(Z), np.isfinite(expected))
    assert np.count_nonzero(~np.isfinite(Z)) == 50
    finite = np.isfinite(expected)
    assert np.allclose(Z[finite], expected[finite], rtol=0, atol=1e-9)


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[:, ::2, ::2]], ids=str)
@each_able(plan_of((2, 30, 35), (3, 3)), memory=20_000)
def test_views_of_any_strides(algorithm, view):
    V, K = integers((2, 60, 70), seed=1)[view], integers((3, 3), seed=2)
    for source in (V, np.broadcast_to(V[:, :1], V.shape)):
        Z = any_size.conv2d(source, K, algorithm=algorithm, memory=20_000)
        assert_agrees(Z, conv2d(source.copy(), K, algorithm="direct"), algorithm)


class TestRoundingBound:
    """Algorithms that round stay within their bound, relative to the largest output of random floats."""

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        ("algorithm", "V_shape", "K_shape"),
        [
            ("separable", (2, 150, 170), (9, 13)),
            ("separable", (2, 150, 170), "log:3"),
            ("fft", (2, 150, 170), (31, 25)),
            ("fft", (3, 150, 170), (2, 3, 11, 9)),
            ("winograd", (64, 31, 33), (48, 64, 3, 3)),
        ],
    )
    def test_random_floats(self, algorithm, V_shape, K_shape, dtype):
        rng = np.random.default_rng(5)
        V = 100 + 30 * rng.standard_normal(V_shape)
        K = preset(K_shape).weights if isinstance(K_shape, str) else rng.standard_normal(K_shape)
        V, K = V.astype(dtype), K.astype(dtype)
        exact = conv2d(V.astype(np.float64), K.astype(np.float64), padding="same", algorithm="direct")
        Z = conv2d(V, K, padding="same", algorithm=algorithm)
        assert Z.dtype == dtype
        assert np.abs(Z - exact).max() <= ROUNDING[np.dtype(dtype)] * np.abs(exact).max()


class TestRounded:
    """Outputs of uint8 and uint16 are computed in floats, rounded half to even, and clipped."""

    V = np.random.default_rng(1).integers(0, 256, (3, 41, 37), np.uint8)
    K = np.array([[0.5, -1.25, 0.5], [0, 2, 1], [0.25, 0, -0.5]])

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, "uint8"])
    @each_able(plan_of(V.shape, K))
    def test_is_the_float_rounded_and_clipped(self, dtype, algorithm):
        # The bias keeps every number an eighth or more away from halves, which algorithms that round may miss.
        Z = any_size.conv2d(self.V, self.K, 0.125, algorithm=algorithm)
        rounded = any_size.conv2d(self.V, self.K, 0.125, dtype=dtype, algorithm=algorithm)
        assert rounded.dtype == dtype
        assert np.array_equal(rounded, np.rint(Z).clip(0, np.iinfo(dtype).max))

    def test_ties_and_nan(self):
        V = np.array([[[0.5, 1.5, 2.5, 254.5, 255.5, np.nan, np.inf, -np.inf, -3]]])
        assert conv2d(V, np.ones((1, 1)), dtype=np.uint8).ravel().tolist() == [0, 2, 2, 254, 255, 0, 255, 0, 0]

    def test_taps_far_apart(self):
        V = np.tile(self.V, (1, 50, 50))
        options = {"dilation": 900, "padding": "same", "edge": "wrap"}
        Z = conv2d(V, self.K, **options)
        assert np.array_equal(conv2d(V, self.K, dtype=np.uint8, **options), np.rint(Z).clip(0, 255))


class TestBias:
    V, K, bank = integers((2, 3, 5, 7), seed=1), integers((2, 4), seed=2), integers((4, 3, 2, 3), seed=3)

    def test_number(self):
        assert_same(conv2d(self.V, self.K, 2.5), conv2d(self.V, self.K) + 2.5)
        assert_same(conv2d(self.V, self.bank, -3), conv2d(self.V, self.bank) - 3)

    def test_per_channel(self):
        b = integers(4, seed=4)
        assert_same(conv2d(self.V, self.bank, b), conv2d(self.V, self.bank) + b[:, None, None])

    def test_per_channel_of_groups(self):
        grouped, b = integers((6, 1, 2, 3), seed=3), integers(6, seed=4)
        Z = conv2d(self.V, grouped, groups=3)
        assert_same(conv2d(self.V, grouped, b, groups=3), Z + b[:, None, None])

    @pytest.mark.parametrize("leading", [(), (2,), (2, 3)], ids=str)
    def test_untied(self, leading):
        V, b = integers((*leading, 3, 5, 7), seed=1), integers((4, 4, 5), seed=4)
        assert_same(conv2d(V, self.bank, b), conv2d(V, self.bank) + b)

    @pytest.mark.parametrize(
        ("K", "shape", "message"),
        [
            (K, (3,), r"^bias: expected a number \(2-D kernel\), given shape \(3,\)"),
            (bank, (3,), r"^bias: expected a number, \(4,\) or \(4, 4, 5\), given shape \(3,\)"),
            (bank, (4, 5, 4), r"^bias: expected a number, \(4,\) or \(4, 4, 5\), given shape \(4, 5, 4\)"),
            (bank, (4, 1, 1), r"^bias: expected a number, \(4,\) or \(4, 4, 5\), given shape \(4, 1, 1\)"),
        ],
        ids=["plane", "per-channel", "transposed", "broadcasting"],
    )
    def test_other_shapes_are_refused(self, K, shape, message):
        with pytest.raises(GeometryError, match=message):
            conv2d(self.V, K, np.zeros(shape))


class TestAgainstScipy:
    """For odd kernels, the conventions of scipy are the same as those of convcli."""

    V, K = integers((9, 12), seed=1), integers((3, 5), seed=2)

    @pytest.mark.parametrize("padding", ["valid", "same", "full"])
    def test_flip_is_true_convolution(self, padding):
        assert_same(conv2d(self.V, self.K, padding=padding, flip=True), signal.convolve2d(self.V, self.K, padding))

    @pytest.mark.parametrize("padding", ["valid", "same", "full"])
    def test_no_flip_is_correlation(self, padding):
        assert_same(conv2d(self.V, self.K, padding=padding), signal.correlate2d(self.V, self.K, padding))

    def test_flip_turns_every_kernel_of_a_bank(self):
        case = BY_NAME["everything-wrap"]
        V, K, _ = operands(case)
        assert_same(conv2d(V, K, **case.options, flip=True), conv2d(V, K[..., ::-1, ::-1], **case.options))

    @pytest.mark.parametrize(
        ("edge", "mode"),
        [
            ("zero", "constant"),
            ("constant:2.5", "constant"),
            ("replicate", "nearest"),
            ("reflect", "mirror"),
            ("symmetric", "reflect"),
            ("wrap", "wrap"),
        ],
    )
    @pytest.mark.parametrize("V_shape", [(9, 12), (2, 3), (1, 4)], ids=str)
    def test_edges(self, V_shape, edge, mode):
        V, K = integers(V_shape, seed=1), integers((5, 7), seed=2)
        value = 2.5 if edge == "constant:2.5" else 0.0
        assert_same(conv2d(V, K, padding="same", edge=edge), ndimage.correlate(V, K, mode=mode, cval=value))


class TestAlgorithms:
    def test_unknown_is_refused(self):
        with pytest.raises(OptionError, match=r"^algorithm: expected auto, .* or .*, given 'magic'$"):
            conv2d(np.ones((3, 3)), np.ones((2, 2)), algorithm="magic")

    def test_errors_have_one_root(self):
        assert issubclass(OptionError, ConvcliError)
        assert issubclass(OptionError, ValueError)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("edge", ["zero", "wrap", "reflect"])
def test_taps_far_apart(edge, stride):
    """Computing tap by tap gives the same as computing the whole window."""
    case = Case(
        "far-apart", (1, 2, 7, 9), (3, 2, 3, 2), stride=(stride, 2), pads=(4, 5, 3, 6), dilation=(5, 7), edge=edge
    )
    V, K, G = operands(case)
    whole = conv2d(V, K, **case.options), conv2d_grad(V, K, G, **case.options)
    options = case.options | {"limits": Limits(window=1)}
    assert len(list(sub_kernels(geometry_of(case.V, case.K, **case.options), window=1))) == 3 * 2
    b = integers(case.Z[1:2], seed=4)
    assert_same(any_size.conv2d(V, K, b, **options), whole[0] + b[:, None, None])
    gradients = any_size.conv2d_grad(V, K, G, **options)
    assert_same(gradients.kernel, whole[1].kernel)
    assert_same(gradients.input, whole[1].input)


class TestMemory:
    """The workspace is bounded for any kernel; the windows of 127x127 over 4096x4096 would take a terabyte."""

    @pytest.mark.parametrize(("stride", "refusing"), [(1, {"winograd", "unshared"}), (512, {"winograd", "unshared"})])
    def test_planned_workspace(self, stride, refusing):
        geometry = geometry_of((4096, 4096), (127, 127), stride=stride, padding="same")
        choice = choose_convolution(Workload(geometry, np.dtype(np.float64), 16 * MEGABYTES, Traits(127)))
        answers = {**choice.others, choice.algorithm: choice.estimate}
        refused = {name for name, answer in answers.items() if isinstance(answer, Refusal)}
        # Without Numba, those that run compiled loops refuse everything.
        assert refused - MISSING.keys() == refusing
        assert all(answers[name].workspace <= 16 * MEGABYTES for name in answers.keys() - refused)

    def test_few_taps_over_a_wide_window(self):
        """A window of 3x3 at dilation 1000 has 4 million pixels, of which nine are used."""
        V, K = large_image(), integers((3, 3), seed=2)
        Z, peak = traced(lambda: conv2d(V, K, dilation=1000))
        taps = (K[m, n] * V[m * 1000 : m * 1000 + 2096, n * 1000 : n * 1000 + 2096] for m, n in np.ndindex(3, 3))
        assert_same(Z, sum(taps).astype(np.float32))
        assert peak - Z.nbytes < 64 * MEGABYTES

    @pytest.mark.slow
    @each_able(plan_of((4096, 4096), (127, 127), stride=512))
    def test_large_kernel_over_large_image(self, algorithm):
        V, K = large_image(), integers((127, 127), seed=2)
        Z, peak = traced(lambda: conv2d(V, K, stride=512, algorithm=algorithm))
        windows = np.lib.stride_tricks.sliding_window_view(V, K.shape)[::512, ::512]
        assert_agrees(Z, np.einsum("jkmn,mn->jk", windows, K).astype(np.float32), "any")
        assert peak - Z.nbytes < 64 * MEGABYTES

    @pytest.mark.slow
    @each_kernel_gradient
    def test_gradient_of_a_large_kernel(self, algorithm):
        V, K, G = large_image(), integers((127, 127), seed=2), integers((8, 8), seed=3)
        dK, peak = traced(lambda: conv2d_grad(V, K, G, stride=512, algorithm=algorithm, wrt=["kernel"]).kernel)
        windows = np.lib.stride_tricks.sliding_window_view(V, K.shape)[::512, ::512]
        assert_agrees(dK, np.einsum("jkmn,jk->mn", windows, G), algorithm)
        assert peak - dK.nbytes < 64 * MEGABYTES


def large_image():
    return np.random.default_rng(1).integers(0, 10, (4096, 4096), np.uint8)


def traced(function):
    """Return the result of a function, and the most bytes that it held at a time, including the result."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["jpg", "object", "a,b", "\udcff", "float16", "f2"])
def test_invalid_types_are_refused(dtype):
    with pytest.raises(OptionError, match=r"^dtype: expected float32, float64, uint8 or uint16, given "):
        conv2d(np.ones((3, 3)), [[1]], dtype=dtype)
