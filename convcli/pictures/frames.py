"""Open the frames of a picture. Pillow reads a frame unless it would lose depth or hold a large page in memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from convcli.files.file_bytes import require_fitting
from convcli.pictures.formats import format_read
from convcli.pictures.formats.tiff_directories import require_apart
from convcli.pictures.formats.tiff_pages import TiffPageFrame, is_tiff, tiff_pages
from convcli.pictures.pillow_frames import PillowFrame, open_picture


@contextmanager
def picture_frames(file: Path | BytesIO) -> Iterator[Sequence[PillowFrame | TiffPageFrame]]:
    """Yield the frames of a picture file, which stays open meanwhile; they must be decoded in order."""
    if is_tiff(file):
        require_apart(file)
    else:
        require_fitting(file)
    with ExitStack() as opened:
        pages = opened.enter_context(tiff_pages(file))
        read_here = [page for page in pages if page]
        if read_here and len(read_here) == len(pages):
            yield read_here
            return
        picture = opened.enter_context(open_picture(file))
        format = format_read(picture.format)
        frames = pages or [None] * format.frame_count(picture)
        yield [page or PillowFrame(picture, format, file, number) for number, page in enumerate(frames)]
