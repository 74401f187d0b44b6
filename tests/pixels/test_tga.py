"""Compare the pixels that are read from TGA files with those that were stored."""

import struct

import numpy as np
import pytest

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image

PALETTE, COLOURS, GRAY, RUNS = 1, 2, 3, 8
RIGHT, TOP = 0x10, 0x20


def tga(pixels: Array, kind: int, *, flags: int = 0, colours: bytes = b"", depth: int = 0) -> bytes:
    """Return a file of pixels ``(H, W, bytes)`` as they lie. flags: the bits of alpha, and the corner of the origin."""
    height, width, size = pixels.shape
    count = 8 * len(colours) // depth if depth else 0
    head = struct.pack("<3B2HB4H2B", 3, bool(colours), kind, 0, count, depth, 0, 0, width, height, 8 * size, flags)
    content = pixels.tobytes()
    if kind & RUNS:
        content = b"".join(b"\x80" + pixel.tobytes() for pixel in pixels.reshape(-1, size))
    return head + b"abc" + colours + content


def random_bytes(size: int) -> Array:
    return np.random.default_rng(size).integers(0, 256, (5, 7, size), np.uint8)


def upright(pixels: Array, flags: int) -> Array:
    rows = pixels if flags & TOP else pixels[::-1]
    return rows[:, ::-1] if flags & RIGHT else rows


@pytest.mark.parametrize("runs", [0, RUNS])
@pytest.mark.parametrize("corner", [0, RIGHT, TOP, TOP | RIGHT])
def test_every_origin_and_depth(corner: int, runs: int) -> None:
    gray = random_bytes(1)
    assert np.array_equal(read_image(tga(gray, GRAY | runs, flags=corner)).pixels[0], upright(gray, corner)[..., 0])
    pixels = random_bytes(4)
    for size in (3, 4):
        flags = corner | (8 if size == 4 else 0)
        data = tga(pixels[..., :size].copy(), COLOURS | runs, flags=flags)
        image = read_image(data)
        assert np.array_equal(image.pixels, np.moveaxis(upright(pixels, corner)[..., 2::-1], -1, 0))
        assert (image.alpha is not None) == (size == 4)
        assert image.alpha is None or np.array_equal(image.alpha, upright(pixels, corner)[..., 3])
        assert (read_header(data), image.warnings) == (image.header, ())


@pytest.mark.parametrize("runs", [0, RUNS])
def test_a_fourth_channel_that_is_not_alpha_is_dropped_with_a_warning(runs: int) -> None:
    pixels = random_bytes(4)
    data = tga(pixels, COLOURS | runs, flags=TOP)
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(pixels[..., 2::-1], -1, 0))
    assert image.alpha is None
    assert image.warnings == ("the fourth channel is dropped, because the header says that it is not alpha",)
    assert read_header(data) == image.header


@pytest.mark.parametrize("runs", [0, RUNS])
@pytest.mark.parametrize("alpha", [0, 1])
def test_16_bits_have_alpha_if_the_header_says_so(alpha: int, runs: int) -> None:
    stored = random_bytes(2)
    image = read_image(tga(stored, COLOURS | runs, flags=TOP | alpha))
    words = stored.view("<u2")[..., 0].astype(int)
    channels = [(words >> shift & 31) * 255 // 31 for shift in (10, 5, 0)]
    assert np.array_equal(image.pixels, channels)
    assert (image.alpha is not None) == bool(alpha)
    assert image.alpha is None or np.array_equal(image.alpha, (words >> 15) * 255)
    assert image.notes == ("channels of 5 bits scaled to 8",)


@pytest.mark.parametrize("depth", [24, 32])
def test_a_palette(depth: int) -> None:
    colours = random_bytes(depth // 8).reshape(-1, depth // 8)
    indices = random_bytes(1) % len(colours)
    image = read_image(tga(indices, PALETTE, flags=TOP, colours=colours.tobytes(), depth=depth))
    assert np.array_equal(image.pixels, np.moveaxis(colours[indices[..., 0], 2::-1], -1, 0))
    assert image.alpha is None or np.array_equal(image.alpha, colours[indices[..., 0], 3])


@pytest.mark.parametrize("runs", [0, RUNS])
def test_gray_of_16_bits_is_gray_and_alpha_or_refused(runs: int) -> None:
    pixels = random_bytes(2)
    data = tga(pixels, GRAY | runs, flags=TOP | 8)
    image = read_image(data)
    assert image.alpha is not None
    assert np.array_equal([image.pixels[0], image.alpha], np.moveaxis(pixels, -1, 0))
    assert read_header(data) == image.header
    with pytest.raises(FileError, match="TGA with gray of 16 bits is not read: convert it first"):
        read_image(tga(pixels, GRAY | runs, flags=TOP))


def test_a_palette_of_16_bits_is_refused() -> None:
    with pytest.raises(FileError, match="TGA with a palette of 16 bits is not read: convert it first"):
        read_image(tga(random_bytes(1) % 4, PALETTE, colours=bytes(8), depth=16))
