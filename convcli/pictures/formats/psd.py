"""PSD. Pillow reads the picture of all layers together; here its channels are counted."""

import struct
from collections.abc import Iterator

from PIL.ImageFile import ImageFile

from convcli.pictures.formats.format import Format
from convcli.pictures.formats.raw_modes import from_start, head_of

# The offsets of the header's end, of the number of channels, and of the number of the colour mode.
_HEADER, _CHANNELS, _MODE = 26, 12, 24
_MULTICHANNEL, _DUOTONE, _LAB = 7, 8, 9
_UNREAD = {_MULTICHANNEL: "channels without colours", _LAB: "Lab colours"}


class Psd(Format):
    """The format PSD."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        kind = _UNREAD.get(_number(picture, _MODE), "" if picture.tile else "compression by ZIP")
        return f"PSD with {kind} is not read: save it as TIFF or PNG first" if kind else ""

    def mend(self, picture: ImageFile) -> None:
        """Drop the fourth channel unless it is the transparency of the picture."""
        if picture.mode == "RGBA" and not _is_transparent(picture):
            picture._mode = "RGB"
            picture.tile = picture.tile[:3]

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about colours that are read as gray."""
        if _number(picture, _MODE) == _DUOTONE:
            yield "duotone read as gray"

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about channels that are not read."""
        count, read = _number(picture, _CHANNELS), len(picture.getbands())
        if count > read:
            yield f"{count - read} of {count} channels dropped: only colours, and transparency with RGB, are read"


PSD = Psd("psd", parts_of_one=True)


def _number(picture: ImageFile, offset: int) -> int:
    return int.from_bytes(head_of(picture, _HEADER)[offset : offset + 2])


def _is_transparent(picture: ImageFile) -> bool:
    """Return whether the first channel after the colours is transparency: then the number of layers is negative."""
    with from_start(picture) as stream:
        stream.seek(_HEADER)
        # The palette and the resources, each with its length before it.
        for _ in range(2):
            stream.seek(int.from_bytes(stream.read(4)), 1)
        head = stream.read(10)
    length, _, layers = struct.unpack(">IIh", head) if len(head) == 10 else (0, 0, 0)
    return bool(length) and layers < 0
