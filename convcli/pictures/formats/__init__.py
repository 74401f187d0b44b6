"""Picture formats: one row per format, and one file per format that needs code of its own.

To add a format, add its row here and its row in ``docs/picture-formats.md``, which
``tests/test_picture_formats.py`` compares.
"""

import sys

from convcli.pictures.formats.avif import AVIF
from convcli.pictures.formats.bmp import Bmp
from convcli.pictures.formats.dds import DDS
from convcli.pictures.formats.format import Coding, Format
from convcli.pictures.formats.gif import GIF
from convcli.pictures.formats.heif import HEIF
from convcli.pictures.formats.icons import CUR, ICNS, ICO
from convcli.pictures.formats.jpeg import JPEG, Jpeg
from convcli.pictures.formats.jpeg2000 import JPEG2000
from convcli.pictures.formats.pcx import DCX, PCX
from convcli.pictures.formats.png import PNG
from convcli.pictures.formats.ppm import PPM
from convcli.pictures.formats.psd import PSD
from convcli.pictures.formats.qoi import QOI
from convcli.pictures.formats.sgi import SGI
from convcli.pictures.formats.spider import SPIDER
from convcli.pictures.formats.sun import SUN
from convcli.pictures.formats.tga import TGA
from convcli.pictures.formats.tiff import TIFF
from convcli.pictures.formats.webp import WEBP
from convcli.pictures.formats.xbm import XBM
from convcli.pictures.formats.xpm import XPM
from convcli.text import choice, require_type

__all__ = ["MANY_CHANNELS", "PICTURE_FORMATS", "Coding", "Format", "format_of", "format_read", "is_written"]

# The formats of output.
PICTURE_FORMATS = (
    PNG,
    JPEG,
    TIFF,
    WEBP,
    AVIF,
    HEIF,
    GIF,
    # A file has at most 4 GB, of which colours take 3 bytes per pixel.
    Bmp("bmp", ("bmp",), most_pixels=1_431_000_000, metadata=("dpi",)),
    PPM,
    JPEG2000,
    TGA,
    Format("npy", ("npy",), is_array=True, is_mapped=True, many_channels=True, most_side=sys.maxsize),
    Format("json", ("json",), is_array=True, many_channels=True, most_side=sys.maxsize),
)
# Formats that are only read.
READ_ONLY = (
    CUR,
    DCX,
    DDS,
    Bmp("dib"),
    Format("fits", ("fits", "fit", "fts"), many_channels=True),
    Format("gbr"),
    ICNS,
    ICO,
    Format("jpegxl", ("jxl",)),
    # Many phones write it as .jpg, with previews and depth maps.
    Jpeg("mpo", decoded_in_place=True, parts_of_one=True),
    Format("msp"),
    Format("pam", ("pam",)),
    PCX,
    PSD,
    QOI,
    SGI,
    SPIDER,
    SUN,
    XBM,
    XPM,
)
# The reasons why formats that Pillow opens are refused.
_REFUSALS = {
    "eps": "EPS is a program, which convcli does not run: convert it to a picture first",
    # Pillow opens films as pictures, and fails only when it loads them.
    "mpeg": "MPEG is a film, not a picture",
    "fli": "FLI is a film, not a picture: extract its frames first, as in ffmpeg -i FILE frame%04d.png",
    "pcd": "of a Photo CD picture Pillow reads only a small copy: convert it first, for example with hpcdtoppm",
    "mcidas": "the numbers of a McIDAS area have no fixed meaning: save them as .npy first",
}
# The extensions of files that may have other numbers of channels than 1 and 3.
MANY_CHANNELS = {
    extension for format in (*PICTURE_FORMATS, *READ_ONLY) if format.many_channels for extension in format.extensions
}
_BY_NAME = {name: format for format in PICTURE_FORMATS for name in (format.name, *format.extensions)}
_OPENED = {format.name: format for format in (*PICTURE_FORMATS, *READ_ONLY)}


def format_of(name: str, option: str = "format") -> Format:
    """Return the format that a name (``png``, ``jpeg``) or an extension (``.tif``, ``JPG``) stands for.

    Raises OptionError, about the option that the name comes from, for a format that cannot be written.
    """
    require_type(option, name, str, "the name of a format")
    return _BY_NAME[choice(option, name.lower().removeprefix("."), _BY_NAME)]


def is_written(name: str) -> bool:
    """Return whether a name or an extension stands for a format that can be written."""
    return name.lower() in _BY_NAME


def format_read(name: str | None) -> Format:
    """Return the format with this name in Pillow. A format without a row is refused, because no test has read it."""
    name = (name or "").lower()
    refusal = f"pictures of the format {name} are not read: convert it first, for example with ImageMagick"
    return _OPENED.get(name) or Format(name, refusal=_REFUSALS.get(name, refusal))
