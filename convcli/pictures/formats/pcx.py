"""PCX, and DCX, whose pages are PCX."""

import struct
from os import SEEK_END
from typing import Any

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import from_start, layout

# The offset in the header of the number of planes, of the bytes of their rows, and of the kind of colours.
_PLANES = 65
# The versions whose colours are those of the screen.
_WITHOUT_PALETTE = (0, 3)
# The kind of colours that needs no palette.
_GRAY = 2


class Pcx(Format):
    """The format PCX."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        return _refusal(picture, 0)


class Dcx(Format):
    """The format DCX."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why the current page is not read, or "" if it is read."""
        # Pillow looks for the palette of every page at the end of the file.
        if picture.mode in ("L", "P") and layout(picture)[0] in ("L", "P"):
            return "DCX with a palette of 256 colours is not read: convert it first, as with ImageMagick"
        return _refusal(picture, _page(picture))

    def seek(self, picture: ImageFile, number: int) -> None:
        """Go to a page; raise ValueError if it is not read."""
        super().seek(picture, number)
        if refusal := self.refusal_of(picture):
            raise ValueError(refusal)


PCX, DCX = Pcx("pcx"), Dcx("dcx")


def _page(picture: ImageFile) -> int:
    """Return the offset of the current page."""
    pages: Any = picture
    return int(pages._offset[pages.frame])


def _refusal(picture: ImageFile, start: int) -> str:
    """Return the reason why the picture that starts at an offset is not read, or ""."""
    with from_start(picture) as stream:
        stream.seek(start)
        head = stream.read(_PLANES + 5)
    planes, row, colours = struct.unpack("<BHH", head[_PLANES:])
    if planes * row != layout(picture)[1]:
        return "PCX with longer rows than its pixels take is not read: convert it first, as with ImageMagick"
    if picture.mode == "L" and colours != _GRAY and not _has_palette(picture):
        return "its palette of 256 colours is missing: it may be cut off"
    if picture.mode == "P" and head[1] in _WITHOUT_PALETTE and head[3] == 1:
        return "PCX of 4 or 16 colours without a palette is not read: convert it first, as with ImageMagick"
    return ""


def _has_palette(picture: ImageFile) -> bool:
    """Return whether a palette of 256 colours ends the file."""
    with from_start(picture) as stream:
        size = stream.seek(0, SEEK_END)
        stream.seek(max(0, size - 769))
        return stream.read(1) == b"\x0c"
