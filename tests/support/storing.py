"""Put together output maps that arrive tile by tile."""

import numpy as np


def together(convolve_and_store, geometry, dtype=float):
    """Return Z ``(C_out, OH, OW)``; fail if a number of it is missing or arrives twice.

    convolve_and_store: called with the function that takes the tiles.
    """
    Z = np.full(geometry.output_blocks, np.nan, dtype)

    def store(part, tile):
        assert np.isnan(Z[part]).all()
        Z[part] = tile

    convolve_and_store(store)
    assert not np.isnan(Z).any()
    return Z.reshape(geometry.output_shape)
