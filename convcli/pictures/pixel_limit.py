"""The most pixels that a picture may have: its header is asked before anything is decoded.

Pillow asks ``PIL.Image.MAX_IMAGE_PIXELS``, which belongs to the process, and asks it of pictures within pictures too,
where nobody else can. So while any thread reads, a number stands there that gives each reading thread its own limit,
and every other thread the number that was there before.
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
    """Raise ValueError within, in this thread, where a picture has more pixels; 0 is no limit, None is Pillow's."""
    outer, most = _own_limit(), _limit_of_pillow() if most is None else most
    with _STAND_IN:
        _THREAD.most = most
        try:
            yield
        except PIL.Image.DecompressionBombError as error:
            found = re.search(r"\((\d+) pixels\)", str(error))
            raise ValueError(_refusal(int(found[1]), most) if found else str(error)) from error
        finally:
            _THREAD.most = outer


def refuse_beyond_limit(pixels: int) -> None:
    """Raise ValueError for more pixels than this thread reads."""
    most = _own_limit()
    if most and pixels > most:
        raise ValueError(_refusal(pixels, most))


def _refusal(pixels: int, most: int) -> str:
    return f"it has {pixels:,} pixels, more than the limit of {most:,}: `max_pixels` {pixels} reads it"


def _own_limit() -> int | None:
    """Return this thread's limit, None if it does not read."""
    most: int | None = getattr(_THREAD, "most", None)
    return most


def _limit_of_pillow() -> int:
    # Pillow refuses what is above twice its number, which need not be whole.
    return int(2 * (PIL.Image.MAX_IMAGE_PIXELS or 0))


class _LimitOfEachThread(int):
    """Stands in for Pillow's number. Pillow compares with twice the number to refuse, and with the number to warn."""

    replaced: Any

    def __rmul__(self, factor: Any) -> Any:
        most = _own_limit()
        return factor * self.replaced if most is None else most or _BEYOND_ANY

    def __lt__(self, pixels: Any) -> bool:
        return _own_limit() is None and bool(self.replaced < pixels)


# Of pixels: no limit.
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
