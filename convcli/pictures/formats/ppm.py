"""PPM and its relatives. Levels that Pillow would scale, or round to 8 bits, are decoded here."""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.files.memory import require_memory
from convcli.pictures.formats.format import Coding, Decoding, Format, Parts
from convcli.pictures.formats.levels import require_whole, scale_levels, scaled_type, scaling_notes
from convcli.pictures.formats.raw_modes import from_start, layout, raw_mode
from convcli.pictures.image import Metadata


class Ppm(Format):
    """The formats PPM, PGM, PBM and PFM."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        return "" if picture.mode in ("1", "L", "I", "RGB", "F") else "it is not PBM, PGM, PPM or PFM, but a test file"

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about the scale of a PFM, and about further pictures in the file."""
        scale = picture.info.get("scale", 1)
        if scale != 1:
            yield f"the scale {scale:g} in the header is not applied"
        if _has_more(picture):
            yield "the file has more pictures, of which only the first is read"

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of levels in digits, or with another maximum than 255; None for all that Pillow keeps."""
        most = _most(picture)
        if most is None:
            return None
        tile, shape = picture.tile[0], (picture.height, picture.width, len(picture.getbands()))
        levels_of = _from_digits if tile.codec_name == "ppm_plain" else partial(_from_bytes, most=most)

        def decode(data: bytes) -> Array:
            return scale_levels(levels_of(memoryview(data)[tile.offset :], shape), most)

        return Decoding(decode, scaled_type(most), scaling_notes(most))

    def deep_parts(self, levels: Array, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a file of binary levels."""
        height, width, _ = levels.shape
        yield b"P6\n%d %d\n65535\n" % (width, height)
        yield levels.astype(">u2").view(np.uint8).data.cast("B")


PPM = Ppm("ppm", ("ppm", "pgm", "pnm"), deep_gray=True, deep_colour="yes")


def _most(picture: ImageFile) -> int | None:
    """Return the largest level of gray or colours, or None if Pillow keeps the pixels as they are."""
    if raw_mode(picture) == "I;16B":
        return 65535
    arguments = layout(picture) if picture.tile else ()
    return arguments[1] if len(arguments) == 2 else None


def _has_more(picture: ImageFile) -> bool:
    tile = picture.tile[0]
    if tile.codec_name == "ppm_plain":
        return False
    size = {"1": 1 / 8, "F": 4}.get(picture.mode, 1 if (_most(picture) or 255) < 256 else 2)
    row = -(-int(8 * size) * picture.width * len(picture.getbands()) // 8)
    with from_start(picture) as stream:
        stream.seek(tile.offset + row * picture.height)
        return bool(re.match(rb"P[1-7f]\s", stream.read(3)))


def _from_bytes(data: memoryview, shape: tuple[int, int, int], most: int) -> Array:
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    whole = len(data) - len(data) % dtype.itemsize
    return _all_of(np.frombuffer(data[:whole], dtype), shape)


def _from_digits(data: memoryview, shape: tuple[int, int, int]) -> Array:
    require_memory(5 * len(data), "as numbers it takes up to")
    levels = np.fromstring(re.sub(rb"#[^\r\n]*", b"", data), np.int64, sep=" ")
    if levels.size and levels.min() < 0:
        raise ValueError(f"it has a level of {levels.min()}, below 0")
    return _all_of(levels, shape)


def _all_of(levels: Array, shape: tuple[int, int, int]) -> Array:
    count = int(np.prod(shape))
    require_whole(len(levels), count, "levels")
    return levels[:count].reshape(shape)
