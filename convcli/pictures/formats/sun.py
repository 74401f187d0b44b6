"""Sun rasters. Pillow takes the unused byte of 32 bits from the wrong end, and forgets the padding of rows in runs."""

import re
import struct

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoding, Format
from convcli.pictures.formats.levels import require_whole
from convcli.pictures.formats.raw_modes import head_of, raw_mode, read_as

_HEADER = 32
# In runs: a byte of 128 itself, or a byte that is repeated.
_RUN = re.compile(rb"\x80(?:\x00|(.)(.))", re.DOTALL)


class Sun(Format):
    """The format of Sun rasters."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if picture.mode == "1" and _palette_length(picture):
            return "a Sun raster of two colours is not read: convert it first, for example with ImageMagick"
        if _is_in_runs(picture) and raw_mode(picture) in ("L;4", "P;4"):
            return "a Sun raster of 4 bits in runs is not read: convert it first, for example with ImageMagick"
        return ""

    def mend(self, picture: ImageFile) -> None:
        """Skip the first of the four bytes of a pixel, not the last; let ``decoding`` look up colours."""
        if padded := {"BGRX": "XBGR", "RGBX": "XRGB"}.get(raw_mode(picture)):
            read_as(picture, "RGB", padded)
        if _is_in_runs(picture) and picture.mode == "P":
            picture._mode = "RGB"

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of rows in runs."""
        if not _is_in_runs(picture):
            return None
        tile, mode, width, height = picture.tile[0], raw_mode(picture), picture.width, picture.height
        palette = head_of(picture, _HEADER + _palette_length(picture))[_HEADER:]
        # Rows have an even number of bytes.
        row = -(-width * _BITS[mode] // 16) * 2

        def decode(data: bytes) -> Array:
            rows = np.frombuffer(_expanded(data[tile.offset :], row * height), np.uint8).reshape(height, row)
            if mode == "1;I":
                return 255 * (1 - np.unpackbits(rows, axis=1)[:, :width, np.newaxis])
            samples = rows[:, : width * _BITS[mode] // 8].reshape(height, width, -1)
            if mode == "P":
                return np.frombuffer(palette, np.uint8).reshape(3, -1).T[samples[..., 0]]
            return samples[..., _ORDER[mode]]

        return Decoding(decode, np.dtype(np.uint8))


SUN = Sun("sun")

# The bits of a pixel in each mode of a file, and the place of each channel among the bytes of a pixel.
_BITS = {"1;I": 1, "L": 8, "P": 8, "BGR": 24, "XBGR": 32}
_ORDER = {"L": [0], "BGR": [2, 1, 0], "XBGR": [3, 2, 1]}


def _is_in_runs(picture: ImageFile) -> bool:
    return picture.tile[0].codec_name == "sun_rle"


def _palette_length(picture: ImageFile) -> int:
    return int(struct.unpack_from(">I", head_of(picture, _HEADER), 28)[0])


def _expanded(data: bytes, size: int) -> bytes:
    """Return ``size`` bytes of runs; raise ValueError if they are fewer."""
    parts, length, start = [], 0, 0
    for run in _RUN.finditer(data):
        literal = data[start : run.start()]
        repeated = b"\x80" if run[1] is None else run[2] * (run[1][0] + 1)
        parts += [literal, repeated]
        length += len(literal) + len(repeated)
        start = run.end()
        if length >= size:
            break
    expanded = b"".join([*parts, data[start : start + max(0, size - length)]])[:size]
    require_whole(len(expanded), size)
    return expanded
