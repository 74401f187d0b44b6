"""Sun rasters. Pillow takes the unused byte of 32 bits from the wrong end."""

import struct

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of, raw_mode, read_as


class Sun(Format):
    """The format of Sun rasters."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        *_, palette = struct.unpack(">8I", head_of(picture, 32))
        if picture.mode == "1" and palette:
            return "a Sun raster of two colours is not read: convert it first, for example with ImageMagick"
        return ""

    def mend(self, picture: ImageFile) -> None:
        """Skip the first of the four bytes of a pixel, not the last."""
        if padded := {"BGRX": "XBGR", "RGBX": "XRGB"}.get(raw_mode(picture)):
            read_as(picture, "RGB", padded)


SUN = Sun("sun")
