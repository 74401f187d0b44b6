"""Kernels whose weights cancel, on bright images of low contrast: the response is not lost in rounding."""

import numpy as np
import pytest
from support import any_size
from support.algorithms import each_able, plan_of

from convcli import conv2d, preset
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution
from convcli.engine.reference import references

SHAPE = (2, 130, 140)
Y, X = np.mgrid[: SHAPE[1], : SHAPE[2]]
CANCELLING = ["log:1.5", "dog:1", "laplacian", "sobel-x", "scharr-y"]


def low_contrast(brightness, contrast, dtype=np.float32):
    rng = np.random.default_rng(0)
    return (brightness + contrast * (np.sin(X / 9) + np.cos(Y / 7) + 0.1 * rng.standard_normal(SHAPE))).astype(dtype)


def exact(V, K, **options):
    return conv2d(V.astype(np.float64), K, algorithm="direct", **options)


def tally(V, K, algorithm="auto"):
    prepared = Convolution.of(K).at(V.shape, np.float32)
    return prepared.store(V, prepared.plan(Execution(algorithm)), lambda place, tile: None)


@pytest.mark.parametrize("name", CANCELLING)
@pytest.mark.parametrize("brightness", [1000, -60000], ids=str)
@each_able(plan_of(SHAPE, preset("log:1.5").weights))
def test_the_response_is_right(name, brightness, algorithm):
    V, K = low_contrast(brightness, 0.01), preset(name).weights
    Z, expected = any_size.conv2d(V, K, algorithm=algorithm), exact(V, K)
    assert np.abs(Z - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_bank_and_a_bias():
    V = low_contrast(1000, 0.01)
    K = np.stack([np.stack([preset("laplacian").weights, np.zeros((3, 3))]), np.full((2, 3, 3), 1 / 18)])
    Z, expected = conv2d(V, K, [0.5, 2]), exact(V, K, bias=[0.5, 2])
    assert np.abs(Z - expected)[0].max() <= 1e-6
    assert np.abs(Z - expected)[1].max() <= 1e-3


@pytest.mark.parametrize("hot", [1e20, -9999.0, 0.0, np.nan, -np.finfo(np.float32).max], ids=str)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_hot_or_dead_pixel_spoils_only_its_windows(hot, padding):
    V, K = low_contrast(1000, 0.01), preset("log:1.5").weights
    whole = exact(V, K, padding=padding)
    V[0, 70, 60] = hot
    Z = conv2d(V, K, padding=padding)
    expected = exact(V, K, padding=padding)
    inner = np.s_[:, 9:-9, 9:-9]
    unspoilt = whole[inner] == expected[inner]
    assert unspoilt.mean() > 0.95
    assert np.abs(Z - expected)[inner][unspoilt].max() <= 1e-5 * np.abs(whole[inner]).max()


@pytest.mark.parametrize("border", [20, 45, 90, 120])
def test_a_black_border_of_any_width_leaves_the_response(border):
    V, K = low_contrast(1e6, 1), preset("log:1.5").weights
    V[..., :border] = 0
    Z, expected = conv2d(V, K), exact(V, K)
    assert np.abs(Z - expected)[..., border:].max() <= 1e-5 * np.abs(expected[..., border:]).max()
    assert not Z[..., : border - 12].any()


def test_dark_areas_keep_their_digits():
    V, K = low_contrast(1000, 0.01), preset("log:1.5").weights
    V[:, 100:] /= 1e6
    Z, expected = conv2d(V, K), exact(V, K)
    dark = np.s_[:, 101:]
    assert np.abs(Z - expected)[dark].max() <= 1e-9
    assert np.abs(Z - expected)[:, :80].max() <= 1e-5 * np.abs(expected[:, :80]).max()


def test_whole_numbers_stay_whole():
    V = np.random.default_rng(1).integers(60000, 60009, SHAPE)
    for stored in (np.uint16, np.float32):
        for name in ("laplacian", "sobel-x"):
            K = preset(name).weights
            assert tally(V.astype(stored), K)["reference"]
            assert np.array_equal(conv2d(V.astype(stored), K), exact(V, K))


def test_tiles_threads_and_parts_change_nothing():
    V, K = np.rint(1000 + 8 * low_contrast(0, 1)), preset("laplacian").weights
    V[0, 5, 5] = 0
    expected = conv2d(V, K)
    for memory in (1 << 16, 1 << 20):
        for threads in (1, 2):
            assert np.array_equal(conv2d(V, K, memory=memory, threads=threads), expected)


@pytest.mark.parametrize(
    ("V", "K", "subtracted"),
    [
        (low_contrast(1000, 1), "laplacian", True),
        (low_contrast(0, 1), "laplacian", False),
        (low_contrast(1000, 1), "gaussian:1", False),
        (low_contrast(1000, 1), "sharpen", False),
        (np.random.default_rng(0).random(SHAPE, np.float32), "log:1", False),
    ],
)
def test_it_is_subtracted_only_where_it_helps(V, K, subtracted):
    weights = preset(K).weights
    assert ("reference" in tally(V, weights)) == subtracted
    plan = Convolution.of(weights).at(V.shape, np.float32).plan()
    assert ("reference" in plan.first.fallbacks) == (K in ("laplacian", "log:1"))


def test_double_precision_needs_none():
    plan = Convolution.of(preset("laplacian")).at(SHAPE, np.float64).plan()
    assert "reference" not in plan.first.fallbacks


class TestReferences:
    def test_of_each_plane(self):
        V = np.stack([low_contrast(brightness, 0.5) for brightness in (1000, 0)])[:, None]
        found = references(V)
        assert found.shape == (2, 1, 2)
        assert np.abs(found[0] - 1000).max() < 2
        assert np.all(found[1] == 0)

    def test_is_one_of_the_numbers(self):
        V = np.array([7, 8], np.uint16)[np.random.default_rng(0).integers(0, 2, (1, 1, 1, 20, 30))]
        assert references(V).item() in (7, 8)

    def test_extraordinary_pixels_do_not_move_it(self):
        V = low_contrast(1000, 0.5)[None, None]
        V[..., ::3, ::3] = np.nan
        V[..., 1::7, 1::7] = np.inf
        V[..., 2::5, ::3] = 1e30
        assert np.abs(references(V) - 1000).max() < 2

    def test_nothing_finite(self):
        assert references(np.full((1, 1, 1, 5, 6), np.nan)) is None

    def test_many_planes_and_small_ones(self):
        assert references(np.full((3, 2, 40, 2, 1), 5.0)).shape == (3, 2, 40)
