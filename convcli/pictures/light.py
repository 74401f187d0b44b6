"""Linear light: decode and encode the transfer curve of sRGB (IEC 61966-2-1).

Let c be a coded value and v the light that it stands for, both in 0..1:

    v = c / 12.92                    where c <= 0.04045, else  ((c + 0.055) / 1.055) ^ 2.4
    c = 12.92 v                      where v <= 0.0031308, else  1.055 v ^ (1/2.4) - 0.055

Outside 0..1, each of the two pieces continues.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np

from convcli.arrays import ROUNDED_TO, Array, FloatArray, channel_planes, computing_type, one_channel
from convcli.files.large_arrays import by_rows

# The share of each primary in luminance: the middle row of sRGB's matrix.
LUMINANCE = (0.2126, 0.7152, 0.0722)


def light_of(codes: FloatArray) -> FloatArray:
    """Return the light in 0..1 that codes in 0..1 stand for."""
    # A negative number has no real power of 2.4, but the other piece applies to it. Infinities are counted later.
    with np.errstate(invalid="ignore", over="ignore"):
        light = ((codes + 0.055) / 1.055) ** 2.4
    np.copyto(light, codes / 12.92, where=codes <= 0.04045)
    return np.asarray(light)


def to_light(pixels: Array, white: float, brightest: float) -> FloatArray:
    """Return V ``(C, H, W)``, the light in 0..brightest of pixels in 0..white; float32 for 8 and 16 bits."""
    return by_rows(partial(_light, white, brightest), pixels.shape, computing_type(pixels.dtype, None), pixels)


def to_codes(light: FloatArray, white: float) -> FloatArray:
    """Return the pixels in 0..white, not yet rounded, that stand for light in 0..white."""
    v = light / light.dtype.type(white)
    with np.errstate(invalid="ignore", over="ignore"):
        codes = v ** (1 / 2.4)
    codes *= 1.055
    codes -= 0.055
    np.copyto(codes, 12.92 * v, where=v <= 0.0031308)
    codes *= white
    return np.asarray(codes)


def luminance(pixels: Array, white: float, brightest: float) -> FloatArray:
    """Return V ``(..., 1, H, W)``, the luminance in 0..brightest of RGB pixels ``(..., 3, H, W)`` in 0..white."""
    compute = partial(_luminance, white, brightest)
    return by_rows(compute, one_channel(pixels.shape), computing_type(pixels.dtype, None), pixels)


def _luminance(white: float, brightest: float, pixels: Array) -> FloatArray:
    weighted = zip(LUMINANCE, channel_planes(pixels), strict=True)
    Y = sum(_light(white, brightest * weight, channel) for weight, channel in weighted)
    return np.asarray(Y)


@np.errstate(over="ignore", invalid="ignore")
def _light(white: float, brightest: float, pixels: Array) -> FloatArray:
    dtype = computing_type(pixels.dtype, None)
    if pixels.dtype not in ROUNDED_TO:
        return np.asarray(brightest * light_of(pixels.astype(dtype) / white))
    # No level lies outside the table; mode="wrap" is the fastest way to skip the check.
    return np.take(_table(pixels.dtype, white, brightest, dtype), pixels, mode="wrap")


@lru_cache(maxsize=8)
def _table(levels: np.dtype[Any], white: float, brightest: float, dtype: np.dtype[Any]) -> FloatArray:
    """Return the light that each level stands for."""
    light: FloatArray = brightest * light_of(np.arange(np.iinfo(levels).max + 1) / white)
    return light.astype(dtype)
