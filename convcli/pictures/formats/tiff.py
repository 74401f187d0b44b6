"""TIFF, which holds every depth. It is written without Pillow; `tiff_pages` reads it."""

from convcli.arrays import Array
from convcli.pictures.formats.format import Coding, Format, Parts, Sequence
from convcli.pictures.formats.tiff_writing import TiffPages
from convcli.pictures.image import Metadata


class Tiff(Format):
    """The format TIFF."""

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield an uncompressed file, strip by strip."""
        return TiffPages().add(pixels, alpha, metadata)

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return a file of pages that is being written."""
        return _Pages(total)


class _Pages:
    """A file of pages, which have no duration."""

    def __init__(self, total: int) -> None:
        self._pages = TiffPages(total)

    def add(
        self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding, duration: float | None
    ) -> Parts:
        """Yield the bytes that the file gains by the next page."""
        return self._pages.add(pixels, alpha, metadata)


TIFF = Tiff(
    "tiff",
    ("tif", "tiff"),
    many_channels=True,
    holds_alpha=True,
    deep_gray=True,
    deep_colour="yes",
    floats=True,
    metadata=("icc", "exif", "dpi", "xmp", "iptc", "geo", "gdal"),
    frames="pages",
)
