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


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_every_depth_and_number_of_channels_of_avif(bits: int, channels: int) -> None:
    white = (1 << bits) - 1
    # Levels that change slowly, because AVIF is not exact.
    ramp = np.linspace(0, white, 64).reshape(64, 1, 1).repeat(64, 1).repeat(channels, 2)
    levels = ramp.squeeze().astype(np.uint8 if bits == 8 else np.uint16)
    data = bytes(imagecodecs.avif_encode(np.ascontiguousarray(levels), level=100, bitspersample=bits))
    image = read_image(data)
    most = np.iinfo(image.pixels.dtype).max
    assert most == (255 if bits == 8 else 65535)
    assert abs(image.pixels / most - ramp[..., 0] / white).max() < 0.02
    assert (image.alpha is not None) == (channels in (2, 4))
    assert image.alpha is None or abs(image.alpha / most - ramp[..., -1] / white).max() < 0.02
    assert read_header(data) == image.header
