"""WebP, which is lossy or lossless."""

from typing import Any

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Coding, FileTraits, Format, Sequence
from convcli.pictures.formats.raw_modes import from_start
from convcli.pictures.formats.webp_chunks import LOSSLESS, LOSSY, chunks
from convcli.pictures.formats.webp_writing import WebpSequence


class Webp(Format):
    """The format WebP."""

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return how often the animation is played, and whether every frame is lossless."""
        with from_start(picture) as stream:
            kinds = {kind for kind, _ in chunks(stream)}
        return FileTraits(picture.info["loop"], lossless=LOSSLESS in kinds and LOSSY not in kinds)

    def options(self, coding: Coding) -> dict[str, Any]:
        """Return the quality; without one, a lossless file makes a lossless one, also under transparent pixels."""
        if coding.stored.lossless and coding.quality is None:
            return {"lossless": True, "exact": True}
        return super().options(coding)

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return an animation that is being written."""
        return WebpSequence(self.parts, total, plays or 0)


WEBP = Webp(
    "webp",
    ("webp",),
    holds_alpha=True,
    has_quality=True,
    most_side=16383,
    metadata=("icc", "exif", "xmp"),
    frames="animation",
    most_plays=65535,
)
