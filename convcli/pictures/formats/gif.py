"""GIF."""

import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.channels import picture_of
from convcli.pictures.formats.format import Format


class Gif(Format):
    """The format GIF."""

    def is_colour_in_every_frame(self, picture: ImageFile) -> bool:
        """Return whether the file is an animation: Pillow composes all frames except the first in RGB."""
        return getattr(picture, "n_frames", 1) > 1

    def picture(self, pixels: Array, alpha: Array | None) -> PIL.Image.Image:
        """Return the picture in a mode whose alpha Pillow keeps."""
        picture = picture_of(pixels, alpha)
        return picture.convert("RGBA") if picture.mode == "LA" else picture


GIF = Gif("gif", ("gif",), most_side=65535, holds_alpha=True)
