"""The conversion of pixels to numbers, and of numbers back to pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.apply import transparency
from convcli.apply.pixels import MODES
from convcli.arrays import Array, computing_type
from convcli.files.large_arrays import large_empty
from convcli.pictures.gray import to_gray
from convcli.pictures.image import Header, Image
from convcli.pictures.light import luminance, to_light
from convcli.text import choice

ALPHA = (*transparency.ALPHA_RULES, "drop")
LEVELS = {8: 255, 16: 65535}


@dataclass(frozen=True)
class Appearance:
    """The options for converting pixels to numbers, and numbers back to pixels.

    gray: convert colours to gray first.  unit: scale pixel values to 0..1 first.
    linear: undo sRGB's curve first, and apply it to the maps before they become pixels; gray is luminance, not luma.
    alpha: a rule of ``convcli.apply.transparency``, or ``drop`` to ignore alpha.
    range: how maps become levels (``convcli.apply.pixels``); ``raw`` keeps floats. None is the format's
    default: ``raw`` for ``.npy``, ``clip`` for pictures.
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "keep"
    range: str | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        choice("alpha", self.alpha, ALPHA)
        if self.range is not None:
            choice("range", self.range, (*MODES, "raw"))


def prepare_image(image: Image, appearance: Appearance) -> Image:
    """Return the image that kernels filter: gray if ``gray`` is set, and without alpha if ``alpha`` is ``drop``."""
    image = image._replace(alpha=None) if appearance.alpha == "drop" else image
    return _to_gray(image, appearance) if appearance.gray else image


def prepare_header(header: Header, appearance: Appearance) -> Header:
    """Return the header of the image that ``prepare_image`` returns."""
    shape = (1, *header.shape[1:]) if appearance.gray else header.shape
    return header._replace(shape=shape, alpha=header.alpha and appearance.alpha != "drop")


@np.errstate(over="ignore", invalid="ignore")
def network_input(image: Image, appearance: Appearance) -> Array:
    """Return V ``(C_in, H, W)``: pixel values in their own units or in 0..1, or the light that they stand for."""
    white, brightest = _white(image, appearance), brightest_level(image.pixels.dtype, appearance)
    if appearance.linear:
        return to_light(image.pixels, white, brightest)
    if white == brightest:
        return image.pixels
    V = large_empty(image.pixels.shape, computing_type(image.pixels.dtype, None))
    np.divide(image.pixels, V.dtype.type(white), out=V)
    return V


def input_type(pixels: np.dtype[Any], appearance: Appearance) -> np.dtype[Any]:
    """Return the type of V: that of the pixels, or a float type if they are scaled or converted to light."""
    is_converted = appearance.linear or appearance.unit
    return computing_type(pixels, None) if is_converted else pixels


def brightest_level(pixels: np.dtype[Any], appearance: Appearance) -> int:
    """Return the number in V that stands for white."""
    return 1 if appearance.unit else LEVELS[depth_of(pixels)]


def depth_of(pixels: np.dtype[Any]) -> int:
    """Return the number of bits, 8 or 16, whose largest level stands for white."""
    return 16 if pixels == np.uint16 else 8


def _to_gray(image: Image, appearance: Appearance) -> Image:
    if appearance.linear and len(image.pixels) == 3:
        return image._replace(pixels=luminance(image.pixels, _white(image, appearance)))
    return to_gray(image)


def _white(image: Image, appearance: Appearance) -> int:
    """Return the pixel value that stands for white: with ``unit``, floats are in 0..1 already."""
    is_unit = appearance.unit and image.pixels.dtype.kind not in "iu"
    return 1 if is_unit else LEVELS[depth_of(image.pixels.dtype)]
