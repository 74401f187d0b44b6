"""Convert colours to gray."""

import numpy as np

from convcli.arrays import Array, FloatArray, channel_planes, computing_type, one_channel
from convcli.errors import OptionError
from convcli.files.large_arrays import by_rows


def require_gray_or_rgb(channels: int) -> None:
    """Raise OptionError unless an image with this number of channels is gray, or can be converted to gray."""
    if channels not in (1, 3):
        raise OptionError(f"expected 1 channel, or 3 (red, green, blue), to convert to gray, given {channels}")


def luma(pixels: Array) -> FloatArray:
    """Return the ITU-R BT.601 luma ``(..., 1, H, W)`` of pixels ``(..., 3, H, W)``, which is not rounded to their type.

        0.299 R + 0.587 G + 0.114 B

    It is in the type that the pixels are computed in; the luma of a gray pixel is its level.
    """
    compute = _luma_of_levels if pixels.dtype.kind in "biu" else _luma
    return by_rows(compute, one_channel(pixels.shape), computing_type(pixels.dtype, None), pixels)


def _luma_of_levels(pixels: Array) -> Array:
    """Compute the luma of integers from an exact sum, so that it is rounded only once."""
    # The thousandfold of 8 bits is a whole number in float32, and that of 16 bits in float64.
    dtype = np.float32 if pixels.dtype.itemsize == 1 else np.float64
    red, green, blue = channel_planes(pixels.astype(dtype))
    thousandfold: Array = 299 * red + 587 * green + 114 * blue
    return thousandfold / dtype(1000)


@np.errstate(over="ignore", invalid="ignore")
def _luma(pixels: Array) -> Array:
    red, green, blue = channel_planes(pixels.astype(computing_type(pixels.dtype, None), copy=False))
    luma: Array = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma
