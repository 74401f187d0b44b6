"""Reduce a picture to the 256 colours of a GIF.

A picture of at most 256 colours keeps them exactly. One of some thousands, such as a drawing with soft edges, gets
the nearest of 256 colours that are the means of its own, so that gray stays gray. A photograph is dithered (Floyd and
Steinberg 1976), because bands of one colour would show; an octree's colours span all of its colours, as that needs.
"""

import numpy as np
import PIL.Image
from PIL.Image import Dither, Quantize

from convcli.arrays import Array
from convcli.pictures.channels import picture_of

# Alpha from here on is opaque.
OPAQUE = 128
# The most colours of a picture that is not dithered.
_MOST_OF_DRAWING = 4096
_MOST = 256


def indexed(pixels: Array, alpha: Array | None) -> PIL.Image.Image:
    """Return the picture ``(1, H, W)`` or ``(3, H, W)``, uint8, with a palette of which one entry is transparent.

    alpha: ``(H, W)``, or None; no entry is transparent if every pixel is opaque.
    """
    visible = _visible(pixels, alpha)
    has_hidden = not bool(visible.all())
    most = _MOST - has_hidden
    codes = _codes(pixels)
    colours = _seen(codes, visible)
    if len(colours) <= most:
        indices, palette = _exact(codes, colours, len(pixels))
    else:
        indices, palette = _nearest(pixels, visible, most, dithered=len(colours) > _MOST_OF_DRAWING)
    hidden = len(palette) if has_hidden else 0
    return _with_palette(np.where(visible, indices, hidden).astype(np.uint8), palette, has_hidden=has_hidden)


def is_exact(pixels: Array, alpha: Array | None) -> bool:
    """Return whether the palette of ``indexed`` holds every visible colour."""
    visible = _visible(pixels, alpha)
    return len(_seen(_codes(pixels), visible)) <= _MOST - (not visible.all())


def _visible(pixels: Array, alpha: Array | None) -> Array:
    if alpha is None:
        return np.ones(pixels.shape[1:], bool)
    return alpha >= OPAQUE * (int(np.iinfo(alpha.dtype).max) // 255)


def _seen(codes: Array, visible: Array) -> Array:
    """Return the colours of visible pixels, in order, each once."""
    # np.unique takes ten times as long.
    ordered = np.sort(codes[visible])
    colours: Array = ordered[np.diff(ordered, prepend=ordered[:1] ^ 1) != 0]
    return colours


def _codes(pixels: Array) -> Array:
    """Return a number for the colour of each pixel."""
    codes = np.zeros(pixels.shape[1:], np.uint32)
    for plane in pixels:
        codes = codes << 8 | plane
    return codes


def _exact(codes: Array, colours: Array, channels: int) -> tuple[Array, Array]:
    places = np.zeros(256**channels, np.uint8)
    places[colours] = np.arange(len(colours))
    shifts = (0, 0, 0) if channels == 1 else (16, 8, 0)
    return places[codes], np.stack([colours >> shift & 255 for shift in shifts], axis=-1)


def _nearest(pixels: Array, visible: Array, most: int, *, dithered: bool) -> tuple[Array, Array]:
    picture = picture_of(np.broadcast_to(pixels, (3, *pixels.shape[1:])), None)
    shown = PIL.Image.fromarray(np.asarray(picture)[visible][np.newaxis])
    if dithered:
        palette = shown.quantize(most, Quantize.FASTOCTREE)
        indices = np.asarray(picture.quantize(palette=palette, dither=Dither.FLOYDSTEINBERG))
    else:
        palette = shown.quantize(most, Quantize.MEDIANCUT, kmeans=1)
        indices = np.zeros(visible.shape, np.uint8)
        indices[visible] = np.asarray(palette)[0]
    return indices, np.reshape(palette.getpalette("RGB") or [], (-1, 3))[:most]


def _with_palette(indices: Array, palette: Array, *, has_hidden: bool) -> PIL.Image.Image:
    picture = PIL.Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    entries = np.concatenate([palette, np.zeros((int(has_hidden), 3), int)])
    picture.putpalette(entries.astype(np.uint8).tobytes())
    if has_hidden:
        picture.info["transparency"] = len(palette)
    return picture
