"""Scale levels of any depth to 16 bits."""

import numpy as np

from convcli.arrays import Array, in_native_order


def scale_to_16_bits(levels: Array, most: int) -> Array:
    """Return levels from 0..``most``, scaled to 0..65535."""
    return in_native_order(levels) if most == 65535 else np.rint(levels * (65535 / most)).astype(np.uint16)
