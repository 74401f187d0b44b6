"""JPEG 2000. Pillow has no colours of more than 8 bits; the extra ``deep`` reads and writes them."""

from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoder, Format, Parts
from convcli.pictures.formats.levels import decoder_of_extra
from convcli.pictures.formats.raw_modes import beginning
from convcli.pictures.image import Metadata

# The start of a codestream, and the offset in it of the depth of its first channel, minus one.
_CODESTREAM = b"\xff\x4f\xff\x51"
_DEPTH = 42


class Jpeg2000(Format):
    """The format JPEG 2000."""

    def stored_bits(self, picture: ImageFile) -> int:
        """Return the depth of the first channel."""
        head = beginning(picture)
        at = head.find(_CODESTREAM)
        depth = head[at + _DEPTH : at + _DEPTH + 1] if at >= 0 else b""
        return max(8, (depth[0] & 0x7F) + 1) if depth else 8

    def decoder(self, picture: ImageFile) -> Decoder | None:
        """Return the decoder of the extra ``deep``, or None if that is not installed."""
        return decoder_of_extra(_levels, self.stored_bits(picture))

    def deep_parts(self, levels: Array, metadata: Metadata, compression: int | None) -> Parts:
        """Yield the bytes of a lossless file."""
        import imagecodecs

        yield bytes(imagecodecs.jpeg2k_encode(levels, level=0, reversible=True, codecformat="jp2"))


JPEG2000 = Jpeg2000("jpeg2000", ("jp2", "j2k", "jpx"), holds_alpha=True, deep_gray=True, deep_colour="extra")


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.jpeg2k_decode(data)
    return levels
