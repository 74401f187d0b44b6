"""Colour profile, EXIF and resolution, from one file to the next."""

from typing import Any

import PIL.Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from convcli.formats import Format
from convcli.image_types import Metadata

# Sizes, strips, thumbnails and the like are of the old file, and a TIFF writer would obey them.
_KEPT_TAGS = {
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
    Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment,
    Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.ExifOffset, Base.GPSInfo,
}  # fmt: skip


def read_orientation(picture: ImageFile) -> int:
    """EXIF's, 1 where there is none."""
    orientation = picture.getexif().get(Base.Orientation)
    return orientation if isinstance(orientation, int) else 1


def read_metadata(picture: ImageFile) -> Metadata:
    """Whatever of it the picture has; errors as many as there are ways in which EXIF can be broken."""
    return Metadata(picture.info.get("icc_profile") or None, _kept_exif(picture.getexif()), _dpi(picture))


def _kept_exif(exif: PIL.Image.Exif) -> bytes | None:
    others = {tag: exif.pop(tag) for tag in set(exif) - _KEPT_TAGS}
    # Writing tags imports what writes TIFF.
    kept = exif.tobytes() if exif else None
    # The next frame may have the same EXIF.
    exif.update(others)
    return kept


def _dpi(picture: ImageFile) -> tuple[float, float] | None:
    x, y = map(float, picture.info.get("dpi", (0, 0)))
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None


_ICC_SPACES = {1: b"GRAY", 3: b"RGB "}
_JPEG_EXIF_LIMIT = 65533


def metadata_options(format: Format, channels: int, metadata: Metadata) -> dict[str, Any]:
    """What Pillow is told, to write as much of it as the format holds and, for a profile, as fits the channels."""
    options: dict[str, Any] = {}
    if metadata.icc and metadata.icc[16:20] == _ICC_SPACES[channels]:
        options["icc_profile"] = metadata.icc
    if metadata.exif and (format.name != "jpeg" or len(metadata.exif) <= _JPEG_EXIF_LIMIT):
        options["exif"] = metadata.exif
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    return options
