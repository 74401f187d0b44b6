"""AVIF. Pillow has no colours of more than 8 bits; the extra ``deep`` reads them."""

from io import BytesIO

import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.boxes import boxes
from convcli.pictures.formats.format import Decoding, FileTraits, Format, Parts, Sequence, Still
from convcli.pictures.formats.levels import decoding_by_extra
from convcli.pictures.formats.raw_modes import from_start
from convcli.pictures.formats.sequences import FrameTimes

# AV1's settings: one bit of their third byte is set for more than 8 bits, and another one for 12.
_SETTINGS = b"av1C"


class Avif(Format):
    """The format AVIF."""

    def stored_bits(self, picture: ImageFile) -> int:
        """Return the bits per channel: 8, 10 or 12."""
        with from_start(picture) as stream:
            head = next((stream.read(length) for kind, length in boxes(stream) if kind == b"meta"), b"")
        at = head.find(_SETTINGS)
        settings = head[at + 6] if 0 <= at < len(head) - 6 else 0
        return 12 if settings & 0x60 == 0x60 else 10 if settings & 0x40 else 8

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return that the animation is played for ever, as Pillow does not say how often it is."""
        return FileTraits(plays=0)

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of more than 8 bits by the extra ``deep``, or None if that is not installed."""
        bits = self.stored_bits(picture)
        return decoding_by_extra(_levels, bits) if bits > 8 else None

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return an animation that is being written."""
        return _AvifSequence(self, total)


# libavif writes up to 65,536 pixels per side, but by default it refuses to read files beyond these limits.
AVIF = Avif(
    "avif",
    ("avif",),
    holds_alpha=True,
    has_quality=True,
    decoded_by_extra=True,
    most_side=32768,
    most_pixels=16384 * 16384,
    metadata=("icc", "exif", "xmp"),
    frames="animation",
    most_plays=0,
)


class _AvifSequence:
    """The frames of an AVIF, of which all are in memory until Pillow encodes them together."""

    def __init__(self, format: Avif, total: int) -> None:
        self._format, self._total = format, total
        self._pictures: list[PIL.Image.Image] = []
        self._durations: list[int] = []
        self._times = FrameTimes(1.0)

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes of the file with the last frame, and nothing before."""
        self._pictures.append(self._format.picture(still.pixels, still.alpha))
        self._durations.append(self._times.next(duration or 0))
        if len(self._pictures) == self._total:
            first, *others = self._pictures
            options = self._format.options(still.coding) | self._format.metadata_options(still.metadata)
            stream = BytesIO()
            first.save(stream, "AVIF", save_all=True, append_images=others, duration=self._durations, **options)
            yield stream.getvalue()


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.avif_decode(data)
    # Pillow takes gray with alpha for colours with alpha.
    return levels[..., [0, 0, 0, 1]] if levels.shape[2:] == (2,) else levels
