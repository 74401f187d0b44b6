"""The frames of a picture, each read by Pillow, or past it where it would lose depth or hold a large page in memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from convcli.pictures.pillow_frames import PillowFrame, frame_count, open_picture
from convcli.pictures.tiff_directories import require_apart
from convcli.pictures.tiff_pages import TiffPageFrame, is_tiff, tiff_pages


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
        frames = pages or [None] * frame_count(picture)
        yield [page or PillowFrame(picture, file, number) for number, page in enumerate(frames)]
