"""SPIDER, a format of electron microscopy."""

from typing import Any

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format


class Spider(Format):
    """The format SPIDER."""

    def seek(self, picture: ImageFile, number: int) -> None:
        """Go to a picture of a stack; after the second one, Pillow takes the stack for a single picture."""
        stack: Any = picture
        stack.n_frames = number + 1
        stack.seek(number)


SPIDER = Spider("spider")
