"""Convert Pillow's pictures to channels and alpha, and back."""

from typing import Any

import numpy as np
import PIL.Image

from convcli.arrays import Array, in_native_order


def channels_of(picture: PIL.Image.Image, level_type: np.dtype[Any]) -> tuple[Array, Array | None]:
    """Return channels ``(C, H, W)`` and alpha or None, as views of Pillow's interleaved pixels."""
    pixels = in_native_order(np.asarray(picture))
    channels = np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0)
    if picture.mode.endswith("A"):
        return split_alpha(channels)
    return channels.astype(level_type, copy=False), None


def split_alpha(channels: Array) -> tuple[Array, Array | None]:
    """Return channels ``(C, H, W)`` without alpha, and their alpha or None; the last of 2 or 4 channels is alpha."""
    return (channels[:-1], channels[-1]) if len(channels) in (2, 4) else (channels, None)


def picture_of(pixels: Array, alpha: Array | None) -> PIL.Image.Image:
    """Return the picture of channels ``(1, H, W)`` or ``(3, H, W)`` and alpha ``(H, W)``."""
    planes = [*pixels] if alpha is None else [*pixels, alpha]
    channels = [PIL.Image.fromarray(plane) for plane in planes]
    if len(channels) == 1:
        return channels[0]
    return PIL.Image.merge({2: "LA", 3: "RGB", 4: "RGBA"}[len(channels)], channels)
