"""A picture through a kernel: colours convolved, maps turned into pixels, alpha put back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.apply import transparency
from convcli.apply.combining import Filter, PlannedFilter
from convcli.apply.pixels import MODES, Tally, as_they_are, clipping_warning, to_floats, to_pixels
from convcli.apply.transparency import AlphaFilter, filter_with_alpha
from convcli.arrays import Array, computing_type
from convcli.errors import OptionError
from convcli.files.large_arrays import Empty, large_empty
from convcli.geometry.axes import Geometry
from convcli.pictures.formats import Format
from convcli.pictures.gray import to_gray
from convcli.pictures.image import Header, Image
from convcli.pictures.light import luminance, to_codes, to_light
from convcli.pictures.profiles import is_like_srgb
from convcli.text import choice

ALPHA = (*transparency.RULES, "drop")
LEVELS = {8: 255, 16: 65535}


@dataclass(frozen=True)
class Appearance:
    """How pixels become numbers and numbers become pixels.

    gray: convert colour first.  unit: scale pixel values to 0..1 first.
    linear: undo sRGB's curve first, and apply it when maps become pixels; gray is then luminance, not luma.
    alpha: a rule of ``convcli.apply.transparency``, or ``drop``, which leaves it out.
    mode: how maps become levels (``convcli.apply.pixels``), ``raw`` for floats as they are, or None for what the
    format takes best: floats for ``.npy``, ``clip`` for pictures.
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "keep"
    mode: str | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        choice("alpha", self.alpha, ALPHA)
        if self.mode is not None:
            choice("range", self.mode, (*MODES, "raw"))


class Maps(NamedTuple):
    """Maps ``(C_out, OH, OW)`` as a file will hold them, and a tally of each one's numbers."""

    values: Array
    tallies: tuple[Tally, ...]


class FilteredImage(NamedTuple):
    """Maps of an image, its alpha ``(OH, OW)`` where they are centred or None, and what was lost.

    notes: of what only came with the picture.
    """

    image: Image
    geometry: Geometry
    algorithm: str
    maps: Maps
    alpha: Array | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def prepared(image: Image, appearance: Appearance) -> Image:
    """The image as the kernels will see it: gray if asked for, alpha dropped if asked for."""
    kept = replace(image, alpha=None) if appearance.alpha == "drop" else image
    return _gray(kept, appearance) if appearance.gray else kept


def prepared_shape(header: Header, appearance: Appearance) -> tuple[int, ...]:
    """The shape of its pixels."""
    return (1, *header.shape[1:]) if appearance.gray else header.shape


@np.errstate(over="ignore", invalid="ignore")
def network_input(image: Image, appearance: Appearance) -> Array:
    """V ``(C_in, H, W)``: pixel values in their own units, or in 0..1; or the light that they stand for."""
    white, brightest = _white(image, appearance), 1 if appearance.unit else LEVELS[_depth(image.pixels.dtype)]
    if appearance.linear:
        return to_light(image.pixels, white, brightest)
    if white == brightest:
        return image.pixels
    V = large_empty(image.pixels.shape, computing_type(image.pixels.dtype, None))
    np.divide(image.pixels, V.dtype.type(white), out=V)
    return V


def _gray(image: Image, appearance: Appearance) -> Image:
    if appearance.linear and len(image.pixels) == 3:
        return replace(image, pixels=luminance(image.pixels, _white(image, appearance)))
    return to_gray(image)


def _white(image: Image, appearance: Appearance) -> int:
    """The pixel value that is white: with ``unit``, floats are in 0..1 already."""
    return 1 if appearance.unit and image.pixels.dtype.kind not in "iu" else LEVELS[_depth(image.pixels.dtype)]


def _depth(pixels: np.dtype[Any]) -> int:
    """The bits whose largest level stands for white."""
    return 16 if pixels == np.uint16 else 8


class OutputSpec(NamedTuple):
    """What an output will be: maps ``(C_out, OH, OW)``, their type, and whether alpha is beside them.

    mode: how numbers become levels (``convcli.apply.pixels``), or ``raw``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    mode: str
    alpha: bool


def output_spec(
    pixels: np.dtype[Any], alpha: bool, geometry: Geometry, appearance: Appearance, format: Format
) -> OutputSpec:
    """What is made of an image with pixels of that type, and alpha or none.

    Raises OptionError where the format holds no floats and those are asked for.
    """
    count = prod(geometry.output_shape[:-2])
    shape = (count, *geometry.output_shape[-2:])
    mode = appearance.mode or ("raw" if format.is_array else "clip")
    if mode != "raw":
        holds_alpha = alpha and format.holds_alpha
        depth = _depth(pixels)
        most = depth if format.is_array else format.max_depth(_picture_channels(count), alpha=holds_alpha)
        return OutputSpec(shape, np.dtype(np.uint16 if min(depth, most) == 16 else np.uint8), mode, holds_alpha)
    if format.is_array:
        return OutputSpec(shape, computing_type(pixels, None), mode, False)
    if format.holds_float(_picture_channels(count)):
        return OutputSpec(shape, np.dtype(np.float32), mode, False)
    raise OptionError(f"`range` raw writes floats, which {format.name} cannot hold for {_count(count)}: use .npy")


def _picture_channels(maps: int) -> int:
    """Three maps make an RGB picture; any other count makes gray ones."""
    return 3 if maps == 3 else 1


def _count(maps: int) -> str:
    return f"{maps} map{'s' * (maps != 1)}"


def filter_image(
    image: Image,
    request: Filter,
    planned: PlannedFilter,
    appearance: Appearance,
    format: Format,
    empty: Empty = large_empty,
) -> FilteredImage:
    """Filter a prepared image; return its maps as ``format`` will hold them, in the array that ``empty`` makes.

    planned: the request at the shape of the image's pixels (``planned_for``).
    """
    V = network_input(image, appearance)
    geometry = planned.geometry
    output = output_spec(image.pixels.dtype, image.alpha is not None, geometry, appearance, format)
    filtering = filter_with_alpha(appearance.alpha, request, planned, V, image.alpha)
    values = empty(output.shape, output.dtype)
    tallies, clipping = _fill(values.reshape(geometry.output_blocks), filtering, image, output.mode, appearance)
    left_out = {} if format.is_array else format.metadata_losses(image.metadata, _picture_channels(len(values)))
    # Without its profile a picture's colours are others; that one of colours is none of gray is no loss.
    profile = [left_out.pop("icc")] if "icc" in left_out and "icc" not in format.metadata else []
    lost = (*_light_doubts(image, appearance), *_losses(image, output, format), *profile, *clipping)
    alpha = filtering.alpha if output.alpha else None
    maps = Maps(values, tallies)
    return FilteredImage(image, geometry, planned.algorithm, maps, alpha, lost, tuple(left_out.values()))


def planned_for(request: Filter, shape: tuple[int, ...], pixels: np.dtype[Any]) -> PlannedFilter:
    """Prepare and plan a request for an image with pixels ``(C, H, W)`` of this type."""
    return request.at(shape, computing_type(pixels, None))


def _fill(
    values: Array, filtering: AlphaFilter, image: Image, mode: str, appearance: Appearance
) -> tuple[tuple[Tally, ...], list[str]]:
    """Fill the maps ``(..., OH, OW)``; each one's tally, and a warning where numbers were clipped."""
    if mode == "raw":
        return to_floats(filtering.store, values), []
    white = int(np.iinfo(values.dtype).max)
    scale = white / (1 if appearance.unit else LEVELS[_depth(image.pixels.dtype)])
    encode = partial(to_codes, white=white) if appearance.linear else as_they_are
    pixels = to_pixels(filtering.store, values, mode, scale, encode)
    clipping = clipping_warning(pixels, mode)
    return pixels.tallies, [clipping] if clipping else []


def _light_doubts(image: Image, appearance: Appearance) -> Iterator[str]:
    if appearance.linear and not is_like_srgb(image.metadata.icc):
        yield "its colour profile has another curve than sRGB's, which `linear` undid: convert it to sRGB first"


def _losses(image: Image, output: OutputSpec, format: Format) -> Iterator[str]:
    if image.alpha is not None and not output.alpha:
        yield f"{format.name}{' of floats' * format.holds_alpha} holds no alpha: it is left out"
    depth, held = _depth(image.pixels.dtype), 8 * output.dtype.itemsize
    if held < depth:
        beside = " and alpha" * output.alpha
        yield f"{depth} bits reduced to {held}: {format.name} holds no more for {_count(output.shape[0])}{beside}"
