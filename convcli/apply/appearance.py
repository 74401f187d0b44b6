"""The conversion of pixels to numbers, and of numbers back to pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from convcli.apply import transparency
from convcli.apply.pixels import MODES
from convcli.arrays import Array, channels_of, computing_type, cut, ends_of, finite_span
from convcli.errors import OptionError
from convcli.files.large_arrays import ROWS, large_empty
from convcli.pictures.gray import luma, require_gray_or_rgb
from convcli.pictures.image import Header, Image
from convcli.pictures.light import luminance, to_light
from convcli.text import choice, require_type, true_or_false

ALPHA = ("auto", *transparency.ALPHA_RULES, "drop")
RANGES = ("auto", *MODES, "raw")
LEVELS = {8: 255, 16: 65535}
# Floats of at most the first magnitude are taken to be in 0..1, and from the second on in 0..255.
MOST_OF_UNIT = 1.5
LEAST_OF_LEVELS = 16


@dataclass(frozen=True)
class Appearance:
    """The options for converting pixels to numbers, and numbers back to pixels.

    gray: convert colours to gray first.  unit: scale pixel values to 0..1 first.
    linear: undo sRGB's curve first, and apply it to the maps before they become pixels; gray is luminance, not luma.
    white: the pixel value that stands for white; None is the largest level of integers, and floats are judged by their
    largest magnitude.
    alpha: a rule of ``convcli.apply.transparency``, ``drop`` to ignore alpha, or ``auto`` to follow the kernels
    (``convcli.apply.defaults``).
    range: how maps become levels (``convcli.apply.pixels``); ``raw`` keeps floats, and ``auto`` follows the kernels and
    the format (``convcli.apply.defaults``).
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "auto"
    range: str = "auto"
    linear: bool = False
    white: float | None = None

    def __post_init__(self) -> None:
        choice("alpha", self.alpha, ALPHA)
        choice("range", self.range, RANGES)
        for name in ("gray", "unit", "linear"):
            true_or_false(name, getattr(self, name))
        require_type("white", self.white, Real | None, "a number")
        if self.white is not None and not 0 < self.white < inf:
            raise OptionError(f"expected a finite number above 0, given {self.white:g}", option="white")


def prepare_image(image: Image, appearance: Appearance) -> Image:
    """Return the image without alpha if ``alpha`` is ``drop``."""
    return image._replace(alpha=None) if appearance.alpha == "drop" else image


def prepare_header(header: Header, appearance: Appearance) -> Header:
    """Return the header of what kernels filter: with one channel if ``gray`` is set, and without dropped alpha.

    Raises OptionError if the image has no gray.
    """
    alpha = header.alpha and appearance.alpha != "drop"
    if not appearance.gray:
        return header._replace(alpha=alpha)
    channels = channels_of(header.shape)
    require_gray_or_rgb(channels)
    shape = header.shape if channels == 1 else (*header.shape[:-3], 1, *header.shape[-2:])
    return header._replace(shape=shape, alpha=alpha)


def network_input(image: Image, appearance: Appearance) -> Array:
    """Return V: pixel values in their own units or in 0..1, or the light that they stand for.

    Gray is computed in floats, and not rounded. Raises OptionError if the image has no gray, or no known white.
    """
    channels = channels_of(image.pixels.shape)
    if appearance.gray:
        require_gray_or_rgb(channels)
    is_colour = appearance.gray and channels == 3
    if appearance.linear:
        white = white_of(image.pixels, appearance)
        brightest = brightest_level(white, appearance)
        return (luminance if is_colour else to_light)(image.pixels, white, brightest)
    pixels = luma(image.pixels) if is_colour else image.pixels
    return _in_unit(pixels, white_of(image.pixels, appearance)) if appearance.unit else pixels


@np.errstate(over="ignore", invalid="ignore")
def _in_unit(pixels: Array, white: float) -> Array:
    if white == 1:
        return pixels
    V = large_empty(pixels.shape, computing_type(pixels.dtype, None))
    np.divide(pixels, V.dtype.type(white), out=V)
    return V


def input_type(header: Header, appearance: Appearance) -> np.dtype[Any]:
    """Return the type of V: that of the pixels, or a float type if they are scaled, or become gray or light."""
    is_colour = channels_of(header.shape) == 3
    is_converted = appearance.linear or appearance.unit or (appearance.gray and is_colour)
    return computing_type(header.dtype, None) if is_converted else header.dtype


def brightest_level(white: float, appearance: Appearance) -> float:
    """Return the number in V that stands for white. white: the pixel value that does."""
    return 1 if appearance.unit else white


def white_of(pixels: Array, appearance: Appearance) -> float:
    """Return the pixel value that stands for white: the given one, or the largest level of integers.

    With ``unit``, floats are in 0..1 already. Other floats are judged by their largest finite magnitude.
    Raises OptionError if it fits neither 0..1 nor 0..255.
    """
    if appearance.white is not None:
        return appearance.white
    if pixels.dtype.kind != "f":
        return LEVELS[depth_of(pixels.dtype)]
    return 1 if appearance.unit else _judged_white(pixels)


def _judged_white(pixels: Array) -> float:
    largest = max(_largest_magnitude(pixels[..., rows.start : rows.stop, :]) for rows in _bands(pixels))
    if MOST_OF_UNIT < largest < LEAST_OF_LEVELS:
        raise OptionError(
            f"cannot tell which value is white in floats of up to {largest:.4g} (up to {MOST_OF_UNIT:g} it is 1, from "
            f"{LEAST_OF_LEVELS} on it is 255): add `white` {largest:.4g}, or another value"
        )
    return 1 if largest <= MOST_OF_UNIT else LEVELS[8]


def exceeds_white(pixels: Array, white: float) -> bool:
    """Return whether most pixels are above white, as levels of 16 bits in floats or 32-bit integers are."""
    if pixels.dtype in (np.uint8, np.uint16):
        return False
    above = sum(int(np.count_nonzero(pixels[..., rows.start : rows.stop, :] > white)) for rows in _bands(pixels))
    return above > pixels.size / 2


def is_mask(pixels: Array) -> bool:
    """Return whether pixels are whole numbers of which none is beyond 1, and not all 0."""
    if pixels.dtype.kind == "f" or not pixels.any():
        return False
    return all(bool((np.abs(pixels[..., rows.start : rows.stop, :]) <= 1).all()) for rows in _bands(pixels))


def _bands(pixels: Array) -> Iterator[range]:
    return cut(range(pixels.shape[-2]), ROWS)


def _largest_magnitude(pixels: Array) -> float:
    low, high = finite_span(pixels, ends_of(pixels))
    return max(-low, high, 0)


def depth_of(pixels: np.dtype[Any]) -> int:
    """Return the number of bits, 8 or 16, whose largest level stands for white."""
    return 16 if pixels == np.uint16 else 8
