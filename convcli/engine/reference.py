"""A reference value of each plane, which is subtracted before weights that nearly cancel are applied.

With S the sum of a kernel's weights,

    Z = K * V = K * (V - c) + c S

If S is near 0 and V is nearly c everywhere, K * V is the small difference of large numbers, and its rounding can exceed
it. On the right-hand side V - c is small and exact, and c S is computed in float64.

The reference c is the median of a sample of the plane. A few hot pixels do not move it, whole numbers stay whole, and
it does not depend on tiles.
"""

import numpy as np

from convcli.arrays import Array, FloatArray

# The median is a reference if it exceeds the distance of the quartiles by this factor.
LOW_CONTRAST = 4
# Bright pixels have at least half of the magnitude that this part of the sample does not exceed.
BRIGHT = 0.95
# Rows and columns of a sample, of a few planes and of many.
SAMPLED, SAMPLED_OF_MANY = 32, 8
MANY = 16


def references(V: Array) -> FloatArray | None:
    """Return c for every plane of V ``(images, groups, channels, H, W)``, or None if all are 0.

    The reference is that of the bright pixels if the plane as a whole has none, as with a wide black border. A plane of
    high contrast, whose rounding is in proportion to what it shows, gets 0.
    """
    side = SAMPLED if np.prod(V.shape[:3]) <= MANY else SAMPLED_OF_MANY
    rows, columns = (np.linspace(0, size - 1, min(size, side)).astype(int) for size in V.shape[-2:])
    numbers = V[..., rows[:, None], columns].reshape(*V.shape[:3], -1).astype(np.float64)
    finite = np.isfinite(numbers)
    found = _references_of(numbers, finite)
    if not found.all():
        sizes = np.abs(np.where(finite, numbers, 0))
        bright = np.sort(sizes, axis=-1)[..., int(BRIGHT * (sizes.shape[-1] - 1)), None]
        found = np.where(found == 0, _references_of(numbers, finite & (sizes >= bright / 2)), found)
    return found if found.any() else None


def _references_of(numbers: FloatArray, chosen: Array) -> FloatArray:
    """Return the median of the chosen numbers of each plane, or 0 if their contrast is high."""
    # NaN sorts last.
    ordered = np.sort(np.where(chosen, numbers, np.nan), axis=-1)
    places = chosen.sum(axis=-1, keepdims=True) * np.arange(1, 4) // 4
    lower, middle, upper = np.moveaxis(np.take_along_axis(ordered, places, axis=-1), -1, 0)
    return np.where(np.abs(middle) > LOW_CONTRAST * (upper - lower), middle, 0.0)


def shift_of(K: Array, c: FloatArray) -> FloatArray:
    """Return c S for weights ``(groups, C_out, C_in, kh, kw)``, as an array that broadcasts against Z.

    It is rounded to float32, the type of Z, so that a window of zeros gives 0: what a guard subtracts is added again.
    """
    sums = K.sum(axis=(-2, -1), dtype=np.float64)
    shift: FloatArray = np.einsum("goi,ngi->ngo", sums, c).astype(np.float32)[..., None, None]
    return shift
