"""A picture through a kernel: colours convolved, maps turned into pixels, alpha put back."""

from dataclasses import dataclass, replace

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.errors import OptionError
from convcli.geometry import Axis, Geometry
from convcli.images import Format, Image, to_gray
from convcli.pixels import clipping_warning, require_mode, to_pixels
from convcli.request import Request

ALPHA = ("keep", "drop")
LEVELS = {8: 255, 16: 65535}


@dataclass(frozen=True)
class Appearance:
    """How pixels become numbers and numbers become pixels.

    gray: convert colour first.  unit: scale pixel values to 0..1 first.
    alpha: ``keep`` samples it where each output pixel's window is centred, ``drop`` leaves it out.
    mode: how maps become levels (``convcli.pixels``), ``raw`` for floats as they are, or None for what the
    format takes best: floats for ``.npy``, ``clip`` for pictures.
    """

    gray: bool = False
    unit: bool = False
    alpha: str = "keep"
    mode: str | None = None

    def __post_init__(self) -> None:
        if self.alpha not in ALPHA:
            raise OptionError(f"unknown alpha {self.alpha!r}: use {' or '.join(ALPHA)}")
        if self.mode not in (None, "raw"):
            require_mode(self.mode)


@dataclass(frozen=True)
class Filtered:
    """Maps Z ``(C_out, OH, OW)`` of an image, and its alpha at their pixels ``(OH, OW)``."""

    image: Image
    geometry: Geometry
    maps: FloatArray
    alpha: Array | None


@dataclass(frozen=True)
class Rendered:
    """What a file will hold: numbers in its own type, and the warnings that made of them."""

    values: Array
    alpha: Array | None
    clipped: tuple[int, ...]
    warnings: tuple[str, ...]


def prepared(image: Image, appearance: Appearance) -> Image:
    """The image as the kernels will see it: gray if asked for, alpha dropped if asked for."""
    kept = image if appearance.alpha == "keep" else replace(image, alpha=None)
    return to_gray(kept) if appearance.gray else kept


def network_input(image: Image, appearance: Appearance) -> Array:
    """V ``(C_in, H, W)``: pixel values in their own units, or in 0..1."""
    if appearance.unit and image.pixels.dtype.kind in "iu":
        return image.pixels / np.float32(LEVELS[_depth(image)])
    return image.pixels


def _depth(image: Image) -> int:
    """The bits whose largest level stands for white."""
    return 16 if image.pixels.dtype == np.uint16 else 8


def filter_image(image: Image, request: Request, appearance: Appearance) -> Filtered:
    """The maps of a prepared image."""
    V = network_input(image, appearance)
    geometry = request.geometry(V.shape)
    alpha = None if image.alpha is None else sample_alpha(image.alpha, geometry)
    return Filtered(image, geometry, request.convolve(V), alpha)


def sample_alpha(alpha: Array, geometry: Geometry) -> Array:
    """Alpha ``(H, W)`` where each output's window is centred; beyond the image, the nearest pixel's."""
    return alpha[np.ix_(_centres(geometry.rows), _centres(geometry.columns))]


def _centres(axis: Axis) -> IntArray:
    centres = np.arange(axis.output) * axis.stride + (axis.reach - 1) // 2 - axis.before
    return np.clip(centres, 0, axis.size - 1)


def render(filtered: Filtered, format: Format, appearance: Appearance) -> Rendered:
    """The maps as ``format`` will hold them."""
    mode = appearance.mode or ("raw" if format.is_array else "clip")
    alpha = filtered.alpha if format.holds_alpha and mode != "raw" else None
    lost = _alpha_loss(filtered, alpha, format)
    if mode == "raw":
        return Rendered(_floats(filtered.maps, format), None, (0,) * len(filtered.maps), lost)
    depth = _depth(filtered.image)
    held = depth if format.is_array else min(depth, format.max_depth(_picture_channels(filtered.maps)))
    scale = LEVELS[held] / (1 if appearance.unit else LEVELS[depth])
    pixels = to_pixels(
        filtered.maps if scale == 1 else filtered.maps * filtered.maps.dtype.type(scale), mode, LEVELS[held]
    )
    lost += _depth_loss(len(filtered.maps), format, depth, held)
    clipping = clipping_warning(pixels, mode)
    return Rendered(pixels.values, alpha, pixels.clipped_by_map, (*lost, clipping) if clipping else lost)


def _picture_channels(maps: FloatArray) -> int:
    """Three maps make an RGB picture; any other count makes gray ones."""
    return 3 if len(maps) == 3 else 1


def _floats(maps: FloatArray, format: Format) -> FloatArray:
    if format.is_array:
        return maps
    if not format.holds_float(_picture_channels(maps)):
        count = f"{len(maps)} map{'s' * (len(maps) != 1)}"
        raise OptionError(f"--range raw writes floats, which {format.name} cannot hold for {count}: use .npy")
    return maps.astype(np.float32)


def _alpha_loss(filtered: Filtered, kept: Array | None, format: Format) -> tuple[str, ...]:
    if filtered.alpha is None or kept is not None:
        return ()
    return (f"{format.name}{' of floats' * format.holds_alpha} holds no alpha: it is left out",)


def _depth_loss(maps: int, format: Format, depth: int, held: int) -> tuple[str, ...]:
    if held == depth:
        return ()
    return (f"{depth} bits reduced to {held}: {format.name} holds no more for {maps} map{'s' * (maps != 1)}",)
