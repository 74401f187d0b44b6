"""Scale levels of any depth to 8 or 16 bits."""

from collections.abc import Callable
from typing import Any

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
    white, dtype = _white_of(most), scaled_type(most)
    if most == white:
        return levels.astype(dtype, copy=False)
    scaled = np.rint(np.arange(most + 1) * white / most).astype(dtype)
    return np.take(scaled, levels)


def scaled_type(most: int) -> np.dtype[Any]:
    """Return the type of levels of 0..``most`` after ``scale_levels``."""
    return np.min_scalar_type(_white_of(most))


def scaling_notes(most: int) -> tuple[str, ...]:
    """Return the note about levels of 0..``most`` that ``scale_levels`` changes; none if it keeps them."""
    white = _white_of(most)
    return () if most == white else (f"levels of 0..{most} scaled to 0..{white}",)


def _white_of(most: int) -> int:
    return 255 if most < 256 else 65535


def require_whole(given: int, expected: int, of: str = "bytes") -> None:
    """Raise ValueError if a file holds fewer bytes or levels than its header says."""
    if given < expected:
        raise ValueError(f"it is truncated: it has {given:,} of {expected:,} {of}")


def decoding_by_extra(decode: Callable[[bytes], Array], bits: int) -> Decoding | None:
    """Return a decoding by the extra ``deep`` that scales levels of this depth; None if the extra is not installed."""
    if not deep_extra.is_installed():
        return None
    most = (1 << bits) - 1
    white = _white_of(most)
    notes = () if most == white else (f"{bits} bits scaled to {white.bit_length()}",)
    return Decoding(lambda data: scale_levels(np.atleast_3d(decode(data)), most), scaled_type(most), notes)
