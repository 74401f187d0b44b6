"""TGA. Pillow takes the fourth channel for alpha without a look at the header, and inverts the alpha of 16 bits."""

from collections.abc import Iterator

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of, raw_mode, read_as

_HEADER = 18
# The offsets in the header of the palette's bits, of the bits of a pixel, and of the bits of alpha among them.
_PALETTE_BITS, _BITS, _ALPHA_BITS = 7, 16, 17


class Tga(Format):
    """The format TGA."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if picture.mode == "P" and _header(picture)[_PALETTE_BITS] == 16:
            return "TGA with a palette of 16 bits is not read: convert it first, for example with ImageMagick"
        if raw_mode(picture) == "LA" and not _has_alpha(picture):
            return "TGA with gray of 16 bits is not read: convert it first, for example with ImageMagick"
        return ""

    def mend(self, picture: ImageFile) -> None:
        """Take the fourth channel for alpha only if the header says that there is alpha."""
        modes = {
            ("BGRA", False): ("RGB", "BGRX"),
            ("BGRA;15Z", False): ("RGB", "BGR;15"),
            ("BGRA;15Z", True): ("RGBA", "BGRA;15"),
        }
        if mended := modes.get((raw_mode(picture), _has_alpha(picture))):
            read_as(picture, *mended)

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about channels of 5 bits."""
        if raw_mode(picture) in ("BGR;15", "BGRA;15"):
            yield "channels of 5 bits scaled to 8"

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if a fourth channel is not alpha."""
        if raw_mode(picture) == "BGRX":
            yield "the fourth channel is dropped, because the header says that it is not alpha"


TGA = Tga("tga", ("tga",), holds_alpha=True, most_side=65535)


def _header(picture: ImageFile) -> bytes:
    return head_of(picture, _HEADER)


def _has_alpha(picture: ImageFile) -> bool:
    return _header(picture)[_ALPHA_BITS] & 0x0F > 0
