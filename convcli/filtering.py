"""A picture through a kernel: colours convolved, maps turned into pixels, alpha put back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from convcli import transparency
from convcli.arrays import Array, computing_type
from convcli.combining import Filter
from convcli.errors import OptionError
from convcli.geometry import Geometry
from convcli.images import Format, Image, to_gray
from convcli.large_arrays import Empty, large_empty
from convcli.light import luminance, to_codes, to_light
from convcli.pixels import Levels, Tally, as_they_are, clipping_warning, require_mode, to_floats, to_pixels
from convcli.profiles import is_like_srgb
from convcli.transparency import Passage

ALPHA = (*transparency.RULES, "drop")
LEVELS = {8: 255, 16: 65535}


@dataclass(frozen=True)
class Appearance:
    """How pixels become numbers and numbers become pixels.

    gray: convert colour first.  unit: scale pixel values to 0..1 first.
    linear: undo sRGB's curve first, and apply it when maps become pixels; gray is then luminance, not luma.
    alpha: a rule of ``convcli.transparency``, or ``drop``, which leaves it out.
    mode: how maps become levels (``convcli.pixels``), ``raw`` for floats as they are, or None for what the
    format takes best: floats for ``.npy``, ``clip`` for pictures.
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "keep"
    mode: str | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        if self.alpha not in ALPHA:
            raise OptionError(f"unknown alpha {self.alpha!r}: use {', '.join(ALPHA[:-1])} or {ALPHA[-1]}")
        if self.mode not in (None, "raw"):
            require_mode(self.mode)


class Maps(NamedTuple):
    """Maps ``(C_out, OH, OW)`` as a file will hold them, a tally of each one's numbers, and what was lost."""

    values: Array
    tallies: tuple[Tally, ...]
    warnings: tuple[str, ...] = ()


class Filtered(NamedTuple):
    """Maps of an image, its alpha ``(OH, OW)`` where they are centred or None, and what was lost."""

    image: Image
    geometry: Geometry
    algorithm: str
    maps: Maps
    alpha: Array | None
    warnings: tuple[str, ...]


def prepared(image: Image, appearance: Appearance) -> Image:
    """The image as the kernels will see it: gray if asked for, alpha dropped if asked for."""
    kept = replace(image, alpha=None) if appearance.alpha == "drop" else image
    return _gray(kept, appearance) if appearance.gray else kept


def network_input(image: Image, appearance: Appearance) -> Array:
    """V ``(C_in, H, W)``: pixel values in their own units, or in 0..1; or the light that they stand for."""
    white, brightest = _white(image, appearance), 1 if appearance.unit else LEVELS[_depth(image)]
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
    return 1 if appearance.unit and image.pixels.dtype.kind not in "iu" else LEVELS[_depth(image)]


def _depth(image: Image) -> int:
    """The bits whose largest level stands for white."""
    return 16 if image.pixels.dtype == np.uint16 else 8


def filter_image(
    image: Image, request: Filter, appearance: Appearance, format: Format, empty: Empty = large_empty
) -> Filtered:
    """A prepared image's maps, as ``format`` will hold them, in the array that ``empty`` gives."""
    V = network_input(image, appearance)
    geometry = request.geometry(V.shape)
    passage = transparency.passage(appearance.alpha, request, V, image.alpha)
    mode = appearance.mode or ("raw" if format.is_array else "clip")
    levels = _Levels.of(image, geometry, format, appearance)
    if mode == "raw":
        maps = _floats(passage, geometry, format, empty)
    else:
        maps = _pixels(passage, geometry, mode, levels, format, empty)
    holds_alpha = format.holds_alpha and mode != "raw"
    lost = [*_light_doubts(image, appearance)]
    if passage.alpha is not None and not holds_alpha:
        lost.append(f"{format.name}{' of floats' * format.holds_alpha} holds no alpha: it is left out")
    alpha = passage.alpha if holds_alpha else None
    return Filtered(image, geometry, request.algorithm(V), maps, alpha, (*lost, *maps.warnings))


def _light_doubts(image: Image, appearance: Appearance) -> Iterator[str]:
    if appearance.linear and not is_like_srgb(image.metadata.icc):
        yield "its colour profile has another curve than sRGB's, which --linear undid: convert it to sRGB first"


def _maps_count(geometry: Geometry) -> int:
    return prod(geometry.output_shape[:-2])


def _picture_channels(maps: int) -> int:
    """Three maps make an RGB picture; any other count makes gray ones."""
    return 3 if maps == 3 else 1


def _count(maps: int) -> str:
    return f"{maps} map{'s' * (maps != 1)}"


def _floats(passage: Passage, geometry: Geometry, format: Format, empty: Empty) -> Maps:
    count = _maps_count(geometry)
    if not format.is_array and not format.holds_float(_picture_channels(count)):
        raise OptionError(f"--range raw writes floats, which {format.name} cannot hold for {_count(count)}: use .npy")
    dtype = computing_type(passage.V.dtype, None) if format.is_array else np.dtype(np.float32)
    values = empty((count, *geometry.output_shape[-2:]), dtype)
    return Maps(values, to_floats(passage.convolve_and_store, values.reshape(geometry.output_blocks)))


class _Levels(NamedTuple):
    """The bits of a pixel, in the image and in the file, and what makes the maps' numbers the file's levels.

    scale: what they are multiplied by.  encode: as in ``to_pixels``.
    """

    depth: int
    held: int
    scale: float
    encode: Levels

    @classmethod
    def of(cls, image: Image, geometry: Geometry, format: Format, appearance: Appearance) -> "_Levels":
        """The image's own depth, or the most that the format holds."""
        depth = _depth(image)
        most = depth if format.is_array else format.max_depth(_picture_channels(_maps_count(geometry)))
        held = min(depth, most)
        encode = partial(to_codes, white=LEVELS[held]) if appearance.linear else as_they_are
        return cls(depth, held, LEVELS[held] / (1 if appearance.unit else LEVELS[depth]), encode)


def _pixels(passage: Passage, geometry: Geometry, mode: str, levels: _Levels, format: Format, empty: Empty) -> Maps:
    pixels = to_pixels(
        passage.convolve_and_store,
        geometry.output_blocks,
        mode,
        LEVELS[levels.held],
        levels.scale,
        levels.encode,
        empty,
    )
    lost = [_depth_loss(geometry, format, levels), clipping_warning(pixels, mode)]
    return Maps(pixels.values, pixels.tallies, tuple(filter(None, lost)))


def _depth_loss(geometry: Geometry, format: Format, levels: _Levels) -> str | None:
    if levels.held == levels.depth:
        return None
    count = _count(_maps_count(geometry))
    return f"{levels.depth} bits reduced to {levels.held}: {format.name} holds no more for {count}"
