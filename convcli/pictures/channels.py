"""Convert Pillow's pictures to channels and alpha, and back."""

from typing import Any

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array, in_native_order, is_interleaved

# The modes in which Pillow can decode into an array, each with the mode that describes its memory, and the bytes of a
# pixel. Of the four bytes of RGB the last is unused.
_MEMORY = {"L": ("L", 1), "RGB": ("RGBX", 4), "RGBA": ("RGBA", 4)}


def channels_of(picture: PIL.Image.Image, level_type: np.dtype[Any]) -> tuple[Array, Array | None]:
    """Return channels ``(C, H, W)`` and alpha or None, as views of Pillow's interleaved pixels."""
    pixels = in_native_order(np.asarray(picture))
    channels = np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0)
    if picture.mode.endswith("A"):
        return split_alpha(channels)
    return channels.astype(level_type, copy=False), None


class Loan:
    """An array that is lent to a picture, for Pillow to decode into; this saves a copy, and memory for it."""

    def __init__(self, picture: ImageFile) -> None:
        """Lend a new array to a picture that is not loaded yet, and has one of the modes that ``suits`` takes."""
        mode, size = _MEMORY[picture.mode]
        self._picture, self._array = picture, np.zeros((picture.height, picture.width, size), np.uint8)
        self._memory = PIL.Image.frombuffer(mode, picture.size, self._array, "raw", mode, 0, 1).im
        picture.im = self._memory

    @staticmethod
    def suits(picture: ImageFile) -> bool:
        """Return whether a picture of a mode with 8 bits per channel is not loaded yet."""
        return picture.mode in _MEMORY and bool(picture.tile)

    def channels(self) -> Array | None:
        """Return the channels ``(C, H, W)`` of the picture, once it is loaded; None if Pillow took other memory."""
        is_used = self._picture.im is self._memory and not self._picture.tile
        channels = np.moveaxis(self._array, -1, 0)[: len(self._picture.getbands())]
        return channels if is_used else None


def split_alpha(channels: Array) -> tuple[Array, Array | None]:
    """Return channels ``(C, H, W)`` without alpha, and their alpha or None; the last of 2 or 4 channels is alpha."""
    return (channels[:-1], channels[-1]) if len(channels) in (2, 4) else (channels, None)


def picture_of(pixels: Array, alpha: Array | None) -> PIL.Image.Image:
    """Return the picture of channels ``(1, H, W)`` or ``(3, H, W)`` and alpha ``(H, W)``."""
    if alpha is None and is_interleaved(pixels):
        return PIL.Image.fromarray(np.moveaxis(pixels, 0, -1))
    planes = [*pixels] if alpha is None else [*pixels, alpha]
    channels = [PIL.Image.fromarray(plane) for plane in planes]
    if len(channels) == 1:
        return channels[0]
    return PIL.Image.merge({2: "LA", 3: "RGB", 4: "RGBA"}[len(channels)], channels)
