"""Maps that come part by part, put together."""

import numpy as np


def together(convolve_and_store, geometry, dtype=float):
    """Z ``(C_out, OH, OW)``, every number of which must come once.

    convolve_and_store: is given the function that takes the parts.
    """
    Z = np.full(geometry.output_blocks, np.nan, dtype)

    def store(part, tile):
        assert np.isnan(Z[part]).all()
        Z[part] = tile

    convolve_and_store(store)
    assert not np.isnan(Z).any()
    return Z.reshape(geometry.output_shape)
