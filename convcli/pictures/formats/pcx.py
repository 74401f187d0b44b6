"""PCX and DCX."""

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of

# The versions whose colours are those of the screen.
_WITHOUT_PALETTE = (0, 3)


class Pcx(Format):
    """The format PCX."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if picture.mode == "P" and head_of(picture, 2)[1] in _WITHOUT_PALETTE:
            return "PCX of 4 or 16 colours without a palette is not read: convert it first, as with ImageMagick"
        return ""


PCX = Pcx("pcx")
