"""Draw arrays as small pictures: photographs with their own levels, signed tensors in the colours of heatmaps."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image

from convcli.arrays import Array, FloatArray, channels_of
from convcli.drawing.palette import signed_colours, statistics


class Thumbnail(NamedTuple):
    """An array to be drawn small.

    shape: ``(rows, columns)`` of the array.  draw: returns it at a size ``(rows, columns)``, as ``(rows, columns, 3)``
    uint8.
    """

    label: str
    shape: tuple[int, int]
    draw: Callable[[tuple[int, int]], Array]


def photograph(label: str, values: Array) -> Thumbnail:
    """Return the thumbnail of ``(..., C, H, W)`` or ``(H, W)``: in colour if C is 3, else in gray.

    Of several pictures or channels the first is drawn, and its index is added to the label. 8 and 16 bits keep their
    levels; other numbers are stretched, from black for the least to white for the greatest.
    """
    axes = 3 if channels_of(values.shape) == 3 else 2
    channels = _first(values, axes).reshape(-1, *values.shape[-2:])
    return Thumbnail(label + _index(values.shape[:-axes]), _sides(values), lambda size: _in_colour(channels, size))


def signed(label: str, tensor: Array) -> Thumbnail:
    """Return the thumbnail of a tensor's last two axes, blue below 0 and red above 0.

    Of several planes the first is drawn, and its index is added to the label.
    """
    plane = _first(tensor, 2)
    return Thumbnail(label + _index(tensor.shape[:-2]), _sides(tensor), lambda size: _in_signed_colours(plane, size))


def size_in_box(shape: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a picture that fills the box: magnified by a whole factor, or scaled down."""
    factor = min(room / size for room, size in zip(box, shape, strict=True))
    scale = int(factor) if factor >= 1 else factor
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def pillow_picture(pixels: Array) -> PIL.Image.Image:
    """Return ``(H, W, 3)`` or, with alpha, ``(H, W, 4)`` uint8 as a Pillow picture."""
    return PIL.Image.fromarray(pixels)


def _first(values: Array, axes: int) -> Array:
    """Return the first entry along all axes except the last ``axes``."""
    first: Array = values[(0,) * (values.ndim - axes)]
    return first


def _sides(values: Array) -> tuple[int, int]:
    rows, columns = values.shape[-2:]
    return rows, columns


def _index(leading: tuple[int, ...]) -> str:
    return f"[{', '.join('0' for _ in leading)}]" if any(n > 1 for n in leading) else ""


def _in_colour(channels: Array, size: tuple[int, int]) -> Array:
    low, high = _black_and_white(channels)
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = np.stack([_resize(channel, size) for channel in channels], axis=-1).astype(np.float64)
        shares = np.nan_to_num((numbers - low) / ((high - low) or 1), posinf=1, neginf=0)
    levels = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels, (*size, 3))


def _black_and_white(channels: Array) -> tuple[float, float]:
    """Return the numbers that are drawn black and white. NaN is drawn black."""
    if channels.dtype in (np.uint8, np.uint16):
        return 0, float(np.iinfo(channels.dtype).max)
    summary = statistics(channels)
    return summary.low, summary.high


def _in_signed_colours(plane: FloatArray, size: tuple[int, int]) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        shares = _resize(np.clip(plane / (statistics(plane).limit or 1), -1, 1), size)
    return signed_colours(shares, statistics(shares).limit)


def _resize(plane: Array, size: tuple[int, int]) -> Array:
    """Return the plane enlarged by a whole factor, or reduced: then each pixel is the mean of a box."""
    rows, columns = plane.shape
    if size[0] >= rows:
        return plane.repeat(size[0] // rows, axis=0).repeat(size[1] // columns, axis=1)
    exact = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
    return np.asarray(PIL.Image.fromarray(exact).resize(size[::-1], PIL.Image.Resampling.BOX))
