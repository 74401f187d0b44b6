"""The frames of a picture, each read by Pillow, or past it where it would lose depth or hold a large page in memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from convcli.pictures.formats import format_read
from convcli.pictures.formats.tiff_directories import require_apart
from convcli.pictures.formats.tiff_pages import TiffPageFrame, is_tiff, tiff_pages
from convcli.pictures.pillow_frames import PillowFrame, open_picture


@contextmanager
def picture_frames(file: Path | BytesIO) -> Iterator[Sequence[PillowFrame | TiffPageFrame]]:
    """Yield the frames of a picture file, which stays open meanwhile; they are to be decoded in order."""
    if is_tiff(file):
        require_apart(file)
    with ExitStack() as opened:
        pages = opened.enter_context(tiff_pages(file))
        found = [page for page in pages if page]
        if found and len(found) == len(pages):
            yield found
            return
        picture = opened.enter_context(open_picture(file))
        format = format_read(picture.format)
        frames = pages or [None] * format.frame_count(picture)
        yield [page or PillowFrame(picture, format, file, number) for number, page in enumerate(frames)]
