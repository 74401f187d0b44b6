"""The conversion of pixels to numbers, and of numbers back to pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from convcli.apply import transparency
from convcli.apply.pixels import MODES
from convcli.arrays import Array, channels_of, computing_type, cut, ends_of, finite_span, one_channel
from convcli.errors import OptionError
from convcli.files.large_arrays import ROWS, large_empty
from convcli.layouts import CHANNEL_MAJOR, Layout
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
# A guess of white is doubted if this part of the values is in 0..1, or if no value is above this part of white.
NEARLY_ALL = 0.99
NEARLY_BLACK = 0.01


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
    relu: replace negative numbers of the maps by 0 first.
    layout: the order of the axes of arrays that are written.
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "auto"
    range: str = "auto"
    linear: bool = False
    white: float | None = None
    relu: bool = False
    layout: Layout = CHANNEL_MAJOR

    def __post_init__(self) -> None:
        choice("alpha", self.alpha, ALPHA)
        choice("range", self.range, RANGES)
        for name in ("gray", "unit", "linear", "relu"):
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
    shape = header.shape if channels == 1 else one_channel(header.shape)
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
    largest = _largest_magnitude(pixels)
    if MOST_OF_UNIT < largest < LEAST_OF_LEVELS:
        raise OptionError(
            f"cannot tell which value is white in floats of up to {largest:.4g} (up to {MOST_OF_UNIT:g} it is 1, from "
            f"{LEAST_OF_LEVELS} on it is 255): add `white` {largest:.4g}, or another value"
        )
    return 1 if largest <= MOST_OF_UNIT else LEVELS[8]


def white_doubts(image: Image, white: float) -> Iterator[str]:
    """Yield a warning if most of the picture is white, or all of it nearly black, by a guess of white.

    Only floats and arrays can be nearly black: whole numbers of a picture that is dark are as its file says.
    """
    pixels = image.pixels
    if _exceeds_white(pixels, white):
        largest = max(_finite_span(pixels)[1], white)
        yield f"most values are above {white:g}, which is taken to be white: if white is {largest:g}, {_adds(largest)}"
    is_float = pixels.dtype.kind == "f"
    if is_float and white == LEVELS[8] and _is_mostly_in_unit(pixels):
        yield (
            f"most values are at most {MOST_OF_UNIT:g}, and white is taken to be {white:g}, so that the picture is "
            f"nearly black: if white is 1, {_adds(1)}"
        )
    if is_float or not image.is_picture:
        largest = _largest_magnitude(pixels)
        if 0 < largest <= (white * NEARLY_BLACK if is_float else 1):
            yield (
                f"no value is above {largest:g}, and white is {white:g}, so that the picture is nearly black: "
                f"{_adds(largest)}"
            )


def _adds(white: float) -> str:
    return f"add `white` {white:g}"


def _exceeds_white(pixels: Array, white: float) -> bool:
    """Return whether most pixels are above white, as levels of 16 bits in floats or 32-bit integers are."""
    if pixels.dtype in (np.uint8, np.uint16):
        return False
    above = sum(int(np.count_nonzero(band > white)) for band in _bands(pixels))
    return above > pixels.size / 2


def _is_mostly_in_unit(pixels: Array) -> bool:
    """Return whether nearly all pixels but 0 are of magnitudes that are taken to be in 0..1."""
    within = beyond = 0
    for band in _bands(pixels):
        magnitudes = np.abs(band)
        within += int(np.count_nonzero((magnitudes > 0) & (magnitudes <= MOST_OF_UNIT)))
        beyond += int(np.count_nonzero(magnitudes > MOST_OF_UNIT))
    return within >= NEARLY_ALL * (within + beyond)


def _bands(pixels: Array) -> Iterator[Array]:
    for rows in cut(range(pixels.shape[-2]), ROWS):
        yield pixels[..., rows.start : rows.stop, :]


def _largest_magnitude(pixels: Array) -> float:
    low, high = _finite_span(pixels)
    return max(-low, high, 0)


def _finite_span(pixels: Array) -> tuple[float, float]:
    """Return the smallest and the largest finite pixel; infinity and minus infinity if no pixel is finite."""
    spans = [finite_span(band, ends_of(band)) for band in _bands(pixels)]
    return min(low for low, _ in spans), max(high for _, high in spans)


def depth_of(pixels: np.dtype[Any]) -> int:
    """Return the number of bits, 8 or 16, whose largest level stands for white."""
    return 16 if pixels == np.uint16 else 8
