"""Keep the colour profile, EXIF and resolution of a file for the file that is made from it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import PIL.Image
from PIL.ExifTags import IFD, Base

from convcli.errors import reason_of
from convcli.pictures.image import Metadata
from convcli.pictures.orientation import is_sideways

# Other tags, such as sizes, strips and thumbnails, describe the old file, but a TIFF writer would apply them.
_KEPT_TAGS = {
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
    Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment,
    Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.ExifOffset, Base.GPSInfo,
}  # fmt: skip

_SIZES = (Base.ExifImageWidth, Base.ExifImageHeight)


class Description(NamedTuple):
    """The orientation and metadata that a file gives its picture; if they are damaged, a warning instead."""

    orientation: int = 1
    metadata: Metadata = Metadata()
    warnings: tuple[str, ...] = ()


def description(read: Callable[[], tuple[int, Metadata]]) -> Description:
    """Return the orientation and metadata that ``read`` gives, or a warning if it fails."""
    try:
        orientation, metadata = read()
    # Damaged tags can raise any kind of error, as broken pictures do.
    except Exception as error:
        loss = f"EXIF, ICC profile and DPI are dropped, because they are damaged: {reason_of(error)}"
        return Description(warnings=(loss,))
    if metadata.dpi and is_sideways(orientation):
        metadata = metadata._replace(dpi=metadata.dpi[::-1])
    return Description(orientation, metadata)


def orientation_in(exif: PIL.Image.Exif) -> int:
    """Return EXIF's orientation, or 1 if it has none."""
    orientation = exif.get(Base.Orientation)
    return orientation if isinstance(orientation, int) else 1


def kept_exif(exif: PIL.Image.Exif) -> bytes | None:
    """Return EXIF without the tags about the layout of the old file; None if no tag remains."""
    others = {tag: exif.pop(tag) for tag in set(exif) if not _is_kept(tag, exif[tag])}
    details = exif.get_ifd(IFD.Exif) if IFD.Exif in exif else {}
    sizes: dict[int, Any] = {tag: details.pop(tag) for tag in _SIZES if tag in details}
    # Other formats have no offsets of 64 bits.
    exif.bigtiff = False
    # Pillow imports its TIFF writer to write tags.
    data = exif.tobytes() if exif else None
    # The next frame may have the same EXIF.
    exif.update(others)
    details.update(sizes)
    return data


def _is_kept(tag: int, value: Any) -> bool:
    return tag in _KEPT_TAGS and not (tag == Base.ImageDescription and str(value).startswith(_LAYOUTS))


# Descriptions in which ImageJ, OME and tifffile store the number and the meaning of the pages.
_LAYOUTS = ("ImageJ=", "<?xml", "<OME", '{"shape":')


def sensible_dpi(x: float, y: float) -> tuple[float, float] | None:
    """Return the resolution, or None if no format can store it."""
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None


LABELS = {"icc": "the colour profile", "exif": "EXIF", "dpi": "the resolution"}


def metadata_options(metadata: Metadata) -> dict[str, Any]:
    """Return Pillow's options for writing the metadata."""
    options = {"icc_profile": metadata.icc, "exif": metadata.exif, "dpi": metadata.dpi}
    return {name: value for name, value in options.items() if value}
