"""The executor: for each tile of the plan, load a padded float tile, compute, store. It decides nothing.

V, K, Z, G and dK come with the five axes that ``Geometry`` gives them, V and G in any real type.
"""

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine.plan import ALGORITHMS, make_plan
from convcli.engine.tiles import Tile
from convcli.geometry import Geometry
from convcli.padding import pad


def convolve(
    V: Array,
    K: FloatArray,
    geometry: Geometry,
    out: FloatArray,
    bias: FloatArray | None = None,
    algorithm: str = "auto",
) -> None:
    """Fill ``out`` (a Z) with the correlation of V and K, plus the bias, which broadcasts against it."""
    plan = make_plan(geometry, out.itemsize, algorithm)
    run = ALGORITHMS[plan.chosen.algorithm].convolve
    shifts = None if bias is None else np.broadcast_to(bias, out.shape)
    for tile in plan.chosen.extent.tiles(geometry):
        part = _part(tile)
        computed = np.empty(out[part].shape, out.dtype)
        run(_load(V, geometry, tile, out.dtype), K, geometry, computed)
        if shifts is not None:
            computed += shifts[part]
        out[part] = computed


def kernel_gradient(V: Array, G: Array, geometry: Geometry, out: FloatArray, algorithm: str = "auto") -> None:
    """Add to ``out`` (a dK) the sum over images and pixels of G times V as each tap sees it."""
    plan = make_plan(geometry, out.itemsize, algorithm)
    run = ALGORITHMS[plan.chosen.algorithm].kernel_gradient
    for tile in plan.chosen.extent.tiles(geometry):
        upstream = np.ascontiguousarray(G[_part(tile)], dtype=out.dtype)
        run(_load(V, geometry, tile, out.dtype), upstream, geometry, out)


def _part(tile: Tile) -> tuple[slice, ...]:
    """Where a tile lies in Z."""
    images, rows, columns = (slice(span.start, span.stop) for span in tile)
    return (images, slice(None), slice(None), rows, columns)


def _load(V: Array, geometry: Geometry, tile: Tile, dtype: np.dtype[np.floating]) -> FloatArray:
    """The padded input that a tile's windows cover, as floats."""
    rows, columns = geometry.rows.window(tile.rows), geometry.columns.window(tile.columns)
    padded = np.empty((len(tile.images), *V.shape[1:3], len(rows), len(columns)), dtype)
    row_sources = geometry.rows.sources(rows, geometry.edge)
    column_sources = geometry.columns.sources(columns, geometry.edge)
    pad(V[tile.images.start : tile.images.stop], row_sources, column_sources, geometry.edge.value, padded)
    return padded
