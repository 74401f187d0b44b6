"""Linear light against the standard's formulas, in float64."""

import re

import numpy as np
import pytest
from scipy.ndimage import correlate
from support.reference import assert_same
from support.requests import filtered as filtered_image
from support.requests import request_of

from convcli.apply.appearance import Appearance, network_input
from convcli.apply.combining import Combination
from convcli.pictures.formats import format_of
from convcli.pictures.image import Image
from convcli.pictures.light import luminance, to_codes, to_light

# No flip, transpose or shift of it is the same kernel. It sums to 103.
ASYMMETRIC = np.array([[1, 2, 4], [8, -16, 32], [64, 3, 5.0]])
LINEAR = Appearance(linear=True)
DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def light(code):
    """IEC 61966-2-1, coded values to light."""
    return code / 12.92 if code <= 0.04045 else ((code + 0.055) / 1.055) ** 2.4


def code(light):
    """And back."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


light_of, code_of = np.vectorize(light, [float]), np.vectorize(code, [float])


def request(weights, **options):
    return request_of(np.array(weights, float), name="kernel", **{"padding": "same", "edge": "replicate", **options})


def filtered(pixels, weights, appearance=LINEAR, alpha=None, format="png"):
    return filtered_image(Image(pixels, alpha), request(weights), appearance, format_of(format))


def random_pixels(dtype, *shape):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def every_level(dtype):
    return np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(1, -1, 16)


@DEPTHS
@pytest.mark.parametrize("unit", [False, True])
def test_every_level_comes_back(dtype, unit):
    levels = every_level(dtype)
    appearance = Appearance(linear=True, unit=unit)
    assert_same(filtered(levels, [[1]], appearance).maps.values, levels)


@DEPTHS
@pytest.mark.parametrize("brightest", ["full", 1])
def test_light_of_every_level(dtype, brightest):
    full = np.iinfo(dtype).max
    brightest = full if brightest == "full" else brightest
    v = to_light(every_level(dtype), full, brightest)
    assert v.dtype == np.float32
    assert_nearest(v, brightest * light_of(every_level(dtype) / full))


def assert_nearest(v, exact):
    """Compare with the nearest float32 or its neighbours, because powers differ in their last bit."""
    np.testing.assert_array_max_ulp(v, exact.astype(np.float32), maxulp=1)


def test_levels_of_light_are_right_to_a_hundredth_at_16_bits():
    v = np.linspace(0, 1, 100_001)
    for dtype in (np.float32, np.float64):
        assert np.abs(to_codes((65535 * v).astype(dtype), 65535) - 65535 * code_of(v)).max() < 0.015


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_light_of_floats(dtype):
    codes = np.linspace(0, 255, 997, dtype=dtype).reshape(1, 1, -1)
    v = to_light(codes, 255, 255)
    assert v.dtype == dtype
    np.testing.assert_allclose(v, 255 * light_of(codes / 255), rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_both_pieces_go_on_outside():
    codes = np.array([[[-51.0, 510]]])
    v = to_light(codes, 255, 1)
    np.testing.assert_allclose(v, [[[-0.2 / 12.92, (2.055 / 1.055) ** 2.4]]], rtol=1e-12)
    np.testing.assert_allclose(to_codes(v, 1), codes / 255, rtol=1e-12)


def test_light_beyond_floats_is_infinite_and_counted():
    found = filtered(np.array([[[1e30, np.nan, -5, 300, 20]]], np.float32), [[1]])
    assert found.maps.values.ravel().tolist() == [255, 0, 0, 255, 20]
    (warning,) = found.warnings
    assert warning.startswith(
        "3 of 5 values (60.0 %) lay outside 0..255 and were clipped (1 of them NaN, which became 0)"
    )


def test_half_of_the_light_is_188_and_not_128():
    pixels = np.zeros((1, 6, 8), np.uint8)
    pixels[..., ::2] = 255
    box = [[0.5, 0.5]]
    assert set(filtered(pixels, box).maps.values[:, :, :-1].flat) == {188}
    assert set(filtered(pixels, box, Appearance()).maps.values[:, :, :-1].flat) == {128}


def assert_rounded(levels, exact):
    """Float32 may round a number near a half to the other side."""
    assert levels.shape == exact.shape
    assert np.abs(levels - exact).max() <= 0.52


MODES = {
    "clip": lambda Z, full: Z,
    "abs": lambda Z, full: abs(Z),
    "offset": lambda Z, full: Z + (full + 1) / 2,
    "minmax": lambda Z, full: (Z - Z.min()) * full / (Z.max() - Z.min()),
}


@DEPTHS
@pytest.mark.parametrize("mode", MODES)
def test_the_mode_comes_first_then_the_curve(dtype, mode):
    """Check that the count of clipped numbers and the span are those of light."""
    pixels, full = random_pixels(dtype, 1, 9, 14), np.iinfo(dtype).max
    weights = (ASYMMETRIC - 11) / 60
    found = filtered(pixels, weights, Appearance(linear=True, range=mode))
    Z = correlate(full * light_of(pixels[0] / full), weights, mode="nearest")
    levels = MODES[mode](Z, full)
    assert_rounded(found.maps.values[0], full * code_of(np.clip(levels, 0, full) / full))
    (statistics,) = found.maps.statistics
    assert statistics.clipped == np.count_nonzero((levels < -0.5) | (levels > full + 0.5))
    np.testing.assert_allclose([statistics.low, statistics.high], [Z.min(), Z.max()], rtol=1e-5)
    assert ("lay outside" in "".join(found.warnings)) == (statistics.clipped > 0)


@pytest.mark.parametrize("spread", [0.4, 1, 4])
def test_the_advice_of_a_warning_holds(spread):
    """In linear light too, the ranges that a warning names lose nothing, and the others lose something."""
    pixels = random_pixels(np.uint8, 1, 9, 14)
    clipped = {
        mode: filtered(pixels, np.array([[-spread, 0, spread]]), Appearance(linear=True, range=mode)) for mode in MODES
    }
    lossless = {mode for mode, found in clipped.items() if not found.warnings}
    for found in clipped.values():
        for warning in found.warnings:
            assert set(re.findall(r"\w+", warning.partition("`range`")[2])) & set(MODES) == lossless


def test_16_bits_are_halved_after_the_curve():
    levels = every_level(np.uint16)
    found = filtered(levels, [[1]], format="bmp")
    assert_rounded(found.maps.values, levels / 257)


def test_floats_stay_linear():
    pixels = random_pixels(np.uint8, 3, 5, 7)
    found = filtered(pixels, [[1]], format="npy")
    assert_nearest(found.maps.values, 255 * light_of(pixels / 255))


@pytest.mark.parametrize(("unit", "white"), [(False, 255), (True, 1)])
def test_white_of_floats(unit, white):
    """255 as everywhere, or 1 where values are said to be in 0..1."""
    codes = np.linspace(0, white, 60).reshape(1, 5, 12)
    found = filtered(codes, [[1]], Appearance(linear=True, unit=unit))
    assert_rounded(found.maps.values, codes / white * 255)


@DEPTHS
def test_gray_is_luminance(dtype):
    pixels, full = random_pixels(dtype, 3, 6, 7), np.iinfo(dtype).max
    Y = np.einsum("c,cyx->yx", (0.2126, 0.7152, 0.0722), light_of(pixels / full))
    V = network_input(Image(pixels), Appearance(gray=True, linear=True))
    np.testing.assert_allclose(V[0], full * Y, rtol=1e-6)
    gray = filtered(pixels, [[1]], Appearance(gray=True, linear=True)).maps.values
    assert_rounded(gray, full * code_of(Y)[np.newaxis])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_luminance_of_gray_is_gray(dtype):
    levels = every_level(np.uint8).astype(dtype)
    gray = luminance(np.broadcast_to(levels, (3, *levels.shape[1:])), 255, 255)
    np.testing.assert_allclose(gray, to_light(levels, 255, 255), rtol=1e-6)


@pytest.mark.parametrize("rule", ["premultiply", "filter", "keep"])
def test_alpha_is_not_curved(rule):
    pixels, alpha = random_pixels(np.uint8, 3, 8, 9), random_pixels(np.uint8, 8, 9)
    weights = np.abs(ASYMMETRIC) / 135
    found = filtered(pixels, weights, Appearance(linear=True, alpha=rule), alpha)
    assert_same(found.alpha, filtered(pixels, weights, Appearance(alpha=rule), alpha).alpha)
    V, weigh = light_of(pixels / 255), alpha / 255 if rule == "premultiply" else np.ones(alpha.shape)
    through = [correlate(each, weights, mode="nearest") for each in (*(V * weigh), weigh)]
    assert_rounded(found.maps.values, 255 * code_of(np.stack(through[:3]) / through[3]))


def test_combined_in_linear_light():
    pixels = random_pixels(np.uint8, 3, 8, 9)
    requests = [request(ASYMMETRIC / 200), request(ASYMMETRIC.T / 300)]
    found = filtered_image(Image(pixels), Combination(requests, "magnitude"), LINEAR, format_of("png"))
    V = light_of(pixels / 255)
    maps = [[correlate(each, one.convolution.weights, mode="nearest") for each in V] for one in requests]
    assert_rounded(found.maps.values, 255 * code_of(np.clip(np.hypot(*map(np.stack, maps)), 0, 1)))


def test_v_is_float32_of_pictures():
    assert network_input(Image(random_pixels(np.uint16, 3, 4, 5)), LINEAR).dtype == np.float32
