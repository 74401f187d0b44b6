"""JPEG."""

from typing import Any

from convcli.pictures.formats.format import Format


class Jpeg(Format):
    """The format JPEG."""

    def options(self, compression: int | None) -> dict[str, Any]:
        """Return ImageMagick's defaults: quality 92, and chroma at full resolution."""
        return {"quality": 92, "subsampling": 0}


# The header has 16 bits for a side, of which libjpeg takes a little less. EXIF is one segment of at most 65,533 bytes.
JPEG = Jpeg(
    "jpeg",
    ("jpg", "jpeg", "jpe", "jfif"),
    most_side=65500,
    metadata=("icc", "exif", "dpi"),
    most_exif=65533,
)
