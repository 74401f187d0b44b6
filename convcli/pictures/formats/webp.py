"""WebP, which is lossy or lossless."""

from collections.abc import Iterator
from typing import IO

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import FileTraits, Format
from convcli.pictures.formats.raw_modes import from_start

# The chunk of a frame of an animation, which holds chunks itself, after 16 bytes about its place and time.
FRAME, _PLACE = b"ANMF", 16
LOSSLESS, LOSSY = b"VP8L", b"VP8 "


class Webp(Format):
    """The format WebP."""

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return how often the animation is played, and whether every frame is lossless."""
        with from_start(picture) as stream:
            kinds = {kind for kind, _ in chunks(stream)}
        return FileTraits(picture.info["loop"], lossless=LOSSLESS in kinds and LOSSY not in kinds)


WEBP = Webp("webp", ("webp",), holds_alpha=True, has_quality=True, most_side=16383, metadata=("icc", "exif", "xmp"))


def chunks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the name and length of each chunk, and of those in frames; meanwhile the stream is at their content."""
    start = 12
    while True:
        stream.seek(start)
        head = stream.read(8)
        if len(head) < 8:
            return
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        yield kind, length
        start += 8 + (_PLACE if kind == FRAME else length + length % 2)
