"""Compare the page about what is read of each format with the formats, and with the tests of pixels."""

import re
import struct
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import test_bmp
import test_dds
import test_fits
import test_heif
import test_icons
import test_jpeg2000
import test_png
import test_psd
import test_small_formats
import test_tga
from support.pages import page
from support.pictures import encoded

from convcli.apply.writers import WRITERS
from convcli.pictures import heic_extra
from convcli.pictures.formats import PICTURE_FORMATS, READ_ONLY, format_read
from convcli.pictures.reading import read_header, read_image

ROWS = set(re.findall(r"^### (.*)", page("docs/picture-reading.md"), re.MULTILINE))


def test_every_format_that_is_read_has_a_row() -> None:
    assert {format.name for format in (*PICTURE_FORMATS, *READ_ONLY)} - set(WRITERS) == ROWS


def test_formats_of_pillow_without_a_row_are_refused() -> None:
    PIL.Image.init()
    opened = {name.lower() for name in PIL.Image.OPEN}
    assert {name for name in opened if not format_read(name).refusal} == ROWS & opened


# A file of each row, as the tests of its pixels make it.
GRAY = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
ROW = GRAY[:, np.newaxis]
COLOURS = PIL.Image.fromarray(GRAY.repeat(16).reshape(8 * 4, 12 * 4)).convert("RGB")
FILES = {
    "avif": encoded(COLOURS, "AVIF"),
    "bmp": test_bmp.bmp(GRAY, 4, 24),
    "cur": test_icons.icons(test_icons.CURSOR, test_icons.FULL),
    "dcx": test_small_formats.dcx(test_small_formats.colour_page(np.stack([GRAY] * 3, axis=2))),
    "dds": test_dds.dds(GRAY.tobytes(), test_dds.LUMINANCE, bits=8),
    "dib": test_bmp.bmp(GRAY, 4, 24)[14:],
    "fits": test_fits.unit(GRAY),
    "gbr": struct.pack(">5I4sI", 31, 2, 12, 8, 1, b"GIMP", 10) + b"ab\0" + GRAY.tobytes(),
    "gif": encoded(COLOURS, "GIF"),
    "icns": test_icons.icns((b"icp4", encoded(COLOURS.resize((16, 16)), "PNG"))),
    "ico": test_icons.icons(test_icons.ICON, test_icons.FULL),
    "jpeg": encoded(COLOURS, "JPEG"),
    "jpeg2000": test_jpeg2000.jp2(GRAY),
    "jpegxl": bytes(imagecodecs.jpegxl_encode(GRAY, lossless=True)),
    "mpo": encoded(COLOURS, "MPO", save_all=True, append_images=[COLOURS]),
    "msp": encoded(COLOURS.convert("1"), "MSP"),
    "pam": b"P7\nWIDTH 12\nHEIGHT 8\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n" + GRAY.tobytes(),
    "pcx": test_small_formats.pcx(ROW, 8, 1, tail=b"\x0c" + bytes(range(256)) * 3),
    "png": test_png.png(GRAY[..., np.newaxis], 8, test_png.GRAY),
    "ppm": b"P5 12 8 255 " + GRAY.tobytes(),
    "psd": test_psd.psd(GRAY[np.newaxis], test_psd.GRAY),
    "qoi": encoded(COLOURS, "QOI"),
    "sgi": test_small_formats.sgi(GRAY[..., np.newaxis]),
    "spider": test_small_formats.spider([GRAY.astype(np.float32)], ">"),
    "sun": test_small_formats.sun(8, 1, GRAY.tobytes(), width=12, height=8),
    "tga": test_tga.tga(GRAY[..., np.newaxis], test_tga.GRAY),
    "tiff": encoded(COLOURS, "TIFF"),
    "webp": encoded(COLOURS, "WEBP"),
    "xbm": encoded(COLOURS.convert("1"), "XBM"),
    "xpm": test_small_formats.xpm("#000000", "#ffffff"),
}


if heic_extra.is_installed():
    FILES["heif"] = test_heif.heif(GRAY)


def test_every_row_has_a_file() -> None:
    assert set(FILES) | {"heif"} == ROWS


@pytest.mark.parametrize("row", FILES)
def test_the_file_of_a_row_has_its_format_and_is_read_without_a_warning(row: str, tmp_path: Path) -> None:
    # Pillow has another name for FITS, and does not know HEIC, PAM and JPEG XL.
    assert row in ("fits", "heif", "jpegxl", "pam") or row == (PIL.Image.open(BytesIO(FILES[row])).format or "").lower()
    image = read_image(FILES[row])
    assert image.warnings == ()
    assert read_header(FILES[row]) == image.header
    # Pillow reads a file on the disk in other ways than one in memory.
    path = tmp_path / "a"
    path.write_bytes(FILES[row])
    assert np.array_equal(read_image(path).pixels, image.pixels)
    assert read_header(path) == image.header
