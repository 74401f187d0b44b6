"""Convert colours to gray."""

import numpy as np

from convcli.arrays import Array
from convcli.errors import OptionError
from convcli.files.large_arrays import by_rows
from convcli.pictures.channels import picture_of
from convcli.pictures.image import Image


def to_gray(image: Image) -> Image:
    """Return the image with one channel, its ITU-R BT.601 luma: 0.299 R + 0.587 G + 0.114 B, in its own type.

    An image of one channel is returned unchanged. Raises OptionError if it has neither 1 nor 3 channels.
    """
    channels = len(image.pixels)
    if channels == 1:
        return image
    if channels != 3:
        raise OptionError(f"expected 1 channel, or 3 (red, green, blue), to convert to gray, given {channels}")
    shape = (1, *image.pixels.shape[1:])
    return image._replace(pixels=by_rows(_luma, shape, image.pixels.dtype, image.pixels))


@np.errstate(over="ignore", invalid="ignore")
def _luma(pixels: Array) -> Array:
    if pixels.dtype == np.uint8:
        # Pillow's sum of integers, which other programs compute too.
        return np.asarray(picture_of(pixels, None).convert("L"))
    red, green, blue = pixels
    luma: Array = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.astype(pixels.dtype) if pixels.dtype.kind == "f" else np.rint(luma).astype(pixels.dtype)
