"""Scale levels of any depth to 8 or 16 bits."""

from collections.abc import Callable

import numpy as np

from convcli.arrays import Array
from convcli.pictures import deep_extra
from convcli.pictures.formats.format import Decoding


def scale_levels(levels: Array, most: int) -> Array:
    """Return levels of 0..``most`` scaled to 0..255, or to 0..65535 if ``most`` is above 255.

    Raises ValueError for a level above ``most``.
    """
    if levels.size and (largest := int(levels.max())) > most:
        raise ValueError(f"it has a level of {largest}, above its maximum of {most}")
    white = white_of(most)
    dtype = np.min_scalar_type(white)
    if most == white:
        return levels.astype(dtype, copy=False)
    scaled = np.rint(np.arange(most + 1) * white / most).astype(dtype)
    return np.take(scaled, levels)


def white_of(most: int) -> int:
    """Return the largest level after ``scale_levels``."""
    return 255 if most < 256 else 65535


def decoding_by_extra(decode: Callable[[bytes], Array], bits: int) -> Decoding | None:
    """Return a decoding by the extra ``deep`` that scales levels of this depth; None if the extra is not installed."""
    if not deep_extra.is_installed():
        return None
    most = (1 << bits) - 1
    white = white_of(most)
    notes = () if most == white else (f"{bits} bits scaled to {white.bit_length()}",)
    return Decoding(lambda data: scale_levels(np.atleast_3d(decode(data)), most), np.min_scalar_type(white), notes)
