"""Scale levels of any depth to 16 bits."""

import numpy as np

from convcli.arrays import Array, in_native_order
from convcli.pictures import deep_extra
from convcli.pictures.formats.format import Decoder


def scale_to_16_bits(levels: Array, most: int) -> Array:
    """Return levels from 0..``most``, scaled to 0..65535."""
    return in_native_order(levels) if most == 65535 else np.rint(levels * (65535 / most)).astype(np.uint16)


def decoder_of_extra(decode: Decoder, bits: int) -> Decoder | None:
    """Return a decoder of the extra ``deep`` whose levels are scaled to 16 bits; None if the extra is not installed."""
    if not deep_extra.is_installed():
        return None
    return lambda data: scale_to_16_bits(decode(data), (1 << bits) - 1)
