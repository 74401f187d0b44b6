"""SGI. Pillow reads 16 bits at 8; here they are kept."""

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoding, Format
from convcli.pictures.formats.raw_modes import head_of

_HEADER = 512
# The offsets in the header of the compression, of the bytes per channel, and of the meaning of the levels.
_COMPRESSION, _BYTES, _COLOURS = 2, 3, slice(104, 108)


class Sgi(Format):
    """The format SGI."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if any(head_of(picture, _HEADER)[_COLOURS]):
            return "SGI with indices of colours is not read: convert it first, for example with ImageMagick"
        return ""

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of 16 bits."""
        head = head_of(picture, _HEADER)
        if head[_BYTES] != 2:
            return None
        shape = len(picture.getbands()), picture.height, picture.width
        planes = _from_runs if head[_COMPRESSION] else _verbatim
        # The first row is the lowest.
        return Decoding(lambda data: np.moveaxis(planes(data, shape)[:, ::-1], 0, -1), np.dtype(np.uint16))


SGI = Sgi("sgi")


def _verbatim(data: bytes, shape: tuple[int, int, int]) -> Array:
    return np.frombuffer(data, ">u2", int(np.prod(shape)), _HEADER).reshape(shape).astype(np.uint16)


def _from_runs(data: bytes, shape: tuple[int, int, int]) -> Array:
    """Return planes of rows, each of which is a list of runs. Tables say where a row starts, and its bytes."""
    channels, height, width = shape
    starts, lengths = np.frombuffer(data, ">u4", 2 * channels * height, _HEADER).reshape(2, -1).tolist()
    rows = [
        _row(np.frombuffer(data, ">u2", length // 2, start), width)
        for start, length in zip(starts, lengths, strict=True)
    ]
    return np.array(rows, np.uint16).reshape(shape)


def _row(words: Array, width: int) -> Array:
    """Return the levels of a row. A run is a word with its kind and length, and then one level or as many as that."""
    parts, at, length = [words[:0]], 0, 0
    while at < len(words) and length <= width and (count := int(words[at]) & 0x7F):
        is_literal = bool(words[at] & 0x80)
        levels = words[at + 1 : at + 1 + (count if is_literal else 1)]
        parts.append(levels if is_literal else np.repeat(levels, count))
        at += 1 + len(levels)
        length += len(parts[-1])
    if length != width:
        raise ValueError(f"a row has {length} levels: expected {width}")
    return np.concatenate(parts)
