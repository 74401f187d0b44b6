"""How many pixels a picture may have: its header is asked, before anything is decoded.

The limit is Pillow's own, which holds for the whole process: Pillow asks it of pictures within pictures too.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import PIL.Image

from convcli.errors import OptionError

_BEYOND_ANY = 1 << 52


def limit_pixels(most: int) -> None:
    """The most that a picture may have, or one frame of several; 0 for no limit.

    Raises OptionError for a number below 0.
    """
    if most < 0:
        raise OptionError(f"max pixels: expected a number of at least 0, given {most}")
    # Pillow refuses what is above twice this, which need not be whole.
    half: Any = min(most, _BEYOND_ANY) / 2
    PIL.Image.MAX_IMAGE_PIXELS = half or None


def pixel_limit() -> int:
    """What ``limit_pixels`` was given last; Pillow's default before that."""
    return int(2 * (PIL.Image.MAX_IMAGE_PIXELS or 0))


def refuse_beyond_limit(pixels: int) -> None:
    """Raises ValueError, as Pillow does in words of its own."""
    if 0 < pixel_limit() < pixels:
        raise ValueError(_refusal(pixels))


@contextmanager
def explained_refusals() -> Iterator[None]:
    """Raise ValueError, with the same text as ``refuse_beyond_limit``, where Pillow refuses a picture."""
    try:
        yield
    except PIL.Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        raise ValueError(_refusal(int(found[1])) if found else str(error)) from error


def _refusal(pixels: int) -> str:
    return f"it has {pixels:,} pixels, more than the limit of {pixel_limit():,}: --max-pixels {pixels} reads it"
