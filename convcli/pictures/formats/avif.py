"""AVIF. Pillow has no colours of more than 8 bits; the extra ``deep`` reads them."""

from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoder, Format
from convcli.pictures.formats.levels import decoder_of_extra
from convcli.pictures.formats.raw_modes import beginning

# AV1's settings: one bit of their third byte is set for more than 8 bits, and another one for 12.
_SETTINGS = b"av1C"


class Avif(Format):
    """The format AVIF."""

    def stored_bits(self, picture: ImageFile) -> int:
        """Return the bits per channel: 8, 10 or 12."""
        head = beginning(picture)
        at = head.find(_SETTINGS)
        settings = head[at + 6] if 0 <= at < len(head) - 6 else 0
        return 12 if settings & 0x60 == 0x60 else 10 if settings & 0x40 else 8

    def decoder(self, picture: ImageFile) -> Decoder | None:
        """Return the decoder of the extra ``deep``, or None if that is not installed."""
        return decoder_of_extra(_levels, self.stored_bits(picture))


# libavif writes up to 65,536 pixels per side, but by default it refuses to read files beyond these limits.
AVIF = Avif(
    "avif",
    ("avif",),
    holds_alpha=True,
    most_side=32768,
    most_pixels=16384 * 16384,
    metadata=("icc", "exif"),
)


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.avif_decode(data)
    return levels
