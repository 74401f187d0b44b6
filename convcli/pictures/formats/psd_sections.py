"""The sections of a PSD before its pixels: the header, the palette, the resources and the layers."""

import struct
from os import SEEK_CUR
from typing import BinaryIO, NamedTuple

# The modes.
GRAY, RGB, MULTICHANNEL, DUOTONE, LAB = 1, 3, 7, 8, 9
ZIP = "compression by ZIP"

# The blocks that hold the layers of pictures of 16 and 32 bits.
_DEEP_LAYERS = (b"Lr16", b"Lr32")


class Sections(NamedTuple):
    """The picture of all layers together, as the sections describe it.

    channels: their number, with alpha.  bits: per channel.  mode: the number of the kind of colours.
    resources: what Photoshop keeps beside the pixels, such as metadata.
    is_transparent: whether the first channel after the colours is the transparency of the picture.
    start: the offset of the pixels.
    """

    channels: int
    height: int
    width: int
    bits: int
    mode: int
    resources: bytes
    is_transparent: bool
    start: int

    @property
    def notes(self) -> tuple[str, ...]:
        """The note about colours that are read as gray, if they are."""
        return ("duotone read as gray",) if self.mode == DUOTONE else ()


def sections(stream: BinaryIO) -> Sections:
    """Return the sections of a PSD; raise struct.error if they are not complete."""
    stream.seek(0)
    channels, height, width, bits, mode = struct.unpack(">12xH2I2H", stream.read(26))
    stream.seek(_length(stream), SEEK_CUR)
    resources = stream.read(_length(stream))
    length = _length(stream)
    start = stream.tell() + length
    # Photoshop makes the number of layers negative if the picture is transparent.
    is_transparent = length > 0 and _layers(stream, start) < 0
    return Sections(channels, height, width, bits, mode, resources, is_transparent, start)


def refusal_of_psd(kind: str) -> str:
    """Return the reason why a PSD with this kind of colours or of compression is not read."""
    return f"PSD with {kind} is not read: save it as TIFF or PNG first"


def _length(stream: BinaryIO) -> int:
    return int(struct.unpack(">I", stream.read(4))[0])


def _layers(stream: BinaryIO, end: int) -> int:
    """Return the number of layers in the section that ends at an offset; 0 if it has none."""
    length = _length(stream)
    if length:
        return _count(stream)
    # Then come the mask of all layers, and blocks with a signature and a name.
    stream.seek(_length(stream), SEEK_CUR)
    while stream.tell() + 12 <= end:
        _, name, length = struct.unpack(">4s4sI", stream.read(12))
        if name in _DEEP_LAYERS:
            return _count(stream)
        stream.seek(-(-length // 4) * 4, SEEK_CUR)
    return 0


def _count(stream: BinaryIO) -> int:
    return int(struct.unpack(">h", stream.read(2))[0])
