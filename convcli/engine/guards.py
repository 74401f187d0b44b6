"""Guards: keep the effect of a very large, infinite or NaN pixel within the windows that contain it.

Transforms mix all pixels of a tile, so that each output rounds by about the float's epsilon times the largest of them,
wherever that lies: one pixel of 1e20 would turn a tile into noise. The zeros in Toeplitz blocks and spectra would
spread infinities and NaN to every output of a block, because 0 * infinity is NaN.

A guard wraps the function that fills a tile. It computes the tile more than once, each time from only some of its
pixels, and combines the results so that an output depends only on the pixels of its own window. The result does not
depend on how the output is cut into tiles.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.interface import Fill, TileGradient
from convcli.engine.reference import shift_of
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import windows
from convcli.geometry.axes import Axis, Geometry

# Pixels of one layer differ by at most this factor, so that 8-bit levels are one layer. A smaller factor would cut many
# photographs into layers; with a larger one, float32 would have fewer than 4 correct digits for the smallest pixels.
LAYER = 256.0

# The fewest pixels that are sampled per row and per column of a window, and the fewest channels, if there are so many.
SAMPLES = 4
# The most pixels of a tile of G whose products are added one by one.
MOST_APART = 1024
# There are at least so many pixels for each of these.
LEAST_BULK = 16
# Multiplied by this power of 2, the largest floats can be transformed without overflow.
HEADROOM = 2.0**-24
# Transforms of smaller numbers do not overflow.
OVERFLOWING = 2.0**60

# Called with the name of a fallback when a tile takes it.
Note = Callable[[str], None]
LAYERS, MASK, REFERENCE = "layers", "mask", "reference"


def unless_even(fill: Fill, guarded: Fill, geometry: Geometry) -> Fill:
    """Return the function that computes a tile by ``fill`` if a sample of it needs no guard, else by ``guarded``.

    It needs none if every window contains a pixel within a factor of LAYER of the largest, and no pixel is so large
    that sums overflow. Taking the sample needs a quarter of the time that the guards need.
    """
    axes = (geometry.rows, geometry.columns)
    if any(axis.dilation > 1 for axis in axes):
        return guarded
    y, x = (max(1, axis.taps // SAMPLES) for axis in axes)
    channel = max(1, geometry.in_channels // SAMPLES)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        largest = max(tile.max(), -tile.min())
        marked = np.abs(tile[:, :, ::channel, ::y, ::x]).max(axis=2) >= largest / LAYER
        # Each window contains so many consecutive samples per row and per column.
        rows, columns = Axis(marked.shape[-2], axes[0].taps // y), Axis(marked.shape[-1], axes[1].taps // x)
        along = _any_tap(marked.swapaxes(-1, -2), rows, rows.output)
        is_even = largest < OVERFLOWING and _any_tap(along.swapaxes(-1, -2), columns, columns.output).all()
        (fill if is_even else guarded)(tile, out, scratch)

    return run


def in_layers(fill: Fill, geometry: Geometry, note: Note) -> Fill:
    """Return the function that computes a tile in layers of magnitude if some windows contain only small pixels.

    The first layer consists of the pixels within a factor of LAYER of the largest. It is convolved alone, and added to
    the outputs whose windows contain one of its pixels. The pixels that remain form the next layers in the same way.
    """

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        sizes = np.maximum(tile.max(axis=2), -tile.min(axis=2))
        layer, reached = _top_layer(sizes, geometry, out)
        if reached.all() or not np.isfinite(sizes).all():
            fill(tile, out, scratch)
            return
        note(LAYERS)
        out[...], rest = 0, tile
        while layer.any():
            _, exponent = np.frexp(sizes.max())
            with scratch.borrowed():
                part = scratch.array(out.shape, out.dtype)
                # Scaled to at most 1, pixels cannot overflow.
                fill(np.ldexp(np.where(layer[:, :, None], rest, 0), -exponent), part, scratch)
                np.add(out, np.ldexp(part, exponent, out=part), out=out, where=reached[:, :, None])
            rest = np.where(layer[:, :, None], 0, rest)
            sizes[layer] = 0
            layer, reached = _top_layer(sizes, geometry, out)

    return run


def _top_layer(sizes: FloatArray, geometry: Geometry, out: FloatArray) -> tuple[Array, Array]:
    """Return masks of the pixels in the layer of the largest, and of the outputs whose windows contain one of them."""
    layer = (sizes > 0) & (sizes >= sizes.max(axis=(-2, -1), keepdims=True) / LAYER)
    reached = touched(layer, geometry, out)
    # The smaller pixels need no layer of their own if every window that contains one contains a larger one too.
    everything = sizes > 0
    alone = not reached.all() and (touched(everything, geometry, out) != reached).any()
    return (layer, reached) if alone else (everything, reached)


def one_by_one(gradient: TileGradient, geometry: Geometry, note: Note) -> TileGradient:
    """Return the function that adds the products of the few extraordinary pixels of G one by one.

    A transform rounds every weight of dK by the size of G's largest pixels, also the weights for which these pixels
    meet only zeros of V.
    """

    @np.errstate(over="ignore", invalid="ignore")
    def run(tile: FloatArray, upstream: FloatArray, scratch: Scratch) -> FloatArray:
        hot = _extraordinary(upstream)
        if not hot.any():
            return gradient(tile, upstream, scratch)
        note(LAYERS)
        dK = gradient(tile, np.where(hot, 0, upstream), scratch)
        pixels = windows(tile, geometry, *upstream.shape[-2:])
        for image, group, channel, j, k in np.argwhere(hot).tolist():
            dK[group, channel] += upstream[image, group, channel, j, k] * pixels[image, group, ..., j, k]
        return dK

    return run


def _extraordinary(upstream: FloatArray) -> Array:
    """Return a mask of the few pixels, all finite, that are more than LAYER times larger than the others."""
    sizes = np.abs(upstream)
    hot, most = np.zeros(sizes.shape, bool), min(MOST_APART, sizes.size // LEAST_BULK)
    while np.isfinite(largest := sizes.max()) and largest > 0:
        layer = sizes >= largest / LAYER
        if np.count_nonzero(layer) + np.count_nonzero(hot) > most:
            return hot
        hot |= layer
        sizes[layer] = 0
    return hot


def within_windows(
    fill: Fill, convolve_with: Callable[[Array], Fill], K: Array, geometry: Geometry, note: Note
) -> Fill:
    """Return the function that keeps infinities and NaN within the windows that contain them.

    A tile that holds some, or whose intermediate results overflow, is computed with 0 in place of them. It is scaled
    down before, and its outputs are scaled up again. Then the outputs whose sums hold an infinity or a NaN are set.
    convolve_with: returns the function that fills a tile of Z in float64 for other weights, which are finite.
    """

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        fill(tile, out, scratch)
        # The sum alone may overflow.
        if np.isfinite(out.sum()) or np.isfinite(out).all():
            return
        note(MASK)
        finite = np.isfinite(K)
        fill_finite = fill if finite.all() else convolve_with(np.where(finite, K, 0))
        with scratch.borrowed():
            fill_finite(np.where(np.isfinite(tile), tile, 0) * tile.dtype.type(HEADROOM), out, scratch)
        np.divide(out, HEADROOM, out=out)

        def meet(pixels: Array, weights: Array) -> Array:
            """Return a mask of the outputs in which one of these pixels is multiplied by one of these weights."""
            if not (pixels.any() and weights.any()):
                return np.zeros(out.shape, bool)
            if weights.all():
                return np.broadcast_to(touched(np.asarray(pixels.any(axis=2)), geometry, out)[:, :, None], out.shape)
            with scratch.borrowed():
                products = scratch.array(out.shape, np.float64)
                convolve_with(weights)(pixels.astype(np.float64), products, scratch)
                # Their number is whole, but transforms round it.
                return np.asarray(products > 1 / 2)

        _set_sums_of_infinities(tile, K, out, meet)

    return run


def _set_sums_of_infinities(
    tile: FloatArray, weights: Array, out: FloatArray, meet: Callable[[Array, Array], Array]
) -> None:
    """Set the outputs whose sums hold infinite products, or NaN, to the sums of these."""
    rises, falls, undefined = np.zeros((3, *out.shape), bool)
    for infinity, same, opposite in ((np.inf, rises, falls), (-np.inf, falls, rises)):
        same |= meet(tile == infinity, weights > 0) | meet(tile > 0, weights == infinity)
        opposite |= meet(tile == infinity, weights < 0) | meet(tile < 0, weights == infinity)
        undefined |= meet(tile == infinity, weights == 0) | meet(tile == 0, weights == infinity)
    undefined |= meet(np.isnan(tile), np.ones(weights.shape, bool)) | meet(np.ones(tile.shape, bool), np.isnan(weights))
    np.copyto(out, np.inf, where=rises)
    np.copyto(out, -np.inf, where=falls)
    np.copyto(out, np.nan, where=undefined | rises & falls)


def rounded(fill: Fill, geometry: Geometry, stored: np.dtype[Any]) -> Fill:
    """Return the function that rounds to whole numbers the outputs whose windows hold nothing else.

    fill: computes in float64, whose rounding is far below 1.  stored: the type of V.
    """

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        made = scratch.array(out.shape, tile.dtype)
        fill(tile, made, scratch)
        fractions = np.asarray(tile != np.rint(tile)) if stored.kind == "f" else None
        if fractions is None or not fractions.any():
            # Two steps are faster than one that also converts.
            out[...] = np.rint(made, out=made)
            return
        out[...] = made
        np.rint(out, out=out, where=~touched(np.asarray(fractions.any(axis=2)), geometry, out)[:, :, None])

    return run


def minus_reference(fill: Fill, K: Array, geometry: Geometry, c: FloatArray, note: Note) -> Fill:
    """Return the function that convolves V - c (``convcli.engine.reference``).

    Where a window holds a pixel much smaller than c, V - c would round it, and V is convolved as it is.
    c: ``(images, groups, channels)`` of the tile.
    """
    centre = c[..., None, None]

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        note(REFERENCE)
        fill(np.subtract(tile, centre, out=scratch.array(tile.shape, tile.dtype), casting="same_kind"), out, scratch)
        small = np.asarray((np.abs(tile) < np.abs(centre) / 2).any(axis=2))
        if small.any():
            with scratch.borrowed():
                part = scratch.array(out.shape, out.dtype)
                fill(tile, part, scratch)
                reached = touched(small, geometry, out)[:, :, None]
                np.copyto(out, part - shift_of(K, c), where=reached, casting="same_kind")

    return run


def touched(marked: Array, geometry: Geometry, out: FloatArray) -> Array:
    """Return a mask of a tile's outputs ``(images, groups, rows, columns)`` whose windows contain a marked pixel.

    marked: ``(images, groups, h, w)``, the padded pixels of the tile.
    """
    rows, columns = out.shape[-2:]
    along = _any_tap(marked.swapaxes(-1, -2), geometry.rows, rows).swapaxes(-1, -2)
    return _any_tap(along, geometry.columns, columns)


def _any_tap(marked: Array, axis: Axis, outputs: int) -> Array:
    """Return a mask of the outputs along the last axis that read a marked pixel with one of their taps."""
    covered = 1
    while covered < axis.taps:
        # Marks under twice as many taps, or all.
        more = min(covered, axis.taps - covered)
        step = more * axis.dilation
        marked, covered = marked[..., :-step] | marked[..., step:], covered + more
    return marked[..., : (outputs - 1) * axis.stride + 1 : axis.stride]
