"""Limit the number of pixels that a picture may have; it is checked from the header, before pixels are decoded.

Only Pillow itself can check pictures within pictures. Its limit, ``PIL.Image.MAX_IMAGE_PIXELS``, belongs to the
process. So while any thread reads, it is replaced by a number that acts as its own limit in each reading thread, and as
the replaced number in all other threads.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import PIL.Image

from convcli.files.shared_change import SharedChange

_THREAD = threading.local()


@contextmanager
def limit_pixels(most: int | None) -> Iterator[None]:
    """Raise ValueError if this thread reads a picture with more pixels within; 0 is no limit, None is Pillow's."""
    outer, most = _own_limit(), _limit_of_pillow() if most is None else most
    with _STAND_IN:
        _THREAD.most = most
        try:
            yield
        except PIL.Image.DecompressionBombError as error:
            pixels = re.search(r"\((\d+) pixels\)", str(error))
            raise ValueError(_refusal(int(pixels[1]), most) if pixels else str(error)) from error
        finally:
            _THREAD.most = outer


def refuse_beyond_limit(pixels: int) -> None:
    """Raise ValueError for more pixels than this thread's limit, and for none."""
    if pixels < 1:
        raise ValueError("it has no pixels")
    most = _own_limit()
    if most and pixels > most:
        raise ValueError(_refusal(pixels, most))


def _refusal(pixels: int, most: int) -> str:
    return f"it has {pixels:,} pixels, more than the limit of {most:,}: use `max_pixels` {pixels} to read it"


def _own_limit() -> int | None:
    """Return this thread's limit; None if it is not within ``limit_pixels``."""
    most: int | None = getattr(_THREAD, "most", None)
    return most


def _limit_of_pillow() -> int:
    # Pillow refuses pictures of more than twice its number, which may be a fraction.
    return int(2 * (PIL.Image.MAX_IMAGE_PIXELS or 0))


class _LimitOfEachThread(int):
    """The replacement of Pillow's limit. Pillow refuses beyond twice the limit, and warns beyond the limit itself."""

    replaced: Any

    def __rmul__(self, factor: Any) -> Any:
        most = _own_limit()
        return factor * self.replaced if most is None else most or _BEYOND_ANY

    def __lt__(self, pixels: Any) -> bool:
        return _own_limit() is None and bool(self.replaced < pixels)


# A number of pixels that is no limit.
_BEYOND_ANY = 1 << 62


@contextmanager
def _stand_in() -> Iterator[None]:
    replaced = PIL.Image.MAX_IMAGE_PIXELS
    number = PIL.Image.MAX_IMAGE_PIXELS = _LimitOfEachThread(_BEYOND_ANY if replaced is None else replaced)
    number.replaced = _BEYOND_ANY if replaced is None else replaced
    try:
        yield
    finally:
        if PIL.Image.MAX_IMAGE_PIXELS is number:
            PIL.Image.MAX_IMAGE_PIXELS = replaced


_STAND_IN = SharedChange(_stand_in)
