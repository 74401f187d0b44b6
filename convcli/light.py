"""Linear light: sRGB's transfer curve, undone and applied (IEC 61966-2-1).

With c a coded value and v the light that it stands for, both in 0..1:

    v = c / 12.92                    where c <= 0.04045, else  ((c + 0.055) / 1.055) ^ 2.4
    c = 12.92 v                      where v <= 0.0031308, else  1.055 v ^ (1/2.4) - 0.055

Outside 0..1 each piece goes on as it is.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np

from convcli.arrays import ROUNDED_TO, Array, FloatArray, computing_type, ends_of, fill_rounded
from convcli.large_arrays import by_rows, large_empty

# How much of the light that is seen each primary gives: the middle row of sRGB's matrix.
LUMINANCE = (0.2126, 0.7152, 0.0722)


def light_of(codes: FloatArray) -> FloatArray:
    """The light, in 0..1, that numbers in 0..1 stand for."""
    # Of a negative number there is no such power; the other piece holds there. Infinities are counted later.
    with np.errstate(invalid="ignore", over="ignore"):
        light = ((codes + 0.055) / 1.055) ** 2.4
    np.copyto(light, codes / 12.92, where=codes <= 0.04045)
    return np.asarray(light)


def to_light(pixels: Array, white: float, brightest: float) -> FloatArray:
    """V ``(C, H, W)``: the light, in 0..brightest, that pixels in 0..white stand for; float32 of 8 and 16 bits."""
    light = large_empty(pixels.shape, computing_type(pixels.dtype, None))
    for plane, out in zip(pixels, light, strict=True):
        _fill_light(plane, white, brightest, out)
    return light


def to_codes(light: FloatArray, white: float) -> FloatArray:
    """Pixels in 0..white, not yet rounded, that stand for light in 0..white."""
    v = light / light.dtype.type(white)
    with np.errstate(invalid="ignore", over="ignore"):
        codes = v ** (1 / 2.4)
    codes *= 1.055
    codes -= 0.055
    np.copyto(codes, 12.92 * v, where=v <= 0.0031308)
    codes *= white
    return np.asarray(codes)


def luminance(pixels: Array, white: float) -> Array:
    """The gray ``(1, H, W)`` as bright as red, green and blue ``(3, H, W)`` in 0..white, in their own type."""
    return by_rows(partial(_luminance, white), (1, *pixels.shape[1:]), pixels.dtype, pixels)


def _luminance(white: float, pixels: Array) -> Array:
    Y = np.zeros(pixels.shape[1:], computing_type(pixels.dtype, None))
    plane = np.empty_like(Y)
    for weight, channel in zip(LUMINANCE, pixels, strict=True):
        _fill_light(channel, white, white * weight, plane)
        Y += plane
    return _in_type(to_codes(Y, white), pixels.dtype)[np.newaxis]


def _fill_light(plane: Array, white: float, brightest: float, out: FloatArray) -> None:
    if plane.dtype in ROUNDED_TO:
        # No level lies outside the table, and wrapping is the quickest way not to ask.
        np.take(_table(plane.dtype, white, brightest, out.dtype), plane, out=out, mode="wrap")
    else:
        np.multiply(light_of(plane.astype(out.dtype) / white), brightest, out=out)


@lru_cache(maxsize=8)
def _table(levels: np.dtype[Any], white: float, brightest: float, dtype: np.dtype[Any]) -> FloatArray:
    """The light that each level stands for."""
    light: FloatArray = brightest * light_of(np.arange(np.iinfo(levels).max + 1) / white)
    return light.astype(dtype)


def _in_type(codes: FloatArray, dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind == "f":
        return codes
    rounded = np.empty(codes.shape, dtype)
    fill_rounded(codes, ends_of(codes), rounded)
    return rounded
