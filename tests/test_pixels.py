"""Maps as pixels, and warnings about what was clipped."""

import re
from typing import NamedTuple

import numpy as np
import pytest

from convcli.apply import pixels
from convcli.apply.pixels import MODES, clipping_of, to_floats
from convcli.arrays import Array, FloatArray
from convcli.engine import Store
from convcli.engine.levels import MapStatistics
from convcli.errors import OptionError


def maps(*numbers: float, dtype: type = np.float32) -> FloatArray:
    return np.array(numbers, dtype).reshape(1, 1, -1)


class Pixels(NamedTuple):
    """Pixels, and the statistics of the maps that they were result of."""

    values: Array
    each: tuple[MapStatistics, ...]

    @property
    def all(self) -> MapStatistics:
        """The statistics of all maps together."""
        return MapStatistics.of_all(self.each)


def to_pixels(Z: FloatArray, mode: str, full: int, scale: float = 1.0) -> Pixels:
    """Return the pixels of maps that come in two tiles, as from the engine."""

    def produce(store: Store) -> None:
        half = Z.shape[-1] // 2
        for columns in (slice(half, None), slice(0, half)):
            place = (slice(None), slice(None), columns)
            if Z[place].size:
                store(place, Z[place].copy())

    values = np.empty(Z.shape, np.uint8 if full == 255 else np.uint16)
    return Pixels(values, pixels.to_pixels(produce, values, mode, scale))


def levels(Z: FloatArray, mode: str, full: int = 255) -> list[int]:
    return [int(level) for level in to_pixels(Z, mode, full).values.flat]


@pytest.mark.parametrize(
    ("mode", "full", "expected"),
    [
        ("clip", 255, [0, 0, 0, 2, 2, 100, 255]),
        ("abs", 255, [255, 3, 0, 2, 2, 100, 255]),
        ("offset", 255, [0, 125, 128, 130, 130, 228, 255]),
        ("minmax", 255, [0, 127, 128, 128, 128, 140, 255]),
        ("clip", 65535, [0, 0, 0, 2, 2, 100, 1000]),
        ("abs", 65535, [1000, 3, 0, 2, 2, 100, 1000]),
        ("offset", 65535, [31768, 32765, 32768, 32770, 32770, 32868, 33768]),
        ("minmax", 65535, [0, 32669, 32768, 32817, 32849, 36044, 65535]),
    ],
)
def test_modes(mode: str, full: int, expected: list[int]) -> None:
    assert levels(maps(-1000, -3, 0, 1.5, 2.5, 100, 1000), mode, full) == expected


@pytest.mark.parametrize(("full", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_pixel_type(full: int, dtype: type) -> None:
    assert to_pixels(maps(1, 2), "clip", full).values.dtype == dtype


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_maps_are_processed_in_blocks(mode: str, dtype: type) -> None:
    Z: FloatArray = np.random.default_rng(5).normal(100, 200, (2, 350, 401)).astype(dtype)
    before = Z.copy()
    result = to_pixels(Z, mode, 255)
    low, high = float(Z.min()), float(Z.max())
    exact = {"clip": Z, "abs": abs(Z), "offset": Z + 128, "minmax": (Z.astype(float) - low) * (255 / (high - low))}
    assert np.array_equal(result.values, np.rint(exact[mode]).clip(0, 255))
    assert result.all.clipped == np.count_nonzero((exact[mode] < -0.5) | (exact[mode] > 255.5))
    assert result.all == (result.all.clipped, 0, low, high)
    assert np.array_equal(Z, before)


def test_rows_wider_than_a_block() -> None:
    Z: FloatArray = np.arange(2 * 70_000, dtype=np.float64).reshape(1, 2, 70_000) % 256
    assert np.array_equal(to_pixels(Z, "clip", 255).values, Z)


def test_half_a_level_outside_is_not_clipped() -> None:
    assert to_pixels(maps(-0.5, 255.5), "clip", 255).all.clipped == 0
    assert to_pixels(maps(-0.51, 255.51), "clip", 255).all.clipped == 2


def test_minmax_is_common_to_all_maps() -> None:
    Z = np.array([[[0.0, 51.0]], [[204.0, 255.0]]]) * 4
    assert levels(Z, "minmax") == [0, 51, 204, 255]


@pytest.mark.parametrize("value", [-7.0, 0.0, 300.0])
def test_minmax_of_a_constant_is_black(value: float) -> None:
    result = to_pixels(maps(value, value), "minmax", 255)
    assert (result.values.tolist(), result.all.clipped) == ([[[0, 0]]], 0)


def test_minmax_of_a_span_beyond_float32() -> None:
    assert levels(maps(-3e38, 0, 3e38), "minmax") == [0, 128, 255]


@pytest.mark.parametrize(
    ("mode", "expected", "clipped"),
    [
        ("clip", [0, 0, 255, 0, 10], 3),
        ("abs", [0, 255, 255, 0, 10], 3),
        ("offset", [0, 0, 255, 128, 138], 3),
        ("minmax", [0, 0, 255, 0, 255], 3),
    ],
)
def test_nan_is_black_and_infinities_clip(mode: str, expected: list[int], clipped: int) -> None:
    Z = maps(np.nan, -np.inf, np.inf, 0, 10)
    result = to_pixels(Z, mode, 255)
    assert result.values.ravel().tolist() == expected
    assert result.all == (clipped, 1, 0, 10)


@pytest.mark.parametrize("mode", MODES)
def test_maps_without_a_finite_number(mode: str) -> None:
    result = to_pixels(maps(np.nan, np.inf), mode, 255)
    assert (result.values.ravel().tolist(), result.all.span) == ([0, 255], (0, 0))


def test_statistics_of_each_map() -> None:
    Z: FloatArray = np.array([[[1, 300.0]], [[-4, np.nan]]])
    assert to_pixels(Z, "clip", 255).each == ((1, 0, 1, 300), (2, 1, -4, -4))
    values = np.zeros_like(Z)
    assert to_floats(lambda store: store((slice(None),), Z), values) == ((0, 0, 1, 300), (0, 1, -4, -4))
    assert np.array_equal(values, Z, equal_nan=True)


def test_a_scale_is_applied_first_and_statistics_keep_the_units_of_the_maps() -> None:
    result = to_pixels(maps(-0.5, 0.5, 1), "clip", 255, scale=255)
    assert result.values.ravel().tolist() == [0, 128, 255]
    assert result.all == (1, 0, -0.5, 1)
    assert "the maps span -127.5..255" in (clipping_of(result.each, result.values, "clip", scale=255).warning or "")


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^range: expected clip, abs, offset or minmax, given 'rough'$"):
        to_pixels(maps(1), "rough", 255)


def lossy(clipped: int, low: float, high: float, nans: int = 0, dtype: type = np.uint8) -> Pixels:
    values: Array = np.zeros((3, 512, 512), dtype)
    return Pixels(values, (MapStatistics(clipped, nans, low, high),))


@pytest.mark.parametrize(
    ("result", "mode", "warning"),
    [
        (lossy(0, -0.4, 255), "clip", None),
        (
            lossy(262_144, -1020, 1020),
            "clip",
            "262,144 of 786,432 values (33.3 %) lay outside 0..255 and were clipped; the maps span -1020..1020, "
            "which `range` minmax would keep",
        ),
        (
            lossy(100, -128, 127),
            "clip",
            "100 of 786,432 values (under 0.1 %) lay outside 0..255 and were clipped; the maps span -128..127, "
            "which `range` minmax, offset or abs would keep",
        ),
        (
            lossy(786_432, -255, -1),
            "clip",
            "786,432 of 786,432 values (100.0 %) lay outside 0..255 and were clipped; the maps span -255..-1, "
            "which `range` minmax or abs would keep",
        ),
        (
            lossy(4000, -300, 20.5),
            "abs",
            "4,000 of 786,432 magnitudes (0.5 %) lay outside 0..255 and were clipped; the maps span -300..20.5, "
            "which `range` minmax would keep",
        ),
        (
            lossy(4000, -0.0, 255),
            "offset",
            "4,000 of 786,432 values with 128 added (0.5 %) lay outside 0..255 and were clipped; the maps span "
            "0..255, which `range` minmax, abs or clip would keep",
        ),
        (
            lossy(4000, -70000, 0, dtype=np.uint16),
            "offset",
            "4,000 of 786,432 values with 32768 added (0.5 %) lay outside 0..65535 and were clipped; the maps span "
            "-70000..0, which `range` minmax would keep",
        ),
        (
            lossy(4000, -3, 8, nans=1500),
            "minmax",
            "4,000 of 786,432 values (0.5 %) lay outside 0..255 and were clipped (1,500 of them NaN, which became "
            "0); the maps span -3..8",
        ),
    ],
)
def test_warning(result: Pixels, mode: str, warning: str | None) -> None:
    assert clipping_of(result.each, result.values, mode).warning == warning


def test_a_gain_is_named_and_no_other_mode_has_it() -> None:
    result = to_pixels(maps(-300, -20, 20), "abs", 255, scale=1.5)
    warning = clipping_of(result.each, result.values, "abs", 1.0, gain=1.5).warning
    assert warning == (
        "1 of 3 magnitudes times 1.5 (33.3 %) lay outside 0..255 and were clipped; the maps span -300..20, "
        "which `range` minmax would keep, without that factor"
    )
    result = to_pixels(maps(-200, 20), "abs", 255, scale=1.5)
    assert "`range` minmax or abs would" in (clipping_of(result.each, result.values, "abs", 1.0, 1.5).warning or "")


def test_no_mode_is_advised_if_none_would_keep_the_maps() -> None:
    result = to_pixels(np.array([[[-1e308, 1e308]]]), "clip", 255, scale=255.0)
    warning = clipping_of(result.each, result.values, "clip", scale=255.0).warning
    assert warning == "2 of 2 values (100.0 %) lay outside 0..255 and were clipped; the maps span -inf..inf"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("span", [(-1020, 1020), (-128, 127), (-255, 0), (0, 255), (-100, 300), (400, 500)])
def test_the_warning_advises_modes_that_lose_nothing(mode: str, span: tuple[int, int]) -> None:
    Z = maps(*span)
    result = to_pixels(Z, mode, 255)
    warning = clipping_of(result.each, result.values, mode).warning or ""
    lossless = {other for other in MODES if to_pixels(Z, other, 255).all.clipped == 0}
    advised = {other for other in MODES if other in re.split(r"[ ,]+", warning.partition("`range`")[2])}
    assert advised == (set() if mode in lossless else lossless)
