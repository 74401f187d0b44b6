"""JPEG."""

from typing import Any

from convcli.pictures.formats.format import Format


class Jpeg(Format):
    """The format JPEG."""

    def options(self, compression: int | None) -> dict[str, Any]:
        """Return ImageMagick's defaults: quality 92, and chroma at full resolution."""
        return {"quality": 92, "subsampling": 0}


# EXIF is one segment, which holds this many bytes.
JPEG = Jpeg("jpeg", ("jpg", "jpeg", "jpe", "jfif"), metadata=("icc", "exif", "dpi"), most_exif=65533)
