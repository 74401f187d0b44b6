"""JPEG of other depths than 8 bits, which Pillow refuses and the extra ``deep`` reads."""

import struct
from dataclasses import replace
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from PIL.ExifTags import Base

from convcli.errors import FileError
from convcli.files.source import Source
from convcli.pictures import deep_extra
from convcli.pictures.reading import read_header, read_image

HEIGHT, WIDTH = 8, 12
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def levels_of(bits: int, channels: int = 1) -> Any:
    """Return random levels, the smallest and the largest among them."""
    levels = np.random.default_rng(bits).integers(0, 1 << bits, (HEIGHT, WIDTH, channels), np.uint16)
    levels[0, 0], levels[0, 1] = 0, (1 << bits) - 1
    return levels


def scaled(levels: Any, bits: int) -> Any:
    white = 255 if bits <= 8 else 65535
    return np.moveaxis(np.rint(levels * (white / ((1 << bits) - 1))), -1, 0)


@pytest.mark.parametrize("bits", range(8, 17))
def test_lossless_gray_is_read_exactly(bits: int) -> None:
    """The encoder is liblj92, the decoder libjpeg-turbo."""
    levels = levels_of(bits)
    data = bytes(imagecodecs.ljpeg_encode(levels[..., 0], bitspersample=bits))
    image = read_image(data)
    assert image.pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.array_equal(image.pixels, scaled(levels, bits))
    assert read_header(data) == image.header
    assert image.notes == (() if bits in (8, 16) else (f"{bits} bits scaled to 16",))
    assert image.warnings == ()


@pytest.mark.parametrize("bits", [9, 12, 14, 16])
def test_lossless_colours_are_read_exactly(bits: int) -> None:
    levels = levels_of(bits, 3)
    data = bytes(imagecodecs.jpeg8_encode(levels, lossless=True, bitspersample=bits))
    assert np.array_equal(read_image(data).pixels, scaled(levels, bits))
    assert read_header(data) == read_image(data).header


@pytest.mark.parametrize("channels", [1, 3])
def test_12_bits_are_read_at_16(channels: int) -> None:
    """Smooth levels lose little."""
    ramp = np.linspace(0, 4095, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH, 1)
    levels = ramp.repeat(channels, 2)
    data = bytes(imagecodecs.jpeg8_encode(levels.squeeze(), 100, bitspersample=12))
    image = read_image(data)
    assert read_header(data) == image.header
    assert image.pixels.dtype == np.uint16
    # 12 of 4095 levels; JPEG rounds the coefficients of a block of 64 pixels.
    assert np.abs(image.pixels / 65535 - scaled(levels, 12) / 65535).max() < 12 / 4095


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def test_orientation_and_profile_are_read() -> None:
    levels = levels_of(12)
    data = bytes(imagecodecs.jpeg8_encode(levels[..., 0], lossless=True, bitspersample=12))
    exif = PIL.Image.Exif()
    exif[Base.Orientation], exif[Base.Make] = 6, "camera"
    more = segment(0xE1, exif.tobytes()) + segment(0xE2, b"ICC_PROFILE\0\1\1" + PROFILE)
    image = read_image(data[:2] + more + data[2:])
    assert np.array_equal(image.pixels[0], np.rot90(scaled(levels, 12)[0], -1))
    assert image.metadata.icc == PROFILE
    assert b"camera" in (image.metadata.exif or b"")
    assert read_header(data[:2] + more + data[2:]) == image.header


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(imagecodecs.jpeg8_encode(levels_of(12)[..., 0], lossless=True, bitspersample=12))
    monkeypatch.setattr(deep_extra, "is_installed", lambda: False)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it is a 12-bit JPEG: to read it, pip install .*\[deep\]'$"):
            read(data)


def test_cmyk_of_other_depths_is_refused() -> None:
    data = bytes(imagecodecs.jpeg8_encode(levels_of(12, 4), 90, bitspersample=12))
    with pytest.raises(FileError, match=r"it is a JPEG of 12-bit CMYK: convert it to RGB first$"):
        read_image(data)


@pytest.mark.parametrize("cut", [3, 20, 100])
def test_a_damaged_one_is_named(cut: int) -> None:
    data = bytes(imagecodecs.jpeg8_encode(levels_of(12)[..., 0], lossless=True, bitspersample=12))
    with pytest.raises(FileError, match=r"^cannot read <bytes>: \S"):
        read_image(data[:cut])


def test_the_pixel_limit_holds() -> None:
    data = bytes(imagecodecs.jpeg8_encode(levels_of(12)[..., 0], lossless=True, bitspersample=12))
    with pytest.raises(FileError, match=r"it has 96 pixels, more than the limit of 95"):
        read_image(replace(Source.of_bytes(data), max_pixels=95))


def progressive(scans: int) -> bytes:
    """Return a progressive picture whose last scan is repeated, so that it has so many more."""
    stream = BytesIO()
    PIL.Image.fromarray(levels_of(8, 3).astype(np.uint8)).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def test_a_progressive_picture_is_read_with_what_follows_it() -> None:
    """A film behind a photograph may hold the bytes of markers."""
    data = progressive(0)
    assert np.array_equal(read_image(data + b"\xff\xda\0\2" * 200).pixels, read_image(data).pixels)
    assert read_image(progressive(80)).pixels.shape == (3, HEIGHT, WIDTH)


def test_a_picture_of_thousands_of_scans_is_refused() -> None:
    """Each scan takes as long as a picture: a hundred kilobytes would take minutes."""
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it has more than 100 scans, each of which would draw the whole picture$"):
            read(progressive(200))
