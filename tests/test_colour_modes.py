"""Pillow's modes as L and RGB, and what is said of it."""

import struct
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from support.pictures import HEIGHT, WIDTH, encoded, picture

from convcli.pictures.reading import read_header, read_image


def ink_profile() -> bytes:
    """An ICC profile of four inks, each of which takes a quarter of the lightness, and none of which has a colour."""
    corners = [(c + m + y + k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    lut += struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    lut += 4 * ramp + b"".join(bytes([round(255 * (1 - inks / 4)), 128, 128]) for inks in corners) + 3 * ramp
    lut += bytes(-len(lut) % 4)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    table = 128 + 4 + 2 * 12
    header = struct.pack(">I4sI4s4s4s", table + len(white) + len(lut), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header = header.ljust(36, b"\0") + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", table, len(white), b"A2B0", table + len(white), len(lut))
    return header.ljust(128, b"\0") + tags + white + lut


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_its_profile(format: str) -> None:
    cyan = PIL.Image.new("CMYK", (16, 8), (255, 0, 0, 0))
    image = read_image(encoded(cyan, format, icc_profile=ink_profile()))
    assert image.notes == ("CMYK converted to sRGB by its colour profile",)
    # L* of 75 is sRGB's gray of 185.
    assert abs(image.pixels.astype(int) - 185).max() <= 3
    assert (image.metadata.icc, image.warnings) == (None, ())


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_converted_by_the_formula(format: str) -> None:
    """A JPEG holds it inverted, as Adobe's do."""
    inks = PIL.Image.new("CMYK", (16, 8), (255, 51, 0, 0))
    image = read_image(encoded(inks, format))
    assert abs(image.pixels.astype(int) - np.reshape([0, 204, 255], (3, 1, 1))).max() <= 3
    assert image.notes == ("CMYK converted to RGB",)


def test_a_damaged_cmyk_profile_is_ignored_with_a_warning() -> None:
    image = read_image(encoded(picture("CMYK"), "TIFF", icc_profile=ink_profile()[:150]))
    assert image.notes == ("CMYK converted to RGB",)
    assert image.warnings[0].startswith("the CMYK profile is ignored, because it is damaged: ")
    assert image.metadata.icc is None


def test_the_profile_of_a_palette_picture_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_image(encoded(picture("RGB").quantize(9), "PNG", icc_profile=profile)).metadata.icc == profile


def cmyk_of_16_bits() -> bytes:
    import tifffile

    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 5, 4), np.uint16), photometric="separated")
    return stream.getvalue()


def test_16_bit_cmyk_is_read_at_8_bits_with_a_warning() -> None:
    (warning,) = read_image(cmyk_of_16_bits()).warnings
    assert warning == "16-bit CMYK TIFF read at 8 bits: to keep all bits, use an .npy array"


@pytest.mark.parametrize(
    ("image", "format", "mode", "note"),
    [
        (picture("YCbCr"), "TIFF", "RGB", "YCbCr converted to RGB"),
        (picture("LAB"), "TIFF", "RGB", "Lab converted to RGB"),
        (picture("L").convert("1"), "PNG", "L", "1-bit converted to L"),
        (picture("RGB").quantize(16), "BMP", "RGB", "palette converted to RGB"),
        (picture("L").quantize(16), "PNG", "L", "palette converted to L"),
        (picture("RGB").quantize(16), "TIFF", "RGB", "palette converted to RGB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_note_names_each_conversion(image: PIL.Image.Image, format: str, mode: str, note: str) -> None:
    data = encoded(image, format)
    found = read_image(data)
    with PIL.Image.open(BytesIO(data)) as again:
        expected = np.reshape(np.asarray(again.convert(mode)), (HEIGHT, WIDTH, -1))
    assert np.array_equal(np.moveaxis(found.pixels, 0, -1), expected)
    assert (found.notes, found.warnings) == ((note,), ())
    assert read_header(data).shape == found.pixels.shape


def test_a_bmp_of_16_bits_per_pixel_is_not_deep() -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    data = b"BM" + struct.pack("<IHHI", 14 + len(header) + 4, 0, 0, 14 + len(header)) + header
    image = read_image(data + struct.pack("<HH", 0xF800, 0x001F))
    assert image.pixels[:, 0].T.tolist() == [[255, 0, 0], [0, 0, 255]]
    assert image.warnings == ()
