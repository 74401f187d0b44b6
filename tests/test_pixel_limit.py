"""The most pixels that a picture may have."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from io import BytesIO
from typing import Any

import PIL.Image
import pytest
from support.pictures import HEIGHT, WIDTH, encoded, picture

from convcli.cli.options import MOST_PIXELS
from convcli.errors import FileError, OptionError
from convcli.files.source import Source
from convcli.pictures.pixel_limit import limit_pixels
from convcli.pictures.reading import iter_frames, read_header, read_image, read_tensor

VERBS = (read_image, read_header, read_tensor, lambda given: next(iter_frames(given)))
BEYOND = "cannot read <bytes>: it has 35 pixels, more than the limit of 34: use `max_pixels` 35 to read it"


def limited(most: int | None, data: bytes = encoded(picture("RGB"), "PNG")) -> Source:
    """Return a source whose pictures may have so many pixels; by default one with 35."""
    return replace(Source.of_bytes(data), max_pixels=most)


@pytest.mark.parametrize("read", VERBS)
def test_a_picture_above_the_limit_of_its_source_is_refused(read: Any) -> None:
    with pytest.raises(FileError) as caught:
        read(limited(34))
    assert str(caught.value) == BEYOND
    for most in (35, 0, None):
        read(limited(most))
        assert read_image(limited(most)).warnings == ()


def test_the_default_limit_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_PIXELS == 2 * PIL.Image.MAX_IMAGE_PIXELS == 178_956_970
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 17)
    with pytest.raises(FileError) as caught:
        read_image(limited(None))
    assert str(caught.value) == BEYOND
    assert read_image(limited(35)).pixels.shape == (3, HEIGHT, WIDTH)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(limited(None)).pixels.shape == (3, HEIGHT, WIDTH)


def test_a_limit_below_0_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^max_pixels: expected a number of at least 0, given -1$"):
        limited(-1)


@pytest.mark.parametrize("pillows", [17, 17.5, None])
def test_every_thread_has_its_own_limit(pillows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", pillows)
    data, together = encoded(picture("RGB"), "PNG"), threading.Barrier(4)

    def is_refused(limit: AbstractContextManager[Any]) -> bool:
        try:
            with limit:
                together.wait(10)
                PIL.Image.open(BytesIO(data))
        except (ValueError, PIL.Image.DecompressionBombError):
            return True
        finally:
            together.wait(10)
        return False

    limits = [limit_pixels(34), limit_pixels(35), limit_pixels(0), nullcontext()]
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        # Pillow warns the thread that has none of our limits.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        assert list(pool.map(is_refused, limits)) == [True, False, False, pillows == 17]
    assert PIL.Image.MAX_IMAGE_PIXELS is pillows


def test_a_limit_that_the_program_sets_during_reading_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    frames = iter_frames(limited(35))
    next(frames)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100
    with limit_pixels(35):
        PIL.Image.MAX_IMAGE_PIXELS = 50
    assert PIL.Image.MAX_IMAGE_PIXELS == 50
