"""Compare the pixels that are read from icons and cursors with those that were stored."""

import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms
from test_png import GRAY, PALETTE, RGB, RGB_ALPHA, chunk, png

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures import deep_extra
from convcli.pictures.reading import read_header, read_image

ICON, CURSOR = 1, 2
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def bitmap(rows: Array, bits: int, mask: Array, palette: bytes = b"") -> bytes:
    """Return a picture of an icon: rows ``(H, bytes)`` and the mask of its transparency ``(H, W)``, upright."""
    height, width = mask.shape
    head = struct.pack("<I2i2H6I", 40, width, 2 * height, 1, bits, 0, 0, 0, 0, len(palette) // 4, 0)
    packed = np.packbits(mask, axis=1)
    parts = [np.pad(part[::-1], ((0, 0), (0, -part.shape[1] % 4))).tobytes() for part in (rows, packed)]
    return head + palette + b"".join(parts)


def icons(kind: int, *entries: tuple[tuple[int, int], int, bytes]) -> bytes:
    """Return a file of entries: the size, the bits per pixel, and the picture."""
    start, table, content = 6 + 16 * len(entries), b"", b""
    for (height, width), bits, data in entries:
        table += struct.pack("<4B2H2I", width, height, 0, 0, 1, bits, len(data), start + len(content))
        content += data
    return struct.pack("<3H", 0, kind, len(entries)) + table + content


RNG = np.random.default_rng(4)
PIXELS = RNG.integers(0, 256, (8, 16, 4), np.uint8)
MASK = RNG.integers(0, 2, (8, 16))
NO_MASK = np.zeros((8, 16), int)
FULL = ((8, 16), 32, bitmap(PIXELS[..., [2, 1, 0, 3]].reshape(8, -1), 32, NO_MASK))


def assert_is_full(data: bytes) -> None:
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(PIXELS[..., :3], -1, 0))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, PIXELS[..., 3])
    assert read_header(data) == image.header


@pytest.mark.parametrize("kind", [ICON, CURSOR])
def test_32_bits_have_alpha(kind: int) -> None:
    assert_is_full(icons(kind, FULL))
    assert read_image(icons(kind, FULL)).warnings == ()


def test_an_icon_of_24_bits_has_the_transparency_of_its_mask() -> None:
    image = read_image(icons(ICON, ((8, 16), 24, bitmap(PIXELS[..., 2::-1].reshape(8, -1), 24, MASK))))
    assert np.array_equal(image.pixels, np.moveaxis(PIXELS[..., :3], -1, 0))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, 255 * (1 - MASK))


def test_an_icon_of_a_palette() -> None:
    palette = RNG.integers(0, 256, (256, 4), np.uint8)
    image = read_image(icons(ICON, ((8, 16), 8, bitmap(PIXELS[..., 0], 8, MASK, palette.tobytes()))))
    assert np.array_equal(image.pixels, np.moveaxis(palette[PIXELS[..., 0], 2::-1], -1, 0))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, 255 * (1 - MASK))


def test_an_icon_may_be_a_png() -> None:
    assert_is_full(icons(ICON, ((8, 16), 32, png(PIXELS, 8, RGB_ALPHA))))


def test_of_several_pictures_the_deepest_of_the_largest_is_read_with_a_warning() -> None:
    flat = ((8, 16), 1, bitmap(np.zeros((8, 2), np.uint8), 1, NO_MASK, bytes(8)))
    small = ((4, 8), 32, bitmap(np.zeros((4, 32), np.uint8), 32, NO_MASK[:4, :8]))
    for entries in ((flat, small, FULL), (FULL, flat, small)):
        data = icons(ICON, *entries)
        assert_is_full(data)
        assert read_image(data).warnings == ("3 pictures: only the one of 16 x 8 is read",)


def test_a_cursor_of_1_bit() -> None:
    bits = RNG.integers(0, 2, (8, 16))
    data = icons(
        CURSOR, ((8, 16), 0, bitmap(np.packbits(bits, axis=1), 1, MASK, bytes((0, 0, 0, 0, 255, 255, 255, 0))))
    )
    image = read_image(data)
    # Under a transparent pixel the colour is black.
    assert np.array_equal(image.pixels[0], 255 * bits * (1 - MASK))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, 255 * (1 - MASK))
    assert read_header(data) == image.header


def test_other_cursors_are_refused() -> None:
    message = "a cursor is read only if it has 1 bit, or is alone and has 32 bits: convert it first"
    several = icons(CURSOR, FULL, FULL)
    colours = icons(CURSOR, ((8, 16), 0, bitmap(PIXELS[..., 2::-1].reshape(8, -1), 24, MASK)))
    grays = icons(
        CURSOR, ((8, 16), 0, bitmap(PIXELS[..., 0], 8, MASK, bytes(n * (k < 3) for n in range(256) for k in range(4))))
    )
    for data in (several, colours, grays):
        with pytest.raises(FileError, match=message):
            read_image(data)


def icns(*entries: tuple[bytes, bytes]) -> bytes:
    content = b"".join(kind + struct.pack(">I", 8 + len(data)) + data for kind, data in entries)
    return b"icns" + struct.pack(">I", 8 + len(content)) + content


def test_the_largest_picture_of_an_icns_is_read_with_a_warning() -> None:
    pixels = np.tile(PIXELS, (4, 2, 1))
    data = icns((b"icp4", png(PIXELS[:8, :8], 8, RGB_ALPHA)), (b"icp5", png(pixels, 8, RGB_ALPHA)))
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(pixels[..., :3], -1, 0))
    assert image.warnings == ("2 pictures: only the one of 32 x 32 is read",)
    assert read_header(data) == image.header


def in_icns(data: bytes) -> bytes:
    return icns((b"icp4", data))


def in_ico(data: bytes) -> bytes:
    return icons(ICON, ((16, 16), 32, data))


SQUARE = RNG.integers(0, 256, (16, 16, 4), np.uint8)
DEEP = RNG.integers(0, 65536, (16, 16, 4), np.uint16)
PICTURES = {
    "gray": png(SQUARE[..., :1], 8, GRAY),
    "gray with a transparent level": png(SQUARE[..., :1], 8, GRAY, chunk(b"tRNS", bytes((0, SQUARE[0, 0, 0])))),
    "a palette": png(SQUARE[..., :1], 8, PALETTE, chunk(b"PLTE", RNG.bytes(768)), chunk(b"tRNS", bytes(range(256)))),
    "RGB": png(SQUARE[..., :3], 8, RGB),
    "RGB with a profile": png(SQUARE[..., :3], 8, RGB, chunk(b"iCCP", b"a\0\0" + zlib.compress(SRGB))),
    "16-bit gray": png(DEEP[..., :1], 16, GRAY),
    "16-bit RGB": png(DEEP[..., :3], 16, RGB),
    "16-bit RGB with alpha": png(DEEP, 16, RGB_ALPHA),
}


@pytest.mark.parametrize("within", [in_ico, in_icns])
@pytest.mark.parametrize("name", PICTURES)
def test_a_png_within_an_icon_is_read_as_alone(name: str, within: Callable[[bytes], bytes]) -> None:
    data = within(PICTURES[name])
    image, alone = read_image(data), read_image(PICTURES[name])
    assert (image.header, image.metadata, image.notes) == (alone.header, alone.metadata, alone.notes)
    assert np.array_equal(image.pixels, alone.pixels)
    assert np.array_equal(image.alpha, alone.alpha)
    assert read_header(data) == image.header


@pytest.mark.parametrize("within", [in_ico, in_icns])
def test_a_png_of_16_bits_within_an_icon_is_read_at_8_with_a_warning_without_the_extra(
    within: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_extra, "is_installed", lambda: False)
    (warning,) = read_image(within(PICTURES["16-bit RGB"])).warnings
    assert warning.startswith("16-bit RGB PNG read at 8 bits: to keep all bits, ")


def test_a_jpeg_2000_within_an_icns_is_read_as_alone() -> None:
    pixels = DEEP[..., :3] >> 4
    data = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", bitspersample=12))
    image = read_image(in_icns(data))
    assert np.array_equal(image.pixels, read_image(data).pixels)
    assert image.notes == ("12 bits scaled to 16",)


def test_the_old_icns_has_planes_and_a_mask() -> None:
    colours = RNG.integers(0, 256, (16, 16, 3), np.uint8)
    mask = RNG.integers(0, 256, (16, 16), np.uint8)
    # A run of up to 128 bytes as they are, after their number minus one.
    planes = b"".join(
        b"\x7f" + half.tobytes() for plane in np.moveaxis(colours, -1, 0) for half in (plane[:8], plane[8:])
    )
    data = icns((b"is32", planes), (b"s8mk", mask.tobytes()))
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(colours, -1, 0))
    assert image.alpha is not None
    assert np.array_equal(image.alpha, mask)
    assert read_header(data) == image.header
