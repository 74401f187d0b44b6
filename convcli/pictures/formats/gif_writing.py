"""Write the frames of an animated GIF. Each has a palette of its own."""

import struct
from io import BytesIO

from convcli.pictures.formats.format import Parts, Still, StillEncoder
from convcli.pictures.formats.gif_blocks import GifFrame, gif_frames, in_sub_blocks
from convcli.pictures.formats.sequences import Area, Changes, FrameTimes

_KEEP, _TO_BACKGROUND = 1, 2
# Times are in hundredths of a second, in 16 bits.
_UNIT, _MOST_UNITS = 10.0, 65535


class GifSequence:
    """The frames of a GIF, each from the file that it would have alone.

    encode: encodes a frame.  total: the number of frames.  plays: how often they are played, 0 for ever.
    """

    def __init__(self, encode: StillEncoder, total: int, plays: int) -> None:
        self._encode, self._total, self._plays = encode, total, plays
        self._written = 0
        self._times = FrameTimes(_UNIT, _MOST_UNITS)
        self._changes = Changes()

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes that the file gains by the next frame."""
        height, width = still.pixels.shape[1:]
        # A transparent pixel cannot replace another one, so that frames with alpha are whole, upon the background.
        area = self._changes.next(still) if still.alpha is None else Area(0, 0, height, width)
        disposal = _KEEP if still.alpha is None else _TO_BACKGROUND
        (frame,) = gif_frames(BytesIO(b"".join(self._encode(*area.cut(still)))))
        if not self._written:
            yield b"GIF89a" + struct.pack("<2H3B", width, height, 0x70, 0, 0)
            # The number of plays after the first; without this block there are none.
            if self._plays != 1:
                yield b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", max(self._plays - 1, 0), 0)
            if still.metadata.comment:
                yield b"!\xfe" + in_sub_blocks(still.metadata.comment)
        yield _stored(frame._replace(left=area.left, top=area.top), disposal, self._times.next(duration or 0))
        self._written += 1
        if self._written == self._total:
            yield b";"


def _stored(frame: GifFrame, disposal: int, units: int) -> bytes:
    flags = disposal << 2 | (frame.transparent is not None)
    control = struct.pack("<3sBH2B", b"!\xf9\x04", flags, units, frame.transparent or 0, 0)
    bits = (len(frame.table) // 3).bit_length() - 2
    layout = 0x80 | frame.is_interlaced << 6 | bits
    place = struct.pack("<s4HB", b",", frame.left, frame.top, frame.width, frame.height, layout)
    return control + place + frame.table + frame.codes
