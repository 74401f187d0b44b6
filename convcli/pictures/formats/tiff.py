"""TIFF, which holds every depth. It is written without Pillow; `tiff_pages` reads it."""

from convcli.arrays import Array
from convcli.pictures.formats.format import Coding, Format, Parts
from convcli.pictures.formats.tiff_writing import tiff_parts
from convcli.pictures.image import Metadata


class Tiff(Format):
    """The format TIFF."""

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield an uncompressed file, strip by strip."""
        return tiff_parts(pixels, alpha, metadata)


TIFF = Tiff(
    "tiff",
    ("tif", "tiff"),
    many_channels=True,
    holds_alpha=True,
    deep_gray=True,
    deep_colour="yes",
    floats=True,
    metadata=("icc", "exif", "dpi", "xmp", "iptc"),
)
