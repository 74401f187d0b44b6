"""Colour profile, EXIF and resolution, from one file to the next."""

from collections.abc import Callable, Iterator
from os import SEEK_CUR
from typing import IO, Any, NamedTuple

import PIL.Image
from PIL.ExifTags import IFD, Base
from PIL.ImageFile import ImageFile

from convcli.errors import reason_of
from convcli.pictures.formats import Format
from convcli.pictures.image import Metadata
from convcli.pictures.orientation import is_sideways

# Sizes, strips, thumbnails and the like are of the old file, and a TIFF writer would obey them.
_KEPT_TAGS = {
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
    Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment,
    Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.ExifOffset, Base.GPSInfo,
}  # fmt: skip

_SIZES = (Base.ExifImageWidth, Base.ExifImageHeight)


class Description(NamedTuple):
    """What a file says of its picture; a warning, and nothing else, if that is damaged."""

    orientation: int = 1
    metadata: Metadata = Metadata()
    warnings: tuple[str, ...] = ()


def description(read: Callable[[], tuple[int, Metadata]]) -> Description:
    """What ``read`` gives. Tags that cannot be parsed raise as many kinds of error as a broken picture."""
    try:
        orientation, metadata = read()
    except Exception as error:
        loss = f"EXIF, ICC profile and DPI are left out, for they are damaged: {reason_of(error)}"
        return Description(warnings=(loss,))
    if metadata.dpi and is_sideways(orientation):
        metadata = metadata._replace(dpi=metadata.dpi[::-1])
    return Description(orientation, metadata)


def read_orientation(picture: ImageFile) -> int:
    """EXIF's, 1 where there is none."""
    return orientation_in(_exif_of(picture))


def orientation_in(exif: PIL.Image.Exif) -> int:
    """1 where there is none."""
    orientation = exif.get(Base.Orientation)
    return orientation if isinstance(orientation, int) else 1


def read_metadata(picture: ImageFile) -> Metadata:
    """Whatever of it the picture has."""
    return Metadata(picture.info.get("icc_profile") or None, kept_exif(_exif_of(picture)), _dpi(picture))


def _exif_of(picture: ImageFile) -> PIL.Image.Exif:
    # Pillow would decode a PNG's pixels to see whether EXIF stands behind them.
    if picture.format == "PNG" and picture.fp and not _is_behind_pixels(b"eXIf", picture.fp):
        return PIL.Image.Image.getexif(picture)
    return picture.getexif()


def _is_behind_pixels(chunk: bytes, stream: IO[bytes]) -> bool:
    """Whether a PNG has that chunk from here on; its head is read of every chunk."""
    start = stream.tell()
    stream.seek(8)
    while len(head := stream.read(8)) == 8 and head[4:] != chunk:
        stream.seek(int.from_bytes(head[:4]) + 4, SEEK_CUR)
    stream.seek(start)
    return head[4:] == chunk


def kept_exif(exif: PIL.Image.Exif) -> bytes | None:
    """What is not of the old file's layout; None if nothing is."""
    others = {tag: exif.pop(tag) for tag in set(exif) if not _is_kept(tag, exif[tag])}
    details = exif.get_ifd(IFD.Exif) if IFD.Exif in exif else {}
    sizes: dict[int, Any] = {tag: details.pop(tag) for tag in _SIZES if tag in details}
    # Other files take no offsets of 64 bits.
    exif.bigtiff = False
    # Writing tags imports what writes TIFF.
    kept = exif.tobytes() if exif else None
    # The next frame may have the same EXIF.
    exif.update(others)
    details.update(sizes)
    return kept


def _dpi(picture: ImageFile) -> tuple[float, float] | None:
    # Pillow takes 1 for a TIFF that says nothing.
    if picture.format == "TIFF" and Base.XResolution not in getattr(picture, "tag_v2", ()):
        return None
    return sensible_dpi(*map(float, picture.info.get("dpi", (0, 0))))


def _is_kept(tag: int, value: Any) -> bool:
    return tag in _KEPT_TAGS and not (tag == Base.ImageDescription and str(value).startswith(_LAYOUTS))


# Descriptions in which ImageJ, OME and tifffile keep how many pages there are, and which is which.
_LAYOUTS = ("ImageJ=", "<?xml", "<OME", '{"shape":')


def sensible_dpi(x: float, y: float) -> tuple[float, float] | None:
    """None for what no format holds."""
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None


_WORDS = {"icc": "the colour profile", "exif": "EXIF", "dpi": "the resolution"}
_ICC_SPACES = {1: b"GRAY", 3: b"RGB "}
_JPEG_EXIF_LIMIT = 65533


def held_metadata(metadata: Metadata, format: Format, channels: int) -> Metadata:
    """What a file of that format and so many channels will keep of it."""
    return metadata._replace(**{field: None for field, _ in _refused(metadata, format, channels)})


def metadata_losses(metadata: Metadata, format: Format, channels: int) -> dict[str, str]:
    """What it will not keep, and why: a sentence for each field."""
    return {field: f"{_WORDS[field]} is left out: {reason}" for field, reason in _refused(metadata, format, channels)}


def _refused(metadata: Metadata, format: Format, channels: int) -> Iterator[tuple[str, str]]:
    for field, value in metadata._asdict().items():
        if value and field not in format.metadata:
            yield field, f"{format.name} holds none"
    if metadata.icc and "icc" in format.metadata and metadata.icc[16:20] != _ICC_SPACES[channels]:
        space = metadata.icc[16:20].decode("latin-1").strip()
        yield "icc", f"it is for {space}, and the output is {'gray' if channels == 1 else 'RGB'}"
    if metadata.exif and format.name == "jpeg" and len(metadata.exif) > _JPEG_EXIF_LIMIT:
        yield "exif", f"jpeg holds {_JPEG_EXIF_LIMIT:,} bytes of it, and these are {len(metadata.exif):,}"


def metadata_options(metadata: Metadata) -> dict[str, Any]:
    """What Pillow is told to write it."""
    options = {"icc_profile": metadata.icc, "exif": metadata.exif, "dpi": metadata.dpi}
    return {name: value for name, value in options.items() if value}
