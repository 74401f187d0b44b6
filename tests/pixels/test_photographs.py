"""Compare the pixels that are read from JPEG, WebP and AVIF files with those that were stored."""

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from support.pictures import encoded, exif_of

from convcli.arrays import Array
from convcli.pictures.orientation import upright_array
from convcli.pictures.reading import read_header, read_image

# One colour per block of 16 x 16, which JPEG keeps nearly exactly in the middle.
BLOCKS = np.random.default_rng(8).integers(0, 256, (3, 4, 4), np.uint8).repeat(16, 0).repeat(16, 1)
MIDDLES = np.s_[8::16, 8::16]
INK = PIL.Image.fromarray(BLOCKS, "CMYK")


def jpeg(samples: Array, space: str, stored: str) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(samples, level=100, colorspace=space, outcolorspace=stored))


@pytest.mark.parametrize("stored", ["YCBCR", "RGB"])
def test_jpeg_of_both_kinds_of_colours(stored: str) -> None:
    image = read_image(jpeg(BLOCKS[..., :3].copy(), "RGB", stored))
    difference = np.moveaxis(image.pixels, 0, -1).astype(int) - BLOCKS[..., :3]
    assert abs(difference[MIDDLES]).max() <= 3
    assert (image.notes, image.warnings) == ((), ())


@pytest.mark.parametrize("stored", ["CMYK", "YCCK"])
def test_ink_in_jpeg_is_stored_inverted_as_adobe_does(stored: str) -> None:
    image = read_image(jpeg(255 - BLOCKS, "CMYK", stored))
    difference = np.moveaxis(image.pixels, 0, -1).astype(int) - np.asarray(INK.convert("RGB"))
    assert abs(difference[MIDDLES]).max() <= 4
    assert image.notes == ("CMYK converted to RGB",)
    assert read_header(jpeg(255 - BLOCKS, "CMYK", stored)) == image.header


def test_lossless_webp_is_exact_under_transparent_pixels_too() -> None:
    pixels = BLOCKS.copy()
    pixels[:4, :, 3] = 0
    image = read_image(encoded(PIL.Image.fromarray(pixels), "WEBP", lossless=True, exact=True))
    assert image.alpha is not None
    assert np.array_equal(np.moveaxis(np.array([*image.pixels, image.alpha]), 0, -1), pixels)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(orientation: int, format: str) -> None:
    plain = read_image(encoded(PIL.Image.fromarray(BLOCKS[..., :3]), format, quality=90))
    data = encoded(PIL.Image.fromarray(BLOCKS[..., :3]), format, quality=90, exif=exif_of(orientation))
    image = read_image(data)
    assert np.array_equal(image.pixels, upright_array(plain.pixels, orientation))
    assert read_header(data) == image.header
