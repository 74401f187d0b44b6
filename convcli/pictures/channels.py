"""Channels and alpha of Pillow's pictures, and pictures of channels and alpha."""

from typing import Any

import numpy as np
import PIL.Image

from convcli.arrays import Array, in_native_order


def channels_of(picture: PIL.Image.Image, file_format: str | None) -> tuple[Array, Array | None]:
    """Channels ``(C, H, W)`` and alpha: views of Pillow's interleaved pixels, which are not copied once more."""
    pixels = in_native_order(np.asarray(picture))
    channels = np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0)
    if picture.mode.endswith("A"):
        return split_alpha(channels)
    return channels.astype(pixel_type(picture.mode, file_format), copy=False), None


def split_alpha(bands: Array) -> tuple[Array, Array | None]:
    """Of ``(bands, H, W)``; 2 and 4 bands end in alpha."""
    return (bands[:-1], bands[-1]) if len(bands) in (2, 4) else (bands, None)


def pixel_type(mode: str, file_format: str | None) -> np.dtype[Any]:
    """What the levels of a mode of Pillow's are, in a file of that format."""
    if mode[0] not in "IF":
        return np.dtype(np.uint8)
    # Pillow reads a 16-bit PGM as int32, though its levels are 0..65535.
    deep = mode.startswith("I;16") or file_format == "PPM"
    return np.dtype(np.float32) if mode == "F" else np.dtype(np.uint16 if deep else np.int32)


def picture_of(pixels: Array, alpha: Array | None) -> PIL.Image.Image:
    """The picture of channels ``(1, H, W)`` or ``(3, H, W)`` and alpha ``(H, W)``."""
    planes = [*pixels] if alpha is None else [*pixels, alpha]
    bands = [PIL.Image.fromarray(plane) for plane in planes]
    if len(bands) == 1:
        return bands[0]
    return PIL.Image.merge({2: "LA", 3: "RGB", 4: "RGBA"}[len(bands)], bands)
