"""TIFF. It holds every depth. It is written without Pillow, and read without Pillow where Pillow would lose depth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Format, Parts
from convcli.pictures.formats.tiff_writing import tiff_parts
from convcli.pictures.image import Metadata

_WHITE_IS_ZERO = 0
# Also the default, if the tag is missing.
_UNSIGNED = 1


class Tiff(Format):
    """The format TIFF, for pages that Pillow reads; ``tiff_pages`` reads the others."""

    def level_type(self, picture: ImageFile) -> np.dtype[Any]:
        """Return uint32 for unsigned levels, which Pillow reads as int32 with the same bits."""
        unsigned = picture.mode == "I" and _tags(picture).get(Base.SampleFormat, (_UNSIGNED,)) == (_UNSIGNED,)
        return np.dtype(np.uint32) if unsigned else super().level_type(picture)

    def is_white_zero(self, picture: ImageFile) -> bool:
        """Return whether the tag PhotometricInterpretation says that 0 is white."""
        return bool(_tags(picture).get(Base.PhotometricInterpretation) == _WHITE_IS_ZERO)

    def dpi(self, picture: ImageFile) -> tuple[float, float] | None:
        """Return the resolution in the file, or None if it has none: Pillow assumes 1 then."""
        return super().dpi(picture) if Base.XResolution in _tags(picture) else None

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, compression: int | None) -> Parts:
        """Yield an uncompressed file, strip by strip."""
        return tiff_parts(pixels, alpha, metadata)


TIFF = Tiff(
    "tiff",
    ("tif", "tiff"),
    many_channels=True,
    holds_alpha=True,
    deep_gray=True,
    deep_colour="yes",
    decoded_by_extra=True,
    floats=True,
    metadata=("icc", "exif", "dpi"),
    upright_once_loaded=True,
)


def _tags(picture: ImageFile) -> Mapping[int, Any]:
    tags: Mapping[int, Any] = getattr(picture, "tag_v2", {})
    return tags
