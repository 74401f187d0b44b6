"""Compare the pixels that are read from BMP files with those that were stored."""

import struct

import numpy as np
import pytest

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image

RUNS, MASKED = 1, 3


def bmp(
    rows: Array, width: int, bits: int, palette: bytes = b"", *, masks: bytes = b"", compression: int = 0,
    colours: int = 0, size: int = 40, top_down: bool = False, after: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a file of rows of bytes, the first of which is the lowest. size: that of the header."""
    height = -len(rows) if top_down else len(rows)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()
    numbers = (size, width, height, 1, bits, compression, len(padded), 2835, 2835, colours, 0)
    head = struct.pack("<IiiHHIIiiII", *numbers) + masks + after
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(padded), 0, 0, start) + head + palette + padded


def grays(*levels: int) -> bytes:
    return b"".join(bytes((level, level, level, 0)) for level in levels)


def packed(indices: Array, bits: int) -> Array:
    digits = np.unpackbits(indices.astype(np.uint8)[..., np.newaxis], axis=2)[..., 8 - bits :]
    return np.packbits(digits.reshape(len(indices), -1), axis=1)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("palette", [(0, 255), (255, 0), (0, 1), (3, 7), tuple(range(16)), tuple(range(15, -1, -1))])
def test_a_gray_palette_of_any_size_and_depth(bits: int, palette: tuple[int, ...], top_down: bool) -> None:
    palette = palette[: 1 << bits]
    indices = np.random.default_rng(bits).integers(0, len(palette), (5, 7))
    data = bmp(packed(indices, bits), 7, bits, grays(*palette), colours=len(palette), top_down=top_down)
    image = read_image(data)
    upright = indices if top_down else indices[::-1]
    assert np.array_equal(image.pixels, np.array(palette)[upright][np.newaxis])
    assert read_header(data) == image.header


MASKS = {
    "555 without masks": (0, (0x7C00, 0x3E0, 0x1F)),
    "565": (MASKED, (0xF800, 0x7E0, 0x1F)),
    "555": (MASKED, (0x7C00, 0x3E0, 0x1F)),
    "1555": (MASKED, (0x7C00, 0x3E0, 0x1F, 0x8000)),
}


@pytest.mark.parametrize("kind", MASKS)
def test_16_bits_are_scaled_by_their_masks(kind: str) -> None:
    compression, masks = MASKS[kind]
    pixels = np.random.default_rng(3).integers(0, 1 << 16, (6, 9), np.uint16)
    stored = struct.pack(f"<{len(masks)}I", *masks) if compression else b""
    size = 56 if len(masks) == 4 else 40
    data = bmp(pixels.view(np.uint8), 9, 16, masks=stored, compression=compression, size=size)
    image = read_image(data)
    channels = [np.rint((pixels[::-1] & m) // (m & -m) * 255 / (m // (m & -m))) for m in masks]
    assert np.array_equal(image.pixels, channels[:3])
    assert (image.alpha is not None) == (len(masks) == 4)
    assert image.alpha is None or np.array_equal(image.alpha, channels[3])
    assert image.notes == ("channels of 5 or 6 bits scaled to 8",)
    assert read_header(data) == image.header


def test_24_and_32_bits_are_exact() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (6, 9, 4), np.uint8)
    colours = np.moveaxis(pixels[::-1, :, 2::-1], -1, 0)
    assert np.array_equal(read_image(bmp(pixels[..., :3].reshape(6, -1), 9, 24)).pixels, colours)
    plain = read_image(bmp(pixels.reshape(6, -1), 9, 32))
    assert np.array_equal(plain.pixels, colours)
    assert plain.alpha is None
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    masked = read_image(bmp(pixels.reshape(6, -1), 9, 32, masks=masks, compression=MASKED, size=56))
    assert np.array_equal(masked.pixels, colours)
    assert masked.alpha is not None
    assert np.array_equal(masked.alpha, pixels[::-1, :, 3])


def test_a_bitmap_without_the_header_of_a_file() -> None:
    pixels = np.random.default_rng(3).integers(0, 1 << 16, (6, 9), np.uint16)
    whole = bmp(pixels.view(np.uint8), 9, 16)
    assert np.array_equal(read_image(whole[14:]).pixels, read_image(whole).pixels)
    assert read_header(whole[14:]) == read_header(whole)


def test_an_old_header_has_colours_of_three_bytes() -> None:
    head = struct.pack("<IHHHH", 12, 2, 1, 1, 1) + bytes((0, 0, 255, 255, 255, 255))
    data = b"BM" + struct.pack("<IHHI", 36, 0, 0, 32) + head + bytes((0b01000000, 0, 0, 0))
    assert np.array_equal(read_image(data).pixels[:, 0], [[255, 255], [0, 255], [0, 255]])


def test_a_compressed_picture_of_two_colours_is_refused() -> None:
    data = bmp(np.array([[2, 1, 0, 1]], np.uint8), 2, 8, grays(0, 255), compression=RUNS, colours=2)
    with pytest.raises(FileError, match="a compressed BMP of two colours is not read: save it without compression"):
        read_image(data)


def test_a_compressed_picture_of_many_colours() -> None:
    runs = np.array([[2, 1, 1, 3, 0, 0, 0, 3, 9, 8, 7, 0, 0, 1]], np.uint8)
    data = bmp(runs, 3, 8, b"".join(bytes((i, 2 * i, 3 * i, 0)) for i in range(16)), compression=RUNS, colours=16)
    data = data[:22] + struct.pack("<i", 2) + data[26:]
    image = read_image(data)
    assert np.array_equal(image.pixels[0], [[27, 24, 21], [3, 3, 9]])


def test_a_colour_profile_is_not_read_with_a_warning() -> None:
    pixels = np.zeros((2, 12), np.uint8)
    profiled = bmp(pixels, 4, 24, size=124, after=bytes(16) + b"DEBM" + bytes(64))
    assert read_image(profiled).warnings == ("the colour profile is not read from a BMP",)
    assert read_image(bmp(pixels, 4, 24, size=124, after=bytes(84))).warnings == ()


@pytest.mark.parametrize("alpha", [0x8001, 0x1FF, 0x5000])
def test_masks_of_alpha_that_are_no_few_bits_in_a_row_are_refused(alpha: int) -> None:
    masks = struct.pack("<4I", 0x7C00, 0x3E0, 0x1F, alpha)
    data = bmp(np.zeros((6, 18), np.uint8), 9, 16, masks=masks, compression=MASKED, size=56)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"the masks of this BMP are damaged: expected up to 8 bits in a row"):
            read(data)
