"""Compare the pixels that are read from JPEG 2000 files with those that were stored."""

import struct
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from support.pictures import SRGB, encoded, picture, planes

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.formats import format_of
from convcli.pictures.image import Metadata
from convcli.pictures.reading import read_header, read_image
from convcli.pictures.writing import encode_image


def jp2(levels: Array, *, codestream: bool = False, **options: Any) -> bytes:
    how: dict[str, Any] = {"level": 0, "reversible": True, "codecformat": "j2k" if codestream else "jp2", **options}
    return bytes(imagecodecs.jpeg2k_encode(levels, **how))


def levels_of(bits: int, *shape: int, signed: bool = False) -> Array:
    """Return random levels with both ends of the range first."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    levels = np.random.default_rng(bits).integers(low, high, (9, 8, *shape), endpoint=True)
    levels[0, 0], levels[0, 1] = high, low
    sized = np.int8 if bits <= 8 else np.int16
    return levels.astype(sized if signed else np.dtype(sized).name.replace("int", "uint"))


@pytest.mark.parametrize("shape", [(), (3,), (4,)])
@pytest.mark.parametrize("codestream", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8, 9, 10, 12, 14, 15, 16])
def test_every_depth_is_scaled_so_that_white_is_white(bits: int, codestream: bool, shape: tuple[int, ...]) -> None:
    levels = levels_of(bits, *shape)
    data = jp2(levels, bitspersample=bits, codestream=codestream)
    image = read_image(data)
    white = 255 if bits <= 8 else 65535
    bands = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    expected = np.rint(np.atleast_3d(np.int64(levels)) * white / ((1 << bits) - 1))
    assert np.array_equal(np.moveaxis(np.array(bands), 0, -1), expected)
    assert image.notes == (() if bits in (8, 16) else (f"{bits} bits scaled to {8 if bits < 8 else 16}",))
    assert read_header(data) == image.header


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_signed_levels_are_kept(bits: int) -> None:
    levels = levels_of(bits, signed=True)
    data = jp2(levels, bitspersample=bits)
    image = read_image(data)
    assert np.array_equal(image.pixels[0], levels)
    assert (image.pixels.dtype, image.notes, image.warnings) == (levels.dtype, (), ())
    assert read_header(data) == image.header


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize(
    ("levels", "bits", "kind"),
    [
        (levels_of(9), 9, "9-bit gray"),
        (levels_of(12), 12, "12-bit gray"),
        (levels_of(4), 4, "4-bit gray"),
        (levels_of(16, 3), 16, "16-bit colour"),
        (levels_of(16, signed=True), 16, "signed 16-bit gray"),
    ],
)
def test_without_the_extra_other_depths_are_refused(levels: Array, bits: int, kind: str) -> None:
    data = jp2(levels, bitspersample=bits)
    message = rf"Pillow cannot read {kind} JPEG 2000: to read it, pip install .*\[deep\]'$"
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=message):
            read(data)


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize(("bits", "shape"), [(8, ()), (8, (3,)), (16, ())])
def test_without_the_extra_8_bits_and_gray_of_16_are_read(bits: int, shape: tuple[int, ...]) -> None:
    levels = levels_of(bits, *shape)
    assert np.array_equal(np.moveaxis(read_image(jp2(levels)).pixels, 0, -1), np.atleast_3d(levels))


def with_space(data: bytes, number: int) -> bytes:
    at = data.index(b"colr") + 7
    return data[:at] + struct.pack(">I", number) + data[at + 4 :]


@pytest.mark.parametrize("bits", [8, 12])
def test_sycc_becomes_rgb(bits: int) -> None:
    levels = levels_of(bits, 3)
    image = read_image(with_space(jp2(levels, bitspersample=bits, mct=False), 18))
    white = (1 << bits) - 1
    Y, Cb, Cr = (np.float64(channel) for channel in np.moveaxis(levels, -1, 0))
    Cb, Cr = Cb - (white + 1) / 2, Cr - (white + 1) / 2
    rgb = np.stack([Y + 1.402 * Cr, Y - 0.344136 * Cb - 0.714136 * Cr, Y + 1.772 * Cb]).clip(0, white)
    # The libraries round differently by one level.
    assert abs(image.pixels * (white / np.iinfo(image.pixels.dtype).max) - rgb).max() <= 1.5


def test_cmyk_of_8_bits_is_converted() -> None:
    ink = levels_of(8, 4)
    image = read_image(with_space(jp2(ink, mct=False), 12))
    assert np.array_equal(image.pixels, planes(PIL.Image.fromarray(ink, "CMYK").convert("RGB")))
    assert (image.notes, image.warnings) == (("CMYK converted to RGB",), ())


def with_box(data: bytes, box: bytes) -> bytes:
    """Return the file with one more box at the end of its header."""
    start = data.index(b"jp2h") - 4
    end = start + int.from_bytes(data[start : start + 4])
    return data[:start] + struct.pack(">I", end - start + len(box)) + data[start + 4 : end] + box + data[end:]


def channel_definition(*meanings: int) -> bytes:
    content = b"".join(struct.pack(">3H", number, meaning, 0) for number, meaning in enumerate(meanings))
    return struct.pack(">I4sH", 10 + len(content), b"cdef", len(meanings)) + content


def palette_of(bits: int, *colours: tuple[int, ...]) -> bytes:
    form = ">3B" if bits <= 8 else ">3H"
    content = struct.pack(">HB3B", len(colours), 3, *[bits - 1] * 3) + b"".join(struct.pack(form, *c) for c in colours)
    mapping = struct.pack(">I4s", 20, b"cmap") + b"".join(struct.pack(">HBB", 0, 1, n) for n in range(3))
    return struct.pack(">I4s", 8 + len(content), b"pclr") + content + mapping


def test_a_palette_becomes_its_colours() -> None:
    indices = levels_of(8) % 3
    colours = np.array([(255, 0, 7), (1, 2, 3), (9, 99, 200)])
    data = with_box(with_space(jp2(indices), 16), palette_of(8, *map(tuple, colours.tolist())))
    assert np.array_equal(np.moveaxis(read_image(data).pixels, 0, -1), colours[indices])


GRAY, RGB, RGBA = levels_of(8), levels_of(8, 3), levels_of(8, 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (jp2(levels_of(16).astype(np.uint32) << 4, bitspersample=20), r"its channels have more than 16 bits \(20\)"),
        (jp2(levels_of(12, 3, signed=True), bitspersample=12), "its colours are signed"),
        (with_space(jp2(RGB, mct=False), 14), "its colour space is number 14 at 8 bits"),
        (with_space(jp2(levels_of(9, 4), mct=False, bitspersample=9), 12), "its colour space is number 12 at 9 bits"),
        (with_box(with_space(jp2(GRAY), 16), palette_of(12, (1, 2, 3))), "its palette has 12 bits and its levels 8"),
        (with_box(jp2(RGBA), channel_definition(0, 0, 0, 2)), "it has other channels than colours and one alpha"),
        (with_box(jp2(RGBA), channel_definition(1, 0, 0, 0)), "it has other channels than colours and one alpha"),
    ],
)  # fmt: skip
def test_what_no_library_reads_right_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(FileError, match=rf"JPEG 2000 is not read if {reason}.*: convert it first"):
        read_image(data)


def with_profile(data: bytes, profile: bytes) -> bytes:
    """Return the file with a colour profile in place of the number of a colour space."""
    at = data.index(b"colr") - 4
    box = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    start = data.index(b"jp2h") - 4
    length = int.from_bytes(data[start : start + 4]) + len(box) - 15
    return data[:start] + struct.pack(">I", length) + data[start + 4 : at] + box + data[at + 15 :]


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_colour_profile_is_kept(bits: int) -> None:
    for levels, profile in ((levels_of(bits, 3), SRGB), (levels_of(bits), SRGB[:16] + b"GRAY" + SRGB[20:])):
        data = jp2(levels, bitspersample=bits)
        image = read_image(with_profile(data, profile))
        assert image.metadata.icc == profile
        assert np.array_equal(image.pixels, read_image(data).pixels)


def test_a_profile_for_ink_is_refused() -> None:
    ink = SRGB[:16] + b"CMYK" + SRGB[20:]
    with pytest.raises(FileError, match="its colour profile is for CMYK"):
        read_image(with_profile(jp2(RGBA), ink))


def test_channels_of_different_depths_or_sizes_are_refused() -> None:
    data = bytearray(jp2(RGB, mct=False))
    first = data.index(b"\xff\x4f\xff\x51") + 42
    data[first] = 3
    with pytest.raises(FileError, match=r"its channels have different depths \(4, 8, 8 bits\)"):
        read_image(bytes(data))
    data[first : first + 3] = 7, 2, 2
    with pytest.raises(FileError, match="its channels have different sizes"):
        read_image(bytes(data))


def test_a_last_channel_without_a_meaning_is_taken_for_alpha_with_a_warning() -> None:
    image = read_image(jp2(RGBA))
    assert np.array_equal(np.moveaxis(np.array([*image.pixels, image.alpha]), 0, -1), RGBA)
    assert image.warnings == ("the last of 4 channels is taken for alpha, because the file does not say what it is",)
    assert read_image(encoded(picture("RGBA"), "JPEG2000")).warnings == ()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_alpha_that_is_written_is_defined_as_alpha(channels: int) -> None:
    levels = levels_of(16, channels + 1)
    *colours, alpha = np.moveaxis(levels, -1, 0)
    data = encode_image(np.array(colours), alpha, format_of("jp2"), Metadata())
    image = read_image(data)
    assert np.array_equal([*image.pixels, image.alpha], [*colours, alpha])
    assert image.warnings == ()


def test_a_large_box_before_the_pixels_does_not_hide_their_depth() -> None:
    data = with_box(jp2(levels_of(12), bitspersample=12), struct.pack(">I4s", 8 + 200_000, b"xml ") + bytes(200_000))
    assert read_image(data).notes == ("12 bits scaled to 16",)


def test_a_damaged_header_is_an_error() -> None:
    data = with_box(jp2(GRAY), struct.pack(">I4s5s", 13, b"cdef", b"\0\1\0\0\0"))
    with pytest.raises(FileError, match="the header of this JPEG 2000 file is damaged"):
        read_image(data)
