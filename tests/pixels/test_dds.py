"""Compare the pixels that are read from DDS files with those that were stored."""

import struct

import imagecodecs
import numpy as np
import pytest

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.reading import read_header, read_image

ALPHA, CODE, RGB, LUMINANCE = 0x1, 0x4, 0x40, 0x20000
CUBE, VOLUME = 0x200, 0x200000
PIXELS = np.random.default_rng(7).integers(0, 256, (8, 12, 4), np.uint8)


def dds(
    content: bytes, flags: int, *, code: bytes = b"", bits: int = 0, masks: tuple[int, ...] = (), kinds: int = 0,
    extended: tuple[int, ...] = (),
) -> bytes:  # fmt: skip
    """Return a file of 12 x 8 pixels. kinds: flags for faces and slices.  extended: the numbers of the header DX10."""
    format = struct.pack("<2I4s5I", 32, flags, code, bits, *(*masks, 0, 0, 0, 0)[:4])
    head = struct.pack("<7I44x", 124, 0x1007, 8, 12, 0, 0, 1) + format + struct.pack("<2I12x", 0x1000, kinds)
    return b"DDS " + head + struct.pack(f"<{len(extended)}I", *extended) + content


BYTE_MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize("count", [3, 4])
def test_channels_of_8_bits(count: int) -> None:
    stored = PIXELS[..., [2, 1, 0, 3][:count]].tobytes()
    data = dds(stored, RGB | (ALPHA if count == 4 else 0), bits=8 * count, masks=BYTE_MASKS[:count])
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(PIXELS[..., :3], -1, 0))
    assert (image.alpha is not None) == (count == 4)
    assert image.alpha is None or np.array_equal(image.alpha, PIXELS[..., 3])
    assert (read_header(data), image.notes, image.warnings) == (image.header, (), ())


@pytest.mark.parametrize("masks", [(0xF800, 0x7E0, 0x1F), (0xF00, 0xF0, 0xF, 0xF000)])
def test_channels_of_fewer_bits_are_scaled(masks: tuple[int, ...]) -> None:
    words = PIXELS[..., :2].copy().view("<u2")[..., 0].astype(int)
    flags = RGB | (ALPHA if len(masks) == 4 else 0)
    image = read_image(dds(words.astype("<u2").tobytes(), flags, bits=16, masks=masks))
    channels = [(words & mask) // (mask & -mask) * 255 // (mask // (mask & -mask)) for mask in masks]
    assert np.array_equal(image.pixels, channels[:3])
    assert image.alpha is None or np.array_equal(image.alpha, channels[3])
    assert image.notes == ("channels of fewer than 8 bits scaled to 8",)


def test_luminance() -> None:
    assert np.array_equal(read_image(dds(PIXELS[..., 0].tobytes(), LUMINANCE, bits=8)).pixels[0], PIXELS[..., 0])
    image = read_image(dds(PIXELS[..., :2].tobytes(), LUMINANCE | ALPHA, bits=16))
    assert image.alpha is not None
    assert np.array_equal([image.pixels[0], image.alpha], np.moveaxis(PIXELS[..., :2], -1, 0))


# The DXGI numbers of block compressions, and the bytes of a block.
BLOCKS = {"BC1": (71, 8), "BC2": (74, 16), "BC3": (77, 16), "BC4": (80, 8), "BC5": (83, 16), "BC7": (98, 16)}


def decoded_by_imagecodecs(content: bytes, number: int) -> Array:
    out = np.zeros({4: (8, 12), 5: (8, 12, 2)}.get(number, (8, 12, 4)), np.uint8)
    imagecodecs.bcn_decode(content, number, out=out)
    return np.atleast_3d(out)


@pytest.mark.parametrize("name", BLOCKS)
def test_compressed_blocks_are_those_of_imagecodecs(name: str) -> None:
    format, size = BLOCKS[name]
    content = np.random.default_rng(2).integers(0, 256, 6 * size, np.uint8).tobytes()
    image = read_image(dds(content, CODE, code=b"DX10", extended=(format, 3, 0, 1, 0)))
    expected = decoded_by_imagecodecs(content, int(name[2]))
    bands = np.array(image.pixels if image.alpha is None else [*image.pixels, image.alpha]).astype(int)
    # Decoders round the colours between two ends differently.
    assert abs(bands[: expected.shape[2]] - np.moveaxis(expected, -1, 0)).max() <= 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (dds(bytes(1000), RGB, bits=24, masks=BYTE_MASKS, kinds=CUBE), "several faces or slices"),
        (dds(bytes(1000), RGB, bits=24, masks=BYTE_MASKS, kinds=VOLUME), "several faces or slices"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(71, 3, 0, 6, 0)), "several faces or slices"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(71, 3, 4, 1, 0)), "several faces or slices"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(71, 4, 0, 1, 0)), "several faces or slices"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(95, 3, 0, 1, 0)), "floats"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(96, 3, 0, 1, 0)), "floats"),
        (dds(bytes(1000), CODE, code=b"DX10", extended=(84, 3, 0, 1, 0)), "signed channels"),
        (dds(bytes(1000), RGB, bits=32, masks=(0x3FF, 0xFFC00, 0x3FF00000)), "channels of more than 8 bits"),
    ],
)
def test_other_contents_are_refused(data: bytes, kind: str) -> None:
    with pytest.raises(FileError, match=f"DDS is not read if it holds {kind}: convert it first"):
        read_image(data)


def test_codes_that_pillow_does_not_know_are_refused() -> None:
    data = dds(bytes(1000), CODE, code=struct.pack("<I", 113))
    with pytest.raises(
        FileError, match="Unimplemented pixel format 113: convert it first, for example with ImageMagick"
    ):
        read_image(data)
