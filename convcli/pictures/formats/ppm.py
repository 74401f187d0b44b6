"""PPM and its gray variants. Pillow has no colours of more than 8 bits, but they are easily read and written here."""

from typing import Any, cast

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoder, Format, Parts
from convcli.pictures.formats.levels import scale_to_16_bits
from convcli.pictures.formats.raw_modes import layout
from convcli.pictures.image import Metadata


class Ppm(Format):
    """The formats PPM, PGM and PNM."""

    def stored_bits(self, picture: ImageFile) -> int:
        """Return 16 for more than 256 levels, otherwise 8."""
        # For up to 256 levels, the arguments of Pillow's decoder have only the mode.
        return 16 if picture.tile and layout(picture)[1:] > (255,) else 8

    def decoder(self, picture: ImageFile) -> Decoder | None:
        """Return the decoder of binary levels; None for levels in digits, which Pillow reads."""
        if picture.tile[0].codec_name != "ppm":
            return None
        offset, (_, most) = picture.tile[0].offset, cast("tuple[str, int]", picture.tile[0].args)
        width, height = picture.size

        def decode(data: bytes) -> Array:
            levels = np.frombuffer(data, ">u2", width * height * 3, offset).reshape(height, width, 3)
            return scale_to_16_bits(levels, most)

        return decode

    def level_type(self, picture: ImageFile) -> np.dtype[Any]:
        """Return uint16 for levels that Pillow reads as int32, because they are 0..65535."""
        return np.dtype(np.uint16) if picture.mode == "I" else super().level_type(picture)

    def deep_parts(self, levels: Array, metadata: Metadata, compression: int | None) -> Parts:
        """Yield the bytes of a file of binary levels."""
        height, width, _ = levels.shape
        yield b"P6\n%d %d\n65535\n" % (width, height)
        yield levels.astype(">u2").view(np.uint8).data.cast("B")


PPM = Ppm("ppm", ("ppm", "pgm", "pnm"), deep_gray=True, deep_colour="yes")
