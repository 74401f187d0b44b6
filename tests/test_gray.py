"""Gray from colours, by luma."""

import numpy as np
import PIL.Image
import pytest
from support.pictures import SRGB, random_pixels

from convcli.errors import OptionError
from convcli.pictures.gray import to_gray
from convcli.pictures.image import Image, Metadata


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_gray_of_infinities_and_nan(dtype: str) -> None:
    pixels = np.array([[[np.nan, np.inf, np.finfo(dtype).max]]] * 3, dtype)
    (luma,) = to_gray(Image(pixels)).pixels
    assert np.isnan(luma[0, 0])
    assert luma[0, 1] == np.inf


def test_gray_of_8_bits_equals_pillows() -> None:
    levels = np.array([0, 1, 100, 128, 254, 255], np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels)).reshape(3, 8, 27)
    alpha = np.full((8, 27), 9, np.uint8)
    metadata = Metadata(SRGB)
    gray = to_gray(Image(pixels, alpha, metadata, ("a note",), ("a warning",)))
    expected = PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2))).convert("L")
    assert np.array_equal(gray.pixels[0], np.asarray(expected))
    assert gray.alpha is alpha
    assert (gray.metadata, gray.notes, gray.warnings) == (metadata, ("a note",), ("a warning",))


def test_gray_of_other_types() -> None:
    pixels = random_pixels(3, np.uint16)
    red, green, blue = pixels.astype(float)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.array_equal(to_gray(Image(pixels)).pixels, np.rint(luma)[np.newaxis].astype(np.uint16))
    assert np.array_equal(to_gray(Image(pixels.astype(float))).pixels[0], luma)
    assert to_gray(Image(pixels.astype(np.float32))).pixels.dtype == np.float32


def test_white_stays_white_in_gray() -> None:
    assert (to_gray(Image(np.full((3, 2, 5), 65535, np.uint16))).pixels == 65535).all()


def test_gray_of_gray_is_itself() -> None:
    image = Image(random_pixels(1))
    assert to_gray(image) is image


@pytest.mark.parametrize("channels", [2, 4])
def test_gray_needs_1_or_3_channels(channels: int) -> None:
    with pytest.raises(OptionError, match=rf"^expected 1 channel, or 3 .*, to convert to gray, given {channels}$"):
        to_gray(Image(random_pixels(channels)))
