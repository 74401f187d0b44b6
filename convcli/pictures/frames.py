"""Open the frames of a picture: pages of a TIFF, pictures of FITS, or what Pillow reads.

Each function below imports what reads its format, so that a picture does not wait for the readers of other formats.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol

from convcli.files.file_bytes import open_file, require_fitting, size_of
from convcli.pictures.formats import format_read
from convcli.pictures.formats.png import PNG
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
    plays: how often their animation is played, 0 for ever; None if they are no animation.
    """

    total: int
    frame: Callable[[int], Frame]
    plays: int | None = None


def picture_frames(file: Path | BytesIO, head: bytes) -> AbstractContextManager[Frames]:
    """Return a context that yields the frames of a picture file, which stays open meanwhile.

    head: its first HEAD bytes, or all if it has fewer.
    """
    read = next((own for begins, own in _OWN.items() if re.match(begins, head, re.DOTALL)), _by_pillow)
    return read(file)


@contextmanager
def _fits(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.fits import fits_frames

    units = fits_frames(file)
    yield Frames(len(units), units.__getitem__)


@contextmanager
def _tiff(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.tiff_pages import tiff_pages

    with tiff_pages(file) as pages:
        yield Frames(pages.total, pages.page)


@contextmanager
def _pam(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.pam import PamFrame

    yield Frames(1, lambda _: PamFrame(file))


@contextmanager
def _deep_psd(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.psd_deep import DeepPsdFrame

    yield Frames(1, lambda _: DeepPsdFrame(file))


@contextmanager
def _heic(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.heif import HeifFrame

    yield Frames(1, lambda _: HeifFrame(file))


@contextmanager
def _jpeg_xl(file: Path | BytesIO) -> Iterator[Frames]:
    from convcli.pictures.formats.jpegxl import JpegXlFrame

    yield Frames(1, lambda _: JpegXlFrame(file))


# The readers of formats that Pillow does not read, or not completely, by a pattern of their first bytes.
_OWN: dict[bytes, Callable[[Path | BytesIO], AbstractContextManager[Frames]]] = {
    rb"SIMPLE  =": _fits,
    # A number of 42, or of 43 for BigTIFF, in the order of bytes that the letters name, or in the other.
    rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0": _tiff,
    # Thumbnails of xv begin with "P7 332".
    rb"P7\n|PF\s": _pam,
    # The main brand, or for a general one that of HEIC among the others.
    rb".{4}ftyp(hei[cxms]|m[is]f1.{4}(.{4}){0,9}?hei[cxms])": _heic,
    # A codestream, or a container.
    rb"\xff\x0a|\0\0\0\x0cJXL ": _jpeg_xl,
    # The depth is 16 or 32 bits.
    rb"8BPS\0\x01.{16}\0[\x10\x20]": _deep_psd,
}


@contextmanager
def _by_pillow(file: Path | BytesIO) -> Iterator[Frames]:
    require_fitting(file)
    with open_picture(file) as picture:
        format = format_read(picture.format)
        if data := format.within(picture):
            with _by_pillow(BytesIO(data)) as frames:
                yield Frames(1, lambda number: _InnerFrame(frames.frame(number), tuple(format.losses(picture))))
            return
        total = _require_bytes(format.frame_count(picture), size_of(file))
        traits = format.traits(picture)
        if total == 1:
            traits = traits._replace(plays=None)
        if format is PNG and total > 1:
            from convcli.pictures.apng_frames import ApngFrames

            with open_file(file) as stream:
                yield Frames(total, ApngFrames(picture, format, file, stream).frame, traits.plays)
        else:
            yield Frames(total, lambda number: PillowFrame(picture, format, file, number, traits), traits.plays)


class _InnerFrame(NamedTuple):
    """The frame of a picture within a file, and sentences about the parts of the file that are not read."""

    frame: Frame
    losses: tuple[str, ...]

    def header(self) -> Header:
        """Return the header of the frame."""
        return self.frame.header()

    def decode(self) -> Image:
        """Return the frame with the warnings about the file."""
        image = self.frame.decode()
        return image._replace(warnings=(*self.losses, *image.warnings))


def _require_bytes(frames: int, size: int) -> int:
    """Return the number of frames that a file claims; raise ValueError if it is too small for them, or claims none."""
    most = max(1, size // LEAST)
    if not 1 <= frames <= most:
        raise ValueError(f"it claims {frames:,} frames: expected 1 to {most:,} in a file of {size:,} bytes")
    return frames
