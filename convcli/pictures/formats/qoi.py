"""QOI."""

from collections.abc import Iterator

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import head_of

_COLOUR_SPACE = 13


class Qoi(Format):
    """The format QOI."""

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about linear colours."""
        if head_of(picture, _COLOUR_SPACE + 1)[_COLOUR_SPACE] == 1:
            yield "the file says that its colours are linear; they are kept as they are"


QOI = Qoi("qoi")
