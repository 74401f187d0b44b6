"""Guards: what one extraordinary pixel must not do to outputs whose windows do not hold it.

Transforms mix all pixels of a tile, so that each output rounds by about the float's epsilon times the largest of them,
wherever that lies: one pixel of 1e20 would turn a tile into noise. And the zeros in Toeplitz blocks and spectra would
carry infinities and NaN to every output of a block, because 0 * infinity is NaN.

A guard wraps the function that fills a tile. It computes the tile more than once, each time with some pixels only, and
takes for each output what its own window holds. The result does not depend on how the output is cut into tiles.
"""

from collections.abc import Callable

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.interface import Fill
from convcli.engine.scratch import Scratch
from convcli.geometry.axes import Axis, Geometry

# Pixels of one layer differ by at most this factor; 8-bit levels are one layer. Smaller factors would cut many
# photographs into layers, and larger ones would leave less than the 4 digits that float32 has beyond it.
LAYER = 256.0

# The fewest pixels of a row or a column of a window that a sample has.
SAMPLES = 4
# A power of 2, small enough for the sums of a transform of the largest floats.
HEADROOM = 2.0**-24
# Transforms of smaller numbers do not overflow.
OVERFLOWING = 2.0**60

# Called with the name of a fallback when a tile takes it.
Note = Callable[[str], None]
LAYERS, MASK = "layers", "mask"


def unless_even(fill: Fill, guarded: Fill, geometry: Geometry) -> Fill:
    """Return the function that computes most tiles by ``fill``: those that a look at a sample shows to need no guard.

    In them every window holds a pixel within LAYER of the largest, and none is so large that sums overflow. The look
    takes a quarter of the time that the guards take.
    """
    axes = (geometry.rows, geometry.columns)
    if any(axis.dilation > 1 or axis.taps < 2 * SAMPLES for axis in axes):
        return guarded
    y, x = (axis.taps // SAMPLES for axis in axes)

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        largest = max(tile.max(), -tile.min())
        marked = np.abs(tile[..., ::y, ::x]).max(axis=2) >= largest / LAYER
        # Each window holds so many consecutive samples of a row and of a column.
        rows, columns = (Axis(size, SAMPLES) for size in marked.shape[-2:])
        along = _any_tap(marked.swapaxes(-1, -2), rows, rows.output)
        is_even = largest < OVERFLOWING and _any_tap(along.swapaxes(-1, -2), columns, columns.output).all()
        (fill if is_even else guarded)(tile, out, scratch)

    return run


def in_layers(fill: Fill, geometry: Geometry, note: Note) -> Fill:
    """Return the function that computes a tile in layers of magnitude, where some windows hold small pixels only.

    The first layer holds pixels within LAYER of the largest, and fills the outputs whose windows hold one of them; the
    second does so with the pixels that remain, and so on.
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
                # Pixels near 1 overflow nowhere.
                fill(np.ldexp(np.where(layer[:, :, None], rest, 0), -exponent), part, scratch)
                np.add(out, np.ldexp(part, exponent, out=part), out=out, where=reached[:, :, None])
            rest = np.where(layer[:, :, None], 0, rest)
            sizes[layer] = 0
            layer, reached = _top_layer(sizes, geometry, out)

    return run


def _top_layer(sizes: FloatArray, geometry: Geometry, out: FloatArray) -> tuple[Array, Array]:
    """Return which pixels belong to the layer of the largest, and which outputs have one of them in their window."""
    layer = (sizes > 0) & (sizes >= sizes.max(axis=(-2, -1), keepdims=True) / LAYER)
    reached = touched(layer, geometry, out)
    # The smaller pixels need no layer of their own if every window holds a larger one.
    return (sizes > 0, reached) if reached.all() else (layer, reached)


def within_windows(fill: Fill, last_resort: Callable[[], Fill], geometry: Geometry, note: Note) -> Fill:
    """Return the function that keeps infinities and NaN within the windows that hold them.

    A tile with NaN is computed without them, and outputs whose windows hold one become NaN. That tile is also
    scaled down, as is one whose intermediate results overflow. A tile with infinities is computed by the algorithm that
    ``last_resort`` prepares.
    """

    def run(tile: FloatArray, out: FloatArray, scratch: Scratch) -> None:
        fill(tile, out, scratch)
        # The sum alone may overflow.
        if np.isfinite(out.sum()) or np.isfinite(out).all():
            return
        if np.isinf(tile).any():
            last_resort()(tile, out, scratch)
            return
        note(MASK)
        unknown: Array = np.isnan(tile)
        with scratch.borrowed():
            fill(np.where(unknown, 0, tile) * tile.dtype.type(HEADROOM), out, scratch)
        np.divide(out, HEADROOM, out=out)
        np.copyto(out, np.nan, where=touched(np.asarray(unknown.any(axis=2)), geometry, out)[:, :, None])

    return run


def touched(marked: Array, geometry: Geometry, out: FloatArray) -> Array:
    """Return which outputs ``(images, groups, rows, columns)`` of a tile have a marked pixel in their window.

    marked: ``(images, groups, h, w)``, the padded pixels of the tile.
    """
    rows, columns = out.shape[-2:]
    along = _any_tap(marked.swapaxes(-1, -2), geometry.rows, rows).swapaxes(-1, -2)
    return _any_tap(along, geometry.columns, columns)


def _any_tap(marked: Array, axis: Axis, outputs: int) -> Array:
    """Return which outputs along the last axis have a mark under one of their taps."""
    covered = 1
    while covered < axis.taps:
        # Marks under twice as many taps, or all.
        more = min(covered, axis.taps - covered)
        step = more * axis.dilation
        marked, covered = marked[..., :-step] | marked[..., step:], covered + more
    return marked[..., : (outputs - 1) * axis.stride + 1 : axis.stride]
