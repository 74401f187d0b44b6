"""Arrays as small pictures: photographs in their own pixel values, signed tensors in the colours of heatmaps."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image

from convcli.arrays import Array, FloatArray
from convcli.drawing.palette import signed_colours, statistics


class Sight(NamedTuple):
    """Something to look at.

    shape: its ``(rows, columns)``.  draw: what it looks like in so many rows and columns, ``(rows, columns, 3)`` uint8.
    """

    label: str
    shape: tuple[int, int]
    draw: Callable[[tuple[int, int]], Array]


def photograph(label: str, values: Array) -> Sight:
    """Of ``(..., C, H, W)``: colour where C is 3, else gray; where there is more to see, the first, with its index.

    8 and 16 bits are levels of their own; other numbers are spread from the least to the greatest.
    """
    if values.shape[-3] == 3:
        first = values[(0,) * (values.ndim - 3)]
        return Sight(label + _index(values.shape[:-3]), _sides(values), lambda size: _in_colour(first, size))
    plane = _first_plane(values)
    return Sight(label + _index(values.shape[:-2]), _sides(values), lambda size: _in_colour(plane[np.newaxis], size))


def signed(label: str, tensor: Array) -> Sight:
    """Of the last two axes, blue below 0 and red above; of several planes the first, with its index."""
    plane = _first_plane(tensor)
    return Sight(label + _index(tensor.shape[:-2]), _sides(tensor), lambda size: _in_signed_colours(plane, size))


def fitted(shape: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a picture as large as the box allows: magnified by a whole factor, or scaled down."""
    factor = min(room / size for room, size in zip(box, shape, strict=True))
    scale = int(factor) if factor >= 1 else factor
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def as_picture(pixels: Array) -> PIL.Image.Image:
    """``(H, W, 3)`` or, with alpha, ``(H, W, 4)`` uint8 as Pillow has it."""
    return PIL.Image.fromarray(pixels)


def _first_plane(values: Array) -> Array:
    plane: Array = values[(0,) * (values.ndim - 2)]
    return plane


def _sides(values: Array) -> tuple[int, int]:
    rows, columns = values.shape[-2:]
    return rows, columns


def _index(leading: tuple[int, ...]) -> str:
    return f"[{', '.join('0' for _ in leading)}]" if any(n > 1 for n in leading) else ""


def _in_colour(channels: Array, size: tuple[int, int]) -> Array:
    low, high = _black_and_white(channels)
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = np.stack([_resized(channel, size) for channel in channels], axis=-1).astype(np.float64)
        shares = np.nan_to_num((numbers - low) / ((high - low) or 1), posinf=1, neginf=0)
    levels = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels, (*size, 3))


def _black_and_white(channels: Array) -> tuple[float, float]:
    """The numbers that are drawn black and white. NaN is drawn black."""
    if channels.dtype in (np.uint8, np.uint16):
        return 0, float(np.iinfo(channels.dtype).max)
    low, high, *_ = statistics(channels)
    return low, high


def _in_signed_colours(plane: FloatArray, size: tuple[int, int]) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        shares = _resized(np.clip(plane / (statistics(plane).limit or 1), -1, 1), size)
    return signed_colours(shares, statistics(shares).limit)


def _resized(plane: Array, size: tuple[int, int]) -> Array:
    """A whole number of times larger, or smaller, where each pixel is the mean of its box."""
    rows, columns = plane.shape
    if size[0] >= rows:
        return plane.repeat(size[0] // rows, axis=0).repeat(size[1] // columns, axis=1)
    exact = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
    return np.asarray(PIL.Image.fromarray(exact).resize(size[::-1], PIL.Image.Resampling.BOX))
