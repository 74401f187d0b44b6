"""BMP. Pillow misreads gray palettes of few colours, rounds 16 bits down, and drops their alpha."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoding, Format
from convcli.pictures.formats.levels import scale_levels
from convcli.pictures.formats.raw_modes import head_of, layout

_MASKED = 3
# The masks of red, green and blue in files of 16 bits that have none.
_FIVE_BITS = (0x7C00, 0x3E0, 0x1F)
# The colour spaces of files with a colour profile, or with the name of one.
_PROFILES = (b"DEBM", b"KNIL")


class _Header(NamedTuple):
    """The header of a file.

    bits: per pixel.  masks: the bits of red, green and blue, and of alpha if there is any, in 16 bits.
    """

    bits: int
    masks: tuple[int, ...]
    has_profile: bool


class Bmp(Format):
    """The format BMP, and DIB, which is BMP without the header of a file."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if picture.tile[0].codec_name != "raw" and picture.mode == "1":
            return "a compressed BMP of two colours is not read: save it without compression"
        if not all(map(_is_run, _header(picture).masks)):
            return "the masks of this BMP are damaged: expected up to 8 bits in a row for each channel"
        return ""

    def mend(self, picture: ImageFile) -> None:
        """Add the alpha in 16 bits."""
        if len(_header(picture).masks) == 4:
            picture._mode = "RGBA"

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about a colour profile, which Pillow does not read."""
        if _header(picture).has_profile:
            yield "the colour profile is not read from a BMP"

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of 16 bits, and of a palette that Pillow takes for levels of the same depth."""
        header, tile = _header(picture), picture.tile[0]
        if tile.codec_name != "raw":
            return None
        _, stride, direction = layout(picture)

        def rows(data: bytes) -> Array:
            stored = np.frombuffer(data, np.uint8, stride * picture.height, tile.offset)
            return stored.reshape(picture.height, stride)[::direction]

        if header.bits == 16:
            note = "channels of 5 or 6 bits scaled to 8"
            return Decoding(lambda data: _masked(rows(data), picture.width, header.masks), np.dtype(np.uint8), (note,))
        if {"1": 1, "L": 8}.get(picture.mode, header.bits) != header.bits:
            white = 255 if picture.mode == "1" else 1
            return Decoding(lambda data: _indices(rows(data), picture.width, header.bits) * white, np.dtype(np.uint8))
        return None


def _header(picture: ImageFile) -> _Header:
    head = head_of(picture, 256)
    # A file has 14 bytes before the header of the picture.
    head = head[14:] if head.startswith(b"BM") else head
    size = int.from_bytes(head[:4], "little")
    if size < 40:
        return _Header(struct.unpack_from("<H", head, 10)[0], _FIVE_BITS, has_profile=False)
    bits, compression = struct.unpack_from("<HI", head, 14)
    masks = struct.unpack_from("<3I", head, 40) if compression == _MASKED else _FIVE_BITS
    alpha = struct.unpack_from("<I", head, 52) if compression == _MASKED and size >= 56 else (0,)
    return _Header(bits, masks + alpha * bool(alpha[0]) if bits == 16 else (), head[56:60] in _PROFILES and size >= 124)


def _is_run(mask: int) -> bool:
    """Return whether a mask is 1 to 8 bits in a row."""
    most = mask // (mask & -mask) if mask else 256
    return most < 256 and most & (most + 1) == 0


def _masked(rows: Array, width: int, masks: tuple[int, ...]) -> Array:
    """Return the channels of pixels of 16 bits, scaled to 8 bits."""
    pixels = np.ascontiguousarray(rows[:, : 2 * width]).view("<u2")
    steps = [(mask, mask & -mask) for mask in masks]
    return np.stack([scale_levels((pixels & mask) // step, mask // step) for mask, step in steps], -1)


def _indices(rows: Array, width: int, bits: int) -> Array:
    """Return the indices of pixels of 1, 4 or 8 bits."""
    digits = np.unpackbits(rows, axis=1).reshape(len(rows), -1, bits)[:, :width]
    return np.packbits(digits, axis=2) >> (8 - bits)
