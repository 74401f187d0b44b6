"""Pictures in: by Pillow, or past it where it would lose depth or need the whole file in memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from convcli.pictures.pillow_frames import PillowFrame, frame_count, open_picture
from convcli.pictures.tiff_directories import require_apart
from convcli.pictures.tiff_pages import TiffPageFrame, is_tiff, tiff_pages
from convcli.pictures.types import Header, Image


def read_picture(file: Path | BytesIO) -> Image:
    """The picture, upright; of several frames the first, with a warning."""
    with _frames(file) as frames:
        image = frames[0].decode()
    if len(frames) == 1:
        return image
    loss = f"{len(frames)} frames: only the first is read (apply --all-frames reads each)"
    return replace(image, warnings=(loss, *image.warnings))


def read_frames(file: Path | BytesIO) -> Iterator[Image]:
    """Every frame as ``read_picture`` would give it, in order, each decoded when it is asked for."""
    with _frames(file) as frames:
        for frame in frames:
            yield frame.decode()


def read_picture_header(file: Path | BytesIO) -> Header:
    """What ``read_picture`` would give, from the header."""
    with _frames(file) as frames:
        return frames[0].header()._replace(frames=len(frames))


@contextmanager
def _frames(file: Path | BytesIO) -> Iterator[Sequence[PillowFrame | TiffPageFrame]]:
    if is_tiff(file):
        require_apart(file)
    with ExitStack() as opened:
        pages = opened.enter_context(tiff_pages(file))
        found = [page for page in pages if page]
        if found and len(found) == len(pages):
            yield found
            return
        picture = opened.enter_context(open_picture(file))
        frames = pages or [None] * frame_count(picture)
        yield [page or PillowFrame(picture, file, number) for number, page in enumerate(frames)]
