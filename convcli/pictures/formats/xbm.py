"""XBM. A bit that is set is black, but Pillow reads it as white."""

import re

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats.format import Decoding, Format
from convcli.pictures.formats.levels import require_whole


class Xbm(Format):
    """The format XBM: the text of an array in C."""

    def decoding(self, picture: ImageFile) -> Decoding:
        """Return the decoding."""
        shape = picture.height, picture.width
        return Decoding(lambda data: _levels(data, *shape), np.dtype(np.uint8), ("1-bit converted to L",))


XBM = Xbm("xbm")


def _levels(data: bytes, height: int, width: int) -> Array:
    head, _, numbers = data.partition(b"{")
    # The older form has words of 16 bits.
    size = 2 if re.search(rb"\bshort\b", head) else 1
    values = [int(number, 16) for number in re.findall(rb"0[xX]([0-9a-fA-F]+)", numbers)]
    row = -(-width // (8 * size)) * size
    stored = np.array(values, f"<u{size}").view(np.uint8)
    require_whole(len(stored), height * row)
    bits = np.unpackbits(stored[: height * row].reshape(height, row), axis=1, bitorder="little")[:, :width]
    return np.where(bits, 0, 255).astype(np.uint8)[..., np.newaxis]
