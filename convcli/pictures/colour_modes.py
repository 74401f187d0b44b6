"""Convert Pillow's many modes to the few to compute in: L and RGB, with and without A, and one deeper channel."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.errors import reason_of

_NAMES = {
    "1": "1-bit",
    "P": "palette",
    "PA": "palette with alpha",
    "La": "premultiplied gray",
    "RGBa": "premultiplied RGB",
    "LAB": "Lab",
}


class Conversion(NamedTuple):
    """A picture in a mode to compute in.

    notes: the conversions.  warnings: the losses.  keeps_profile: whether the file's colour profile still applies.
    """

    picture: PIL.Image.Image
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    keeps_profile: bool = True


def working_mode(picture: ImageFile) -> str:
    """Return the mode to compute in: L, LA, RGB or RGBA, or the picture's own if it is one channel of over 8 bits."""
    if picture.mode[0] in "IF":
        return picture.mode
    colours = "L" if _is_gray(picture) else "RGB"
    return colours + "A" if picture.has_transparency_data else colours


def convert_to_mode(picture: PIL.Image.Image, mode: str) -> Conversion:
    """Return the picture converted to this mode; CMYK is converted by its colour profile, unless that is damaged."""
    if mode == picture.mode:
        return Conversion(picture)
    # Every pixel of an animation's frame is opaque then.
    if picture.mode == mode + "A":
        return Conversion(picture.convert(mode))
    if picture.mode == "CMYK" and picture.info.get("icc_profile"):
        return _by_profile(picture)
    return Conversion(picture.convert(mode), (f"{_name(picture)} converted to {mode}",))


def _by_profile(picture: PIL.Image.Image) -> Conversion:
    from PIL import ImageCms

    try:
        converted = ImageCms.profileToProfile(
            picture,
            BytesIO(picture.info["icc_profile"]),
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    # If the profile is damaged, colours that are converted without it are better than none.
    except Exception as error:
        loss = f"the CMYK profile is ignored, because it is damaged: {reason_of(error)}"
        return Conversion(picture.convert("RGB"), ("CMYK converted to RGB",), (loss,), keeps_profile=False)
    assert converted is not None
    return Conversion(converted, ("CMYK converted to sRGB by its colour profile",), keeps_profile=False)


def _name(picture: PIL.Image.Image) -> str:
    if picture.mode in ("L", "RGB"):
        kind = "a transparent level" if picture.mode == "L" else "a transparent colour"
        return f"{picture.mode} with {kind}" if picture.has_transparency_data else "gray"
    return _NAMES.get(picture.mode, picture.mode)


def _is_gray(picture: ImageFile) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in ("1", "L", "LA", "La")
    red, green, blue = np.reshape(picture.getpalette("RGB") or [], (-1, 3)).T
    return bool((red == green).all() and (green == blue).all())
