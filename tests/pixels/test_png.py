"""Compare the pixels that are read from PNG files with those that were stored."""

import struct
import zlib

import numpy as np
import pytest

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(levels: Array, bits: int, colour: int, *chunks: bytes) -> bytes:
    """Return a file of levels ``(H, W, C)``, with chunks before the pixels."""
    height, width, channels = levels.shape
    unpacked = np.unpackbits(levels.astype(">u2").view(np.uint8).reshape(height, width, channels, 2), axis=-1)
    rows = np.packbits(unpacked[..., 16 - bits :].reshape(height, -1), axis=1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def interlaced(levels: Array, bits: int, colour: int) -> bytes:
    """Return a file of levels of 8 or 16 bits in the seven passes of Adam7."""
    height, width, _ = levels.shape
    steps = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = [levels[top::down, left::right] for top, left, down, right in steps]
    rows = [b"\0" + row.astype(f">u{bits // 8}").tobytes() for part in passes for row in part if row.size]
    header = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 1)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def random_levels(bits: int, channels: int) -> Array:
    levels = np.random.default_rng(bits).integers(0, 1 << bits, (6, 11, channels))
    levels[0, 0], levels[0, 1] = 0, (1 << bits) - 1
    return levels


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("which", [0, 1, "white"])
def test_a_transparent_level_of_gray_becomes_alpha(bits: int, which: int | str) -> None:
    levels = random_levels(bits, 1)
    white = (1 << bits) - 1
    level = white if which == "white" else which
    data = png(levels, bits, GRAY, chunk(b"tRNS", struct.pack(">H", level)))
    image = read_image(data)
    most = 65535 if bits == 16 else 255
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.where(levels[..., 0] == level, 0, most))
    assert np.array_equal(image.pixels[0], levels[..., 0] * (most // white))
    assert read_header(data) == image.header


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_becomes_alpha(bits: int) -> None:
    levels = random_levels(bits, 3)
    levels[2, 3:6] = levels[2, 3]
    # A colour that is the same at 8 bits is another one.
    levels[3, 3] = levels[2, 3] ^ (bits == 16)
    data = png(levels, bits, RGB, chunk(b"tRNS", struct.pack(">3H", *levels[2, 3])))
    image = read_image(data)
    assert image.alpha is not None
    assert np.array_equal(image.alpha == 0, (levels == levels[2, 3]).all(axis=-1))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)
    assert read_header(data) == image.header


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_a_transparent_colour_of_16_bits_is_refused() -> None:
    data = png(random_levels(16, 3), 16, RGB, chunk(b"tRNS", bytes(6)))
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"a transparent colour of 16 bits: to read it, pip install .*\[deep\]'"):
            read(data)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("gray", [False, True])
def test_a_palette_with_fewer_alphas_than_colours(bits: int, gray: bool) -> None:
    levels = random_levels(bits, 1)
    colours = np.random.default_rng(0).integers(0, 256, (1 << bits, 3))
    if gray:
        colours[:, 1:] = colours[:, :1]
    alphas = np.full(1 << bits, 255)
    alphas[: max(1, 1 << (bits - 1))] = np.arange(max(1, 1 << (bits - 1))) * 3 % 256
    stored = alphas[: max(1, 1 << (bits - 1))].astype(np.uint8).tobytes()
    palette = chunk(b"PLTE", colours.astype(np.uint8).tobytes())
    data = png(levels, bits, PALETTE, palette, chunk(b"tRNS", stored))
    image = read_image(data)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), colours[levels[..., 0]][..., : 1 if gray else 3])
    assert image.alpha is not None
    assert np.array_equal(image.alpha, alphas[levels[..., 0]])
    assert read_header(data) == image.header


KINDS = {GRAY: (1, (1, 2, 4, 8, 16)), RGB: (3, (8, 16)), GRAY_ALPHA: (2, (8, 16)), RGB_ALPHA: (4, (8, 16))}


@pytest.mark.parametrize(
    ("colour", "bits"), [(colour, bits) for colour, (_, depths) in KINDS.items() for bits in depths]
)
def test_every_depth_is_read_exactly(colour: int, bits: int) -> None:
    levels = random_levels(bits, KINDS[colour][0])
    data = png(levels, bits, colour)
    image = read_image(data)
    bands = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    most = 65535 if bits == 16 else 255
    assert np.array_equal(np.moveaxis(np.array(bands), 0, -1), levels * (most // ((1 << bits) - 1)))
    assert read_header(data) == image.header
    assert image.warnings == ()


GAMMA, PRIMARIES = struct.pack(">I", 45455), struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
IGNORED = "the gamma or the primaries in gAMA or cHRM are ignored, and levels are kept as they are"


@pytest.mark.parametrize(
    ("chunks", "warnings"),
    [
        ([(b"gAMA", GAMMA), (b"cHRM", PRIMARIES)], ()),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100000))], ()),
        ([(b"gAMA", struct.pack(">I", 100000))], (IGNORED,)),
        ([(b"cHRM", WIDE)], (IGNORED,)),
        ([(b"cICP", bytes((9, 16, 0, 1)))],
         ("the colour space in cICP (HDR, for example) is ignored, and levels are kept as they are",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("bits", [8, 16])
def test_colours_other_than_those_of_srgb_are_a_warning(
    chunks: list[tuple[bytes, bytes]], warnings: tuple[str, ...], bits: int
) -> None:
    levels = random_levels(bits, 3)
    image = read_image(png(levels, bits, RGB, *(chunk(*parts) for parts in chunks)))
    assert image.warnings == warnings
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", KINDS)
def test_interlaced_pictures_are_exact_without_a_warning(colour: int, bits: int) -> None:
    levels = random_levels(bits, KINDS[colour][0])
    image = read_image(interlaced(levels, bits, colour))
    bands = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    assert np.array_equal(np.moveaxis(np.array(bands), 0, -1), levels)
    assert image.warnings == ()
