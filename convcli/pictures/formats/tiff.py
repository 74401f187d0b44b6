"""TIFF. It holds every depth; it is written without Pillow, and read past it where Pillow would cut the depth."""

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
# Also where the tag is missing.
_UNSIGNED = 1


class Tiff(Format):
    """TIFF, as far as Pillow reads it; ``tiff_pages`` reads the other pages."""

    def level_type(self, picture: ImageFile) -> np.dtype[Any]:
        """Return uint32 for what Pillow reads, bit by bit, as int32."""
        unsigned = picture.mode == "I" and _tags(picture).get(Base.SampleFormat, (_UNSIGNED,)) == (_UNSIGNED,)
        return np.dtype(np.uint32) if unsigned else super().level_type(picture)

    def is_white_zero(self, picture: ImageFile) -> bool:
        """Return what the tag of photometric interpretation says."""
        return bool(_tags(picture).get(Base.PhotometricInterpretation) == _WHITE_IS_ZERO)

    def dpi(self, picture: ImageFile) -> tuple[float, float] | None:
        """Return the resolution that the file has: Pillow takes 1 where it has none."""
        return super().dpi(picture) if Base.XResolution in _tags(picture) else None

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, compression: int | None) -> Parts:
        """Yield an uncompressed file, strip by strip."""
        return tiff_parts(pixels, alpha, metadata)


TIFF = Tiff(
    "tiff",
    ("tif", "tiff"),
    holds_alpha=True,
    deep_gray=True,
    deep_colour="yes",
    floats=True,
    metadata=("icc", "exif", "dpi"),
    upright_once_loaded=True,
)


def _tags(picture: ImageFile) -> Mapping[int, Any]:
    tags: Mapping[int, Any] = getattr(picture, "tag_v2", {})
    return tags
