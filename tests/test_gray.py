"""Gray from colours, by luma."""

import numpy as np
import pytest
from support.pictures import random_pixels

from convcli import filter_image
from convcli.errors import OptionError
from convcli.pictures.gray import luma


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_gray_of_infinities_and_nan(dtype: str) -> None:
    pixels = np.array([[[np.nan, np.inf, np.finfo(dtype).max]]] * 3, dtype)
    (gray,) = luma(pixels)
    assert np.isnan(gray[0, 0])
    assert gray[0, 1] == np.inf


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [("u1", "f4"), ("u2", "f4"), ("i4", "f8"), ("?", "f4"), ("f2", "f4"), ("f4", "f4"), ("f8", "f8")],
)
def test_gray_is_rounded_once(dtype: str, computed: str) -> None:
    pixels = random_pixels(3, np.uint16 if dtype in ("u2", "i4") else np.uint8).astype(dtype)
    red, green, blue = pixels.astype(float)
    gray = luma(pixels)
    assert gray.dtype == computed
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    np.testing.assert_allclose(gray[0], expected, rtol=2 * np.finfo(computed).eps)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_gray_pixel_keeps_its_level(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(1, -1, 16)
    assert np.array_equal(luma(np.repeat(levels, 3, axis=0)), levels)


def test_gray_of_gray_is_itself() -> None:
    pixels = random_pixels(1)
    assert np.array_equal(filter_image(pixels, "identity", gray=True).maps.values, pixels)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("linear", [False, True])
def test_gray_needs_1_or_3_channels(channels: int, linear: bool) -> None:
    with pytest.raises(OptionError, match=rf"^expected 1 channel, or 3 .*, to convert to gray, given {channels}$"):
        filter_image(random_pixels(channels), "identity", gray=True, linear=linear)
