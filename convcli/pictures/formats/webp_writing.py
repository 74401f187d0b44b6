"""Write the frames of an animated WebP (RFC 9649, 2.7)."""

import struct
from io import BytesIO

from convcli.pictures.formats.format import Parts, Still, StillEncoder
from convcli.pictures.formats.sequences import Changes, FrameTimes
from convcli.pictures.formats.webp_chunks import FRAME, LOSSLESS, LOSSY, chunk, chunks

# Times are in milliseconds, in 24 bits.
_UNIT, _MOST_UNITS = 1.0, (1 << 24) - 1
_PIXELS = (b"ALPH", LOSSY, LOSSLESS)
# The chunks of metadata, and the flags that say that the file has them.
_BEFORE, _AFTER = {b"ICCP": 0x20}, {b"EXIF": 0x08, b"XMP ": 0x04}
_ANIMATION, _ALPHA = 0x02, 0x10
# A frame replaces the pixels of the frame before it.
_REPLACE = 0x02


class WebpSequence:
    """The frames of a WebP, each from the file that it would have alone.

    Encoded frames are kept until the last one, because the file begins with its length.
    encode: encodes a frame.  total: the number of frames.  plays: how often they are played, 0 for ever.
    """

    def __init__(self, encode: StillEncoder, total: int, plays: int) -> None:
        self._encode, self._total, self._plays = encode, total, plays
        self._frames: list[bytes] = []
        self._metadata: dict[bytes, bytes] = {}
        self._flags = _ANIMATION
        self._times = FrameTimes(_UNIT, _MOST_UNITS)
        # Frames are at even places.
        self._changes = Changes(step=2)

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes of the file with the last frame, and nothing before."""
        area = self._changes.next(still)
        contents = _contents(b"".join(self._encode(*area.cut(still))))
        place = _of_24_bits(area.left // 2, area.top // 2, area.width - 1, area.height - 1)
        place += _of_24_bits(self._times.next(duration or 0)) + bytes([_REPLACE])
        picture = b"".join(chunk(kind, contents[kind]) for kind in _PIXELS if kind in contents)
        if not self._frames:
            self._metadata = {kind: contents[kind] for kind in _BEFORE | _AFTER if kind in contents}
        if still.alpha is not None:
            self._flags |= _ALPHA
        self._frames.append(chunk(FRAME, place + picture))
        if len(self._frames) == self._total:
            height, width = still.pixels.shape[1:]
            yield from self._file(_of_24_bits(width - 1, height - 1))

    def _file(self, size: bytes) -> Parts:
        flags = self._flags | sum(flag for kind, flag in (_BEFORE | _AFTER).items() if kind in self._metadata)
        parts = [
            chunk(b"VP8X", struct.pack("<I", flags) + size),
            *self._chunks(_BEFORE),
            chunk(b"ANIM", struct.pack("<IH", 0, self._plays)),
            *self._frames,
            *self._chunks(_AFTER),
        ]
        yield struct.pack("<4sI4s", b"RIFF", 4 + sum(map(len, parts)), b"WEBP")
        yield from parts

    def _chunks(self, kinds: dict[bytes, int]) -> list[bytes]:
        return [chunk(kind, self._metadata[kind]) for kind in kinds if kind in self._metadata]


def _contents(webp: bytes) -> dict[bytes, bytes]:
    stream = BytesIO(webp)
    return {kind: stream.read(length) for kind, length in chunks(stream)}


def _of_24_bits(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)
