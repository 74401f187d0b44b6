"""Keep the metadata of a file for the file that is made from it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import PIL.Image
from PIL.ExifTags import IFD, Base

from convcli.errors import reason_of
from convcli.pictures.image import Metadata
from convcli.pictures.orientation import is_sideways

# Other tags, such as sizes, strips and thumbnails, describe the old file, but a TIFF writer would apply them.
KEPT_TAGS: set[int] = {
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
    Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment,
    Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.ExifOffset, Base.GPSInfo,
}  # fmt: skip

_DIRECTORIES: tuple[int, ...] = (IFD.Exif, IFD.GPSInfo)
_SIZES: tuple[int, ...] = (Base.ExifImageWidth, Base.ExifImageHeight)


LABELS = {
    "icc": "the colour profile",
    "exif": "EXIF",
    "dpi": "the resolution",
    "xmp": "XMP",
    "iptc": "IPTC",
    "comment": "the comment",
    "texts": "PNG text",
    "geo": "the georeference",
    "gdal": "GDAL's metadata",
}

# A function for each field of the metadata that a file may have. It returns the field, or raises an error of any kind.
Readers = Mapping[str, Callable[[], Any]]


class Description(NamedTuple):
    """The orientation and metadata that a file gives its picture.

    warnings: the fields that are damaged.  notes: the parts of the file that are not read.
    """

    orientation: int = 1
    metadata: Metadata = Metadata()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def description(orientation: int, readers: Readers, notes: Iterable[str] = ()) -> Description:
    """Return the fields that the readers return, and a warning for each reader that fails."""
    fields: dict[str, Any] = {}
    losses = []
    for field, read in readers.items():
        try:
            fields[field] = read()
        # Damaged tags can raise any kind of error, as broken pictures do.
        except Exception as error:
            losses.append(f"{LABELS[field]} is dropped, because it is damaged: {reason_of(error)}")
    metadata = Metadata(**fields)
    if metadata.dpi and is_sideways(orientation):
        metadata = metadata._replace(dpi=metadata.dpi[::-1])
    return Description(orientation, metadata, tuple(losses), tuple(notes))


def orientation_in(exif: PIL.Image.Exif) -> int:
    """Return EXIF's orientation, or 1 if it has none."""
    orientation = exif.get(Base.Orientation)
    return orientation if isinstance(orientation, int) else 1


def kept_exif(exif: PIL.Image.Exif) -> bytes | None:
    """Return EXIF without the tags about the layout of the old file; None if no tag remains."""
    kept = PIL.Image.Exif()
    # The notes of cameras have numbers in this order too. Other formats than TIFF have no offsets of 64 bits.
    kept.endian, kept.bigtiff = exif.endian, False
    # The values of other tags are not looked at: Pillow warns of those that it does not know well.
    for tag in KEPT_TAGS & {*exif}:
        if tag in _DIRECTORIES:
            kept[tag] = _directory(exif, tag)
        elif not (tag == Base.ImageDescription and str(exif[tag]).startswith(_LAYOUTS)):
            kept[tag] = exif[tag]
    # Pillow imports its TIFF writer to write tags.
    return kept.tobytes() if kept else None


def kept_exif_in(data: bytes | None) -> bytes | None:
    """Return what ``kept_exif`` keeps of EXIF as it is stored, or None without any."""
    exif = PIL.Image.Exif()
    exif.load(data or b"")
    return kept_exif(exif)


def _directory(exif: PIL.Image.Exif, tag: int) -> dict[int, Any]:
    directory = {inner: value for inner, value in exif.get_ifd(tag).items() if inner not in _SIZES}
    if IFD.Interop in directory:
        directory[IFD.Interop] = exif.get_ifd(IFD.Interop)
    return directory


# Descriptions in which ImageJ, OME and tifffile store the number and the meaning of the pages.
_LAYOUTS = ("ImageJ=", "<?xml", "<OME", '{"shape":')


def bytes_in(value: Any) -> bytes | None:
    """Return a value of Pillow's if it is bytes that are not empty; it is text if a text of the file has its name."""
    return value if isinstance(value, bytes) and value else None


def sensible_dpi(x: float, y: float) -> tuple[float, float] | None:
    """Return the resolution, or None if no format can store it."""
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None
