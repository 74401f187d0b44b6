"""XPM. Pillow reads colours of 8 bits per channel; from others it takes wrong digits."""

import re

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import from_start


class Xpm(Format):
    """The format XPM: the text of strings in C."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        with from_start(picture) as stream:
            digits = {len(colour) for colour in re.findall(rb"\sc\s+#([0-9a-fA-F]+)", stream.read())}
        if digits - {6}:
            return f"expected XPM colours of 6 digits, given {max(digits - {6})}: convert it first, as with ImageMagick"
        return ""


XPM = Xpm("xpm")
