"""TIFF, which holds every depth. It is written without Pillow; `tiff_pages` reads it."""

from collections.abc import Iterator

from convcli.arrays import Array
from convcli.pictures.formats.format import Coding, Format, Parts, Sequence, Still
from convcli.pictures.formats.tiff_compression import NUMBERS
from convcli.pictures.formats.tiff_writing import TiffWriter
from convcli.pictures.image import Metadata, Stored


class Tiff(Format):
    """The format TIFF."""

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the file, strip by strip."""
        return TiffWriter().add(pixels, alpha, metadata, _compression(coding))

    def coding_notes(self, stored: Stored) -> Iterator[str]:
        """Yield a sentence about a compression that is not written."""
        if stored.compression and stored.compression not in NUMBERS:
            yield f"the compression of the image, {stored.compression}, is not kept: the output is lossless"

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return a file of pages that is being written."""
        return _Pages(total)


class _Pages:
    """A file of pages, which have no duration."""

    def __init__(self, total: int) -> None:
        self._writer = TiffWriter(total)

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes that the file gains by the next page."""
        return self._writer.add(still.pixels, still.alpha, still.metadata, _compression(still.coding))


def _compression(coding: Coding) -> str:
    """Return the compression that was asked for, or that of the file that the picture comes from.

    In place of one that is not written, such as JPEG, it is Deflate.
    """
    if coding.compression in NUMBERS:
        return coding.compression
    stored = coding.stored.compression or "none"
    return stored if stored in NUMBERS else "deflate"


TIFF = Tiff(
    "tiff",
    ("tif", "tiff"),
    many_channels=True,
    holds_alpha=True,
    deep_gray=True,
    deep_colour="yes",
    floats=True,
    compressions=tuple(NUMBERS),
    metadata=("icc", "exif", "dpi", "xmp", "iptc", "geo", "gdal"),
    frames="pages",
)
