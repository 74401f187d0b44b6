"""One extraordinary pixel spoils only the outputs whose windows hold it."""

import numpy as np
import pytest
from support import any_size, reference
from support.algorithms import FACTORED, each_able, each_kernel_gradient, each_named, plan_of
from support.any_size import ANY_SIZE
from support.geometries import CASES
from test_bands import PicklingCluster

from convcli import conv2d, preset
from convcli.convolution.forecast import forecast, forecast_to_json
from convcli.convolution.prepared import Convolution
from convcli.engine import (
    MEMORY,
    Execution,
    Plan,
    Workload,
    choose_kernel_gradient,
    kernel_gradient,
)
from convcli.engine.guards import touched
from convcli.engine.plan import Pass
from convcli.engine.sub_kernels import sub_kernels

SHAPE, KERNEL = (2, 150, 130), (9, 11)
each_convolution = each_able(plan_of(SHAPE, KERNEL))
# Relative to the largest pixel of a window times the sum of all |K|.
LOCAL = {np.dtype(np.float32): 5e-5, np.dtype(np.float64): 1e-13}


def photo(dtype=np.float32):
    return (100 + 20 * np.random.default_rng(3).random(SHAPE)).astype(dtype)


def kernel():
    return np.random.default_rng(4).standard_normal(KERNEL)


def assert_right_in_every_window(V, K, algorithm, **options):
    """Compare each output with the definition, relative to the largest pixel of its own window."""
    Z = any_size.conv2d(V, K, algorithm=algorithm, **options)
    wide = V.astype(np.float64)
    exact = conv2d(wide, K.astype(V.dtype).astype(np.float64), algorithm="direct")
    largest = np.lib.stride_tricks.sliding_window_view(np.abs(wide), K.shape, axis=(-2, -1)).max(axis=(-2, -1))
    # The largest float times weights above 1 overflows.
    held = np.abs(exact) < np.finfo(V.dtype).max
    error = np.abs(Z - exact, where=held, out=np.zeros(Z.shape))
    assert np.all(error <= LOCAL[V.dtype] * largest * np.abs(K).sum())


@each_convolution
@pytest.mark.parametrize("hot", [5e3, 1e20, -np.finfo(np.float32).max], ids=str)
@pytest.mark.parametrize("memory", [1 << 19, 16 << 20], ids=["many tiles", "one tile"])
def test_a_hot_pixel_spoils_only_its_windows(algorithm, hot, memory):
    V = photo()
    V[0, 70, 60] = V[1, 0, 0] = hot
    assert_right_in_every_window(V, kernel(), algorithm, memory=memory)


@each_convolution
def test_in_double_precision(algorithm):
    V = photo(np.float64)
    V[0, 70, 60] = 1e300
    assert_right_in_every_window(V, kernel(), algorithm)


@each_convolution
@pytest.mark.parametrize("nodata", [-9999, 1e20, -np.finfo(np.float32).max], ids=str)
def test_an_area_without_data(algorithm, nodata):
    V = photo()
    V[:, 40:, 30:90] = nodata
    assert_right_in_every_window(V, kernel() / 100, algorithm)


@each_convolution
def test_many_magnitudes_side_by_side(algorithm):
    V = photo()
    for step in range(10):
        V[:, :, 13 * step : 13 * step + 13] *= 10.0 ** (3 * step)
    assert_right_in_every_window(V, kernel(), algorithm)


@each_convolution
def test_black_stays_black(algorithm):
    V = photo()
    V[:, 50:] = 0
    Z = any_size.conv2d(V, kernel(), algorithm=algorithm)
    assert np.all(Z[:, 50:] == 0)


def test_winograd_keeps_a_hot_pixel_in_its_windows():
    rng = np.random.default_rng(0)
    V, K = rng.random((16, 30, 26), np.float32), rng.standard_normal((17, 16, 3, 3)).astype(np.float32)
    V[5, 11, 12] = 1e20
    Z, exact = (conv2d(V, K, algorithm=name) for name in ("winograd", "direct"))
    spoilt = np.abs(Z - exact).max(axis=0) > 1e-3
    assert {(10, 11), (9, 10)} <= {tuple(place) for place in np.argwhere(np.abs(exact).max(axis=0) > 1e9)}
    assert not spoilt[:9].any()
    assert not spoilt[12:].any()
    assert not spoilt[:, :10].any()
    assert not spoilt[:, 13:].any()


@each_convolution
def test_nan_in_many_places(algorithm):
    V = photo()
    V[:, ::37, ::41] = np.nan
    Z, exact = (any_size.conv2d(V, kernel(), algorithm=name) for name in (algorithm, "direct"))
    assert np.array_equal(np.isnan(Z), np.isnan(exact))
    assert np.isnan(Z).any()
    assert np.allclose(Z, exact, rtol=0, atol=1e-5 * np.nanmax(np.abs(exact)), equal_nan=True)


@each_convolution
def test_infinities_under_positive_weights(algorithm):
    """Blurring an infinity gives infinities, and NaN where both signs meet."""
    V, K = photo(), np.abs(kernel())
    V[:, ::37, ::41] = np.inf
    V[0, 20:60, 70], V[1, 9, 9] = -np.inf, np.nan
    Z, exact = (any_size.conv2d(V, K, algorithm=name) for name in (algorithm, "direct"))
    assert all(np.any(test(exact)) for test in (np.isnan, np.isposinf, np.isneginf, np.isfinite))
    assert np.allclose(Z, exact, rtol=1e-5, equal_nan=True)


@each_named(sorted(FACTORED))
def test_sums_that_overflow_between_two_passes(algorithm):
    """The mean of the largest floats is one of them, although their sum is none."""
    V = photo()
    V[0, 60:80, 60:80] = np.finfo(np.float32).max / 2
    K = np.full(KERNEL, 1 / 99)
    Z, exact = (conv2d(V, K, algorithm=name) for name in (algorithm, "direct"))
    assert np.isfinite(Z).all()
    assert np.allclose(Z, exact, rtol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_which_outputs_a_pixel_reaches(case):
    K, rng = np.ones((1, 1, *case.K[2:])), np.random.default_rng(6)
    reach = [(taps - 1) * dilation + 1 for taps, dilation in zip(case.K[2:], case.dilation, strict=True)]
    marked = rng.random((2, 1, reach[0] + 7, reach[1] + 9)) < 0.05
    geometry = Convolution.of(K, stride=case.stride, dilation=case.dilation).geometry(marked.shape)
    count = reference.conv2d(marked.astype(float), K, case.stride, (0, 0, 0, 0), case.dilation, 1, "zero")
    assert np.array_equal(touched(marked, geometry, count), count > 0)


def test_what_ran_is_counted_and_planned():
    V, K = photo(), kernel()
    prepared = Convolution.of(K).at(V.shape, V.dtype)
    plan = prepared.plan(Execution("fft", memory=1 << 19, limits=ANY_SIZE))
    tiles = len(plan.first.tiles)
    planned = forecast_to_json(forecast(prepared.convolution, V.shape, V.dtype, plan.execution))["plans"]["output"]
    assert planned["tiles"] == tiles > 1

    def tally():
        return prepared.store(V, plan, lambda place, tile: None)

    assert tally() == {"fft": tiles}
    V[0, 0, 0] = 1e20
    assert tally() == {"fft": tiles, "layers": 1}
    V[0, 0, 0] = np.nan
    assert tally() == {"fft": tiles, "mask": 1}
    V[0, 0, 0] = np.inf
    assert tally() == {"fft": tiles, "mask": 1}
    assert set(planned["fallbacks"]) == {"layers", "mask"}


@pytest.mark.parametrize("algorithm", ["fft", "separable", "auto"])
def test_a_cluster_takes_the_same_fallbacks(algorithm):
    """LoG of a bright picture with a hot pixel and NaN: reference, layers and mask."""
    V = photo() / 100 + 1000
    V[0, 20, 30], V[1, 90, 90] = 1e20, np.nan
    prepared = Convolution.of(preset("log:1.5"), 0.5, padding="same").at(V.shape, V.dtype)

    def stored(cluster):
        Z = np.empty(prepared.geometry.output_blocks, np.float32)
        # Workers choose no compiled loops; here, earlier tests may have loaded some.
        plan = prepared.plan(Execution(algorithm, 1, 1 << 19, cluster, limits=ANY_SIZE._replace(compiled=False)))
        return Z, prepared.store(V, plan, Z.__setitem__)

    (here, ran_here), (there, ran_there) = stored(None), stored(PicklingCluster())
    assert np.array_equal(here, there, equal_nan=True)
    assert ran_here == ran_there
    assert {"reference", "mask"} <= set(ran_here)


def everything_infinite():
    """Return a photo with infinities of both signs and NaN."""
    V = photo()
    V[0, 20, 30], V[0, 25, 33], V[1, 9, 9], V[1, 90, 90] = np.inf, -np.inf, np.nan, np.inf
    V[0, 100:, :] = -np.inf
    return V


def weights_of_every_sign():
    K = kernel()
    K[2, 3] = K[8, 10] = 0
    return K


@each_convolution
@pytest.mark.parametrize("stride", [1, (2, 3)], ids=str)
def test_infinities_under_weights_of_every_sign(algorithm, stride):
    V, K = everything_infinite(), weights_of_every_sign()
    Z, exact = (any_size.conv2d(V, K, algorithm=name, stride=stride) for name in (algorithm, "direct"))
    assert all(np.any(test(exact)) for test in (np.isnan, np.isposinf, np.isneginf, np.isfinite))
    assert np.allclose(Z, exact, rtol=1e-5, atol=1e-2, equal_nan=True)


@each_able(plan_of((3, 40, 30), (2, 3, 3, 3)))
def test_infinities_under_a_bank(algorithm):
    rng = np.random.default_rng(5)
    V, K = rng.random((3, 40, 30), np.float32), rng.integers(-1, 2, (2, 3, 3, 3))
    V[0, 10, 10], V[1, 10, 11], V[2, 30, 20], V[2, 35, 5] = np.inf, -np.inf, np.inf, -np.inf
    Z, exact = (any_size.conv2d(V, K, algorithm=name) for name in (algorithm, "direct"))
    assert all(np.any(test(exact)) for test in (np.isnan, np.isposinf, np.isneginf, np.isfinite))
    assert np.allclose(Z, exact, rtol=1e-5, atol=1e-4, equal_nan=True)


def infinite_weights():
    K = weights_of_every_sign()
    K[4, 4] = -np.inf
    return K


@each_able(plan_of(SHAPE, infinite_weights()))
def test_infinite_weights(algorithm):
    V, K = photo(np.float64) - 110, infinite_weights()
    V[:, 100:, 60:], V[0, 3, 4] = 0, np.inf
    Z, exact = (any_size.conv2d(V, K, algorithm=name) for name in (algorithm, "direct"))
    assert all(np.any(test(exact)) for test in (np.isnan, np.isposinf, np.isneginf))
    assert np.array_equal(Z, exact, equal_nan=True)


# G is smaller than V, so that a pixel near a corner of V is in the sums of few weights of dK.
DK_SHAPE, G_SHAPE = (25, 20), (2, 16, 17)


def small_photo():
    return photo(np.float64)[:, :40, :36].copy()


def gradient(V, G, algorithm, **options):
    return any_size.conv2d_grad(V, np.ones(DK_SHAPE), G, wrt="kernel", algorithm=algorithm, **options).kernel


class TestKernelGradients:
    @each_kernel_gradient
    @pytest.mark.parametrize("hot", [1e9, 1e20, 1e160], ids=str)
    def test_a_hot_pixel_of_g_that_meets_zeros(self, algorithm, hot):
        """The weights for which it meets only zeros of V are sums of the other pixels."""
        draw = np.random.default_rng(7).standard_normal
        V, G = draw((2, 60, 50)), draw((2, 36, 31))
        V[:, :20, :25] = 0
        G[1, 3, 4] = G[0, 6, 2] = hot
        dK, exact = gradient(V, G, algorithm), gradient(V, G, "direct")
        assert np.allclose(dK, exact, rtol=1e-11, atol=1e-9)
        assert np.abs(exact).min() < 1e4

    @each_kernel_gradient
    @pytest.mark.parametrize("hot", [1e20, -1e300], ids=str)
    def test_a_hot_pixel_spoils_only_the_sums_that_hold_it(self, algorithm, hot):
        V, G = small_photo(), np.random.default_rng(5).standard_normal(G_SHAPE)
        V[0, 0, 0] = V[1, 38, 33] = hot
        dK, exact = gradient(V, G, algorithm), gradient(V, G, "direct")
        windows = np.lib.stride_tricks.sliding_window_view(np.abs(V), G_SHAPE[1:], axis=(-2, -1))
        largest = windows.max(axis=(0, -2, -1))
        assert (largest < 200).sum() > 400
        assert np.all(np.abs(dK - exact) <= LOCAL[V.dtype] * largest * np.abs(G).sum())

    @each_kernel_gradient
    def test_infinities_and_nan_of_V(self, algorithm):
        V, G = small_photo(), np.random.default_rng(5).integers(-2, 3, G_SHAPE)
        V[0, 0, 1], V[0, 3, 0], V[1, 39, 35], V[1, 0, 35] = np.inf, -np.inf, np.inf, np.nan
        dK, exact = gradient(V, G, algorithm), gradient(V, G, "direct")
        assert all(np.any(test(exact)) for test in (np.isnan, np.isposinf, np.isfinite))
        assert np.allclose(dK, exact, rtol=1e-12, atol=1e-8, equal_nan=True)

    @each_kernel_gradient
    @pytest.mark.parametrize("infinity", [np.inf, -np.inf, np.nan], ids=str)
    def test_infinities_and_nan_of_G(self, algorithm, infinity):
        """They are in every sum of their own output channel."""
        V, G = small_photo(), np.random.default_rng(5).standard_normal((3, *G_SHAPE[1:]))
        V[:, :9, :9] = 0
        G[1, 2, 3] = infinity
        K = np.ones((3, 2, *DK_SHAPE))
        dK, exact = (any_size.conv2d_grad(V, K, G, algorithm=name).kernel for name in (algorithm, "direct"))
        assert np.isfinite(exact[[0, 2]]).all()
        assert not np.isfinite(exact[1]).any()
        assert np.allclose(dK, exact, rtol=1e-11, atol=1e-9, equal_nan=True)

    @each_kernel_gradient
    def test_nan_of_G_under_black(self, algorithm):
        G = np.random.default_rng(5).standard_normal(G_SHAPE)
        G[1, 2, 3] = np.nan
        assert np.isnan(gradient(np.zeros((2, 40, 36)), G, algorithm)).all()

    @each_kernel_gradient
    def test_black_stays_black(self, algorithm):
        V, G = small_photo(), np.random.default_rng(5).standard_normal(G_SHAPE)
        V[:, 20:] = 0
        assert np.all(gradient(V, G, algorithm)[20:] == 0)

    @pytest.mark.parametrize("stored", [np.uint8, np.float32, np.int64])
    def test_whole_numbers_stay_whole(self, stored):
        V, G = small_photo().astype(stored), np.random.default_rng(5).integers(-99, 100, G_SHAPE)
        work = Workload(Convolution.of(np.ones(DK_SHAPE)).geometry(V.shape), np.dtype(np.float64), MEMORY, whole=True)
        choice = choose_kernel_gradient(work._replace(limits=ANY_SIZE), "fft")
        assert choice.estimate.rounded

        def computed(V, G):
            dK = np.zeros(choice.work.geometry.kernel_blocks)
            (part,) = sub_kernels(choice.work.geometry, MEMORY)
            kernel_gradient(V[:, None, None], G[:, None, None], Plan((Pass(part, choice),), Execution()), dK)
            return dK[0, 0, 0]

        exact = gradient(np.rint(V).astype(stored), G, "direct")
        assert np.array_equal(computed(np.rint(V).astype(stored), G), exact)
        fractions = computed(V, G + 0.25)
        assert np.allclose(fractions, gradient(V, G + 0.25, "direct"), rtol=0, atol=1e-8)
        assert np.any(fractions != np.rint(fractions))
