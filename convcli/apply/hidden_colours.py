"""Replace the colours of transparent pixels, which nobody has seen, by those of visible pixels nearby.

A kernel that sharpens or finds edges, but leaves alpha as it is, would otherwise show the contrast between visible and
hidden colours as a fringe. Hidden pixels take the mean of the visible ones in the smallest block of 2x2, 4x4, 8x8 ...
pixels that has any, weighted by alpha (the pull-push algorithm of Gortler et al., The Lumigraph, SIGGRAPH 1996).
"""

import numpy as np

from convcli.arrays import Array, FloatArray


def spread_visible_colours(pixels: Array, alpha: Array) -> Array:
    """Return pixels ``(C, H, W)`` in whose places of alpha 0 colours of visible pixels are.

    alpha: ``(H, W)``. The type stays, and visible pixels keep their colours.
    """
    if alpha.all() or not alpha.any():
        return pixels
    return _filled(pixels, alpha.astype(np.float32))


def _filled(colours: Array, weights: FloatArray) -> Array:
    """Return the colours, with means of blocks where the weight is 0."""
    if weights.all():
        return colours
    block_weights = _block_sums(weights)
    shares = np.where(block_weights, block_weights, 1)
    means = np.stack([_block_sums(_weighted(plane, weights)) / shares for plane in colours])
    blocks = _filled(means, block_weights)
    if colours.dtype.kind != "f":
        blocks = np.rint(blocks).astype(colours.dtype)
    rows, columns = weights.shape
    spread = blocks.repeat(2, axis=-2).repeat(2, axis=-1)[:, :rows, :columns]
    return np.where(weights, colours, spread)


def _weighted(plane: Array, weights: FloatArray) -> FloatArray:
    # A hidden NaN or infinity would stay one even if it is multiplied by 0.
    known = np.where(weights, plane, 0) if plane.dtype.kind == "f" else plane
    return np.asarray(known * weights, np.float32)


def _block_sums(plane: FloatArray) -> FloatArray:
    """Return the sum of each block of 2x2; blocks at the end may be smaller."""
    rows, columns = plane.shape
    even = np.pad(plane, ((0, rows % 2), (0, columns % 2)))
    sums: FloatArray = even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]
    return sums
