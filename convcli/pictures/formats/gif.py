"""GIF."""

from collections.abc import Iterator

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import FileTraits, Format, Sequence
from convcli.pictures.formats.gif_blocks import gif_frames
from convcli.pictures.formats.gif_colours import indexed, is_exact
from convcli.pictures.formats.gif_writing import GifSequence
from convcli.pictures.formats.raw_modes import from_start

_TO_BACKGROUND = 2


class Gif(Format):
    """The format GIF."""

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return how often the animation is played, and its mode: Pillow composes frames in RGB or RGBA."""
        if self.frame_count(picture) == 1:
            return FileTraits()
        loop = picture.info.get("loop")
        # The file says how often the animation is repeated after it was played, or nothing.
        plays = 1 if loop is None else loop and loop + 1
        return FileTraits(plays, "RGBA" if _is_transparent(picture) else "RGB")

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return an animation that is being written."""
        return GifSequence(self.parts, total, plays or 0)

    def picture(self, pixels: Array, alpha: Array | None) -> PIL.Image.Image:
        """Return the picture with a palette."""
        return indexed(pixels, alpha)

    def pixel_notes(self, pixels: Array, alpha: Array | None) -> Iterator[str]:
        """Yield a sentence if there are too many colours."""
        if not is_exact(pixels, alpha):
            yield "colours are reduced to 256, because gif stores no more"

    def alpha_losses(self, alpha: Array | None) -> Iterator[str]:
        """Yield a sentence if some pixel is neither opaque nor transparent."""
        if alpha is not None and np.any((alpha > 0) & (alpha < np.iinfo(alpha.dtype).max)):
            yield "alpha is rounded to transparent or opaque, because gif stores no more"


def _is_transparent(picture: ImageFile) -> bool:
    """Return whether some frame may show a transparent pixel, before any frame is loaded.

    Mostly a transparent index only keeps what earlier frames have drawn.
    """
    with from_start(picture) as stream:
        frames = [frame._replace(codes=b"") for frame in gif_frames(stream)]
    if all(frame.transparent is None for frame in frames):
        return False
    is_cleared = any(frame.disposal == _TO_BACKGROUND for frame in frames)
    return is_cleared or (frames[0].width, frames[0].height) != picture.size or _uses(frames[0].transparent, picture)


def _uses(index: int | None, picture: ImageFile) -> bool:
    """Return whether a pixel of the first frame, which is loaded, has this index."""
    return index is not None and bool(np.any(np.asarray(picture) == index))


# The file has 16 bits for the plays after the first.
GIF = Gif(
    "gif", ("gif",), most_side=65535, holds_alpha=True, metadata=("comment",), frames="animation", most_plays=65536
)
