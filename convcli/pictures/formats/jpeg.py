"""JPEG."""

from typing import Any

from convcli.pictures.formats.format import Format


class Jpeg(Format):
    """JPEG."""

    def options(self, compression: int | None) -> dict[str, Any]:
        """Return ImageMagick's defaults: at 92 it keeps the chroma at full resolution."""
        return {"quality": 92, "subsampling": 0}


# EXIF is one segment.
JPEG = Jpeg("jpeg", ("jpg", "jpeg", "jpe", "jfif"), metadata=("icc", "exif", "dpi"), most_exif=65533)
