"""Open the frames of a picture: pages of a TIFF, pictures of FITS, or what Pillow reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol

from convcli.files.file_bytes import open_file, require_fitting, size_of
from convcli.pictures.apng_frames import ApngFrames
from convcli.pictures.formats import format_read
from convcli.pictures.formats.fits import fits_frames, is_fits
from convcli.pictures.formats.pam import PamFrame, is_pam
from convcli.pictures.formats.png import PNG
from convcli.pictures.formats.psd_deep import DeepPsdFrame, is_deep_psd
from convcli.pictures.formats.tiff_pages import is_tiff, tiff_pages
from convcli.pictures.image import Header, Image
from convcli.pictures.pillow_frames import PillowFrame, open_picture

# The least bytes of a file that a frame takes: in each format it has at least this long a header, or pixels.
LEAST = 8


class Frame(Protocol):
    """A frame of an opened file."""

    def header(self) -> Header:
        """Return the header of the frame that ``decode`` would return, without decoding it."""

    def decode(self) -> Image:
        """Return the frame, upright."""


class Frames(NamedTuple):
    """The frames of an opened file: their number, and a function that returns one by its number from 0.

    They must be decoded in order. No list of them is made, because a file may claim billions.
    """

    total: int
    frame: Callable[[int], Frame]


@contextmanager
def picture_frames(file: Path | BytesIO) -> Iterator[Frames]:
    """Yield the frames of a picture file, which stays open meanwhile."""
    if is_fits(file):
        units = fits_frames(file)
        yield Frames(len(units), units.__getitem__)
        return
    if is_tiff(file):
        with tiff_pages(file) as pages:
            yield Frames(len(pages), pages.__getitem__)
        return
    if is_pam(file):
        yield Frames(1, lambda _: PamFrame(file))
        return
    if is_deep_psd(file):
        yield Frames(1, lambda _: DeepPsdFrame(file))
        return
    require_fitting(file)
    with open_picture(file) as picture:
        format = format_read(picture.format)
        total = _require_bytes(format.frame_count(picture), size_of(file))
        if format is PNG and total > 1:
            with open_file(file) as stream:
                yield Frames(total, ApngFrames(picture, format, stream).frame)
        else:
            yield Frames(total, lambda number: PillowFrame(picture, format, file, number))


def _require_bytes(frames: int, size: int) -> int:
    """Return the number of frames that a file claims; raise ValueError if it is too small for them, or claims none."""
    most = max(1, size // LEAST)
    if not 1 <= frames <= most:
        raise ValueError(f"it claims {frames:,} frames: expected 1 to {most:,} in a file of {size:,} bytes")
    return frames
