"""Pictures in, through Pillow."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.errors import reason_of
from convcli.image_types import Header, Image, Metadata
from convcli.orientation import is_sideways, upright_picture
from convcli.picture_bands import channels_of, pixel_type
from convcli.picture_metadata import read_metadata, read_orientation


def read_picture(file: Path | BytesIO) -> Image:
    """The picture, upright, in L or RGB, or in its own single channel if that is deeper than 8 bits.

    Of several frames it is the first, with a warning.
    """
    with open_picture(file) as picture:
        frames, image = _frame_count(picture), _frame(picture)
    if frames == 1:
        return image
    loss = f"{frames} frames: only the first is read (apply --all-frames reads each)"
    return replace(image, warnings=(loss, *image.warnings))


def read_frames(file: Path | BytesIO) -> Iterator[Image]:
    """Every frame as ``read_picture`` would give it, in order, each decoded when it is asked for."""
    with open_picture(file) as picture:
        for number in range(_frame_count(picture)):
            picture.seek(number)
            yield _frame(picture)


def read_picture_header(file: Path | BytesIO) -> Header:
    """What ``read_picture`` would give, from the header."""
    with open_picture(file) as picture:
        mode = _mode(picture)
        channels = PIL.Image.getmodebands(mode) - mode.endswith("A")
        width, height = picture.size[::-1] if is_sideways(read_orientation(picture)) else picture.size
        dtype = pixel_type(mode, picture.format)
        return Header((channels, height, width), dtype, _frame_count(picture), mode.endswith("A"))


def open_picture(file: Path | BytesIO) -> ImageFile:
    """The picture with its header read; a file that is none is an error of Pillow's."""
    try:
        return PIL.Image.open(file)
    except PIL.UnidentifiedImageError:
        # Pillow tries its formats as it loads them, and skips one that another thread is loading: now all are loaded.
        return PIL.Image.open(file)


# An MPO, which is what many phones write as .jpg, holds previews and depth maps; a PSD holds the layers of one picture.
_PARTS_OF_ONE = ("MPO", "PSD")


def _frame_count(picture: ImageFile) -> int:
    return 1 if picture.format in _PARTS_OF_ONE else getattr(picture, "n_frames", 1)


def _frame(picture: ImageFile) -> Image:
    losses = [*_depth_warnings(picture)]
    picture.load()
    orientation, metadata = 1, Metadata()
    try:
        orientation, metadata = read_orientation(picture), read_metadata(picture)
    # Metadata that cannot be parsed raises as many kinds of error as a broken picture.
    except Exception as error:
        losses.append(f"EXIF, ICC profile and DPI are left out, for they are damaged: {reason_of(error)}")
    mode = _mode(picture)
    notes = () if mode == picture.mode else (f"{_WORDS.get(picture.mode, picture.mode)} converted to {mode}",)
    converted = picture if mode == picture.mode else picture.convert(mode)
    pixels, alpha = channels_of(upright_picture(converted, orientation), picture.format)
    return Image(pixels, alpha, metadata, notes, tuple(losses))


_WORDS = {
    "1": "1-bit",
    "P": "palette",
    "PA": "palette with alpha",
    "L": "L with a transparent level",
    "RGB": "RGB with a transparent colour",
}


def _depth_warnings(picture: ImageFile) -> Iterator[str]:
    """A warning if the file holds 16 bits in several channels, which Pillow opens at 8 and says nothing."""
    layout = picture.tile[0].args if picture.tile else None
    raw_mode, *rest = layout if isinstance(layout, tuple) else (layout,)
    cut = ";16" in str(raw_mode) or (picture.format == "PPM" and rest and rest[0] > 255)
    if cut and len(picture.getbands()) > 1:
        kind = "gray and alpha" if str(raw_mode).startswith("LA") else picture.mode
        yield (
            f"16-bit {kind} {picture.format} read at 8 bits: Pillow keeps 16 in a single channel only "
            "(an .npy array would keep them all)"
        )


def _mode(picture: ImageFile) -> str:
    """The mode to work in: L, LA, RGB or RGBA, or the picture's own if its channel is deeper than 8 bits."""
    if picture.mode[0] in "IF":
        return picture.mode
    color = "L" if _is_gray(picture) else "RGB"
    return color + "A" if picture.has_transparency_data else color


def _is_gray(picture: ImageFile) -> bool:
    # Pillow composes all frames but the first in RGB; no frame is to have other channels than the next.
    if picture.format == "GIF" and _frame_count(picture) > 1:
        return False
    if picture.mode not in ("P", "PA"):
        return picture.mode in ("1", "L", "LA", "La")
    red, green, blue = np.reshape(picture.getpalette("RGB") or [], (-1, 3)).T
    return bool((red == green).all() and (green == blue).all())
