"""Write the frames of an animated PNG (https://www.w3.org/TR/png-3/#apng-frame-based-animation)."""

import struct
from fractions import Fraction
from io import BytesIO
from typing import NamedTuple

from convcli.pictures.formats.format import Parts, Still, StillEncoder
from convcli.pictures.formats.png_chunks import SIGNATURE, chunk, chunks
from convcli.pictures.formats.sequences import Area, Changes

_MOST = 65535


class ApngSequence:
    """The frames of an animated PNG, each from the file that it would have alone.

    encode: encodes a frame.  total: the number of frames.  plays: how often they are played, 0 for ever.
    """

    def __init__(self, encode: StillEncoder, total: int, plays: int) -> None:
        self._encode, self._total, self._plays = encode, total, plays
        self._written = self._numbered = 0
        self._changes = Changes()

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes that the file gains by the next frame; without a duration, it is only shown elsewhere."""
        is_first, is_shown = not self._written, duration is not None
        area = self._changes.next(still) if is_shown else Area(0, 0, *still.pixels.shape[1:])
        png = _parsed(b"".join(self._encode(*area.cut(still))))
        if is_first:
            shown = self._total if is_shown else self._total - 1
            yield SIGNATURE + chunk(b"IHDR", png.header) + chunk(b"acTL", struct.pack(">2I", shown, self._plays))
            yield png.others
        if duration is not None:
            place = struct.pack(">4I", area.width, area.height, area.left, area.top)
            yield chunk(b"fcTL", self._number() + place + _seconds(duration) + bytes(2))
        yield chunk(b"IDAT", png.data) if is_first else chunk(b"fdAT", self._number() + png.data)
        self._written += 1
        if self._written == self._total:
            yield chunk(b"IEND", b"")

    def _number(self) -> bytes:
        self._numbered += 1
        return struct.pack(">I", self._numbered - 1)


class _Png(NamedTuple):
    """A PNG of one picture: the contents of its header and of its pixels, and its other chunks."""

    header: bytes
    data: bytes
    others: bytes


def _parsed(content_of_file: bytes) -> _Png:
    header, data, others = b"", [], []
    stream = BytesIO(content_of_file)
    for kind, length in chunks(stream):
        content = stream.read(length)
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            data.append(content)
        elif kind != b"IEND":
            others.append(chunk(kind, content))
    return _Png(header, b"".join(data), b"".join(others))


def _seconds(duration: float) -> bytes:
    """Return milliseconds as a fraction of a second, of 16 bits each."""
    seconds = Fraction(duration) / 1000
    nearest = min(seconds, Fraction(_MOST)).limit_denominator(int(_MOST / max(Fraction(1), seconds)))
    return struct.pack(">2H", nearest.numerator, nearest.denominator)
