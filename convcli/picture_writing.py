"""Pictures out, through Pillow."""

import zlib
from io import BytesIO
from typing import Any

from convcli.arrays import Array
from convcli.errors import OptionError, reason_of
from convcli.formats import Format
from convcli.image_types import Metadata
from convcli.picture_bands import picture_of
from convcli.picture_metadata import metadata_options


def encode_image(
    pixels: Array, alpha: Array | None, format: Format, metadata: Metadata, compression: int | None = None
) -> bytes:
    """The bytes of a picture file.

    pixels: ``(1, H, W)`` or ``(3, H, W)`` uint8, or ``(1, H, W)`` uint16 or float32 where ``format``
    holds them.  alpha: ``(H, W)`` uint8, with uint8 pixels and a format that holds alpha, or None.
    metadata: written as far as the format holds it and, for a colour profile, as it fits the channels.
    compression: zlib's level, 0 to 9, for PNG; by default its quickest strategy for photographs.
    Raises OptionError if the format cannot hold the picture, say for its size.
    """
    stream = BytesIO()
    try:
        picture = picture_of(pixels, alpha)
        # Pillow drops the alpha of a gray GIF.
        if format.name == "gif" and picture.mode == "LA":
            picture = picture.convert("RGBA")
        options = _ENCODING.get(format.name, {}) | metadata_options(format, len(pixels), metadata)
        picture.save(stream, format.name, **(options if compression is None else _at_level(options, compression)))
    # A picture beyond a format's limits is an OSError, ValueError, struct.error or KeyError, by format.
    except Exception as error:
        message = f"cannot write the image as {format.name}: {reason_of(error)}; choose another format"
        raise OptionError(message) from error
    return stream.getvalue()


_ENCODING: dict[str, dict[str, Any]] = {
    # Runs alone, after PNG's own filters: on photographs a third of the time of Pillow's level, 6, and files as large.
    "png": {"compress_type": zlib.Z_RLE},
    # ImageMagick's defaults: at 92 it keeps the chroma at full resolution.
    "jpeg": {"quality": 92, "subsampling": 0},
}


def _at_level(options: dict[str, Any], compression: int) -> dict[str, Any]:
    return {**options, "compress_type": zlib.Z_DEFAULT_STRATEGY, "compress_level": compression}
