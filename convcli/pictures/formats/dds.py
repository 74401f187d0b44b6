"""DDS, the format of textures. Only plain pictures of unsigned channels of up to 8 bits are read."""

import struct
from collections.abc import Iterator

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of, layout

# Among the numbers of 32 bits after the signature: the code of the compression, and flags for faces and slices.
_CODE, _KINDS, _FACES_OR_SLICES = 20, 27, 0x200200
# In the header DX10: a dimension, and a flag for faces.
_VOLUME, _CUBE = 4, 4
# Compressed floats, and channels with a sign.
_UNREADABLE = {"BC6H": "floats", "BC6HS": "floats", "BC5S": "signed channels"}


class Dds(Format):
    """The format DDS."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if kind := _obstacle(picture):
            return f"DDS is not read if it holds {kind}: convert it first, for example with texconv"
        return ""

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about channels of fewer than 8 bits."""
        if any(0 < most < 255 for most in _largest_levels(picture)):
            yield "channels of fewer than 8 bits scaled to 8"


DDS = Dds("dds")


def _obstacle(picture: ImageFile) -> str:
    """Return what a file holds that Pillow does not read right, or ""."""
    numbers = struct.unpack("<31I", head_of(picture, 4 * 32)[4:])
    if numbers[_KINDS] & _FACES_OR_SLICES or _is_array(picture, numbers[_CODE].to_bytes(4, "little")):
        return "several faces or slices"
    if any(most > 255 for most in _largest_levels(picture)):
        return "channels of more than 8 bits"
    return _UNREADABLE.get(getattr(picture, "pixel_format", ""), "")


def _is_array(picture: ImageFile, code: bytes) -> bool:
    """Return whether the header that the code DX10 announces has several faces, slices or pictures."""
    if code != b"DX10":
        return False
    _, dimension, flags, count, _ = struct.unpack("<5I", head_of(picture, 4 * 37)[4 * 32 :])
    return dimension == _VOLUME or bool(flags & _CUBE) or count > 1


def _largest_levels(picture: ImageFile) -> list[int]:
    """Return the largest level of each channel that has a mask."""
    if picture.tile[0].codec_name != "dds_rgb":
        return []
    _, masks = layout(picture)
    return [mask // (mask & -mask) for mask in masks if mask]
