"""The georeference of a GeoTIFF: tags that say where pixels lie on the ground (OGC GeoTIFF 1.1).

    X_in = step * X_out + offset,    offset = start + anchor * (1 - step)

are the raster coordinates of the input and the output along one axis, for a grid whose pixels are ``step`` apart. The
anchor is 1/2, because raster coordinates count from the corner of the first pixel, or 0 if they count from its centre.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import FloatArray

_SCALE, _TIEPOINTS, _INTERGRAPH, _MATRIX, _RPC = 33550, 33922, 33920, 34264, 50844
_KEYS, _NUMBERS, _TEXTS = 34735, 34736, 34737
TAGS = (_SCALE, _INTERGRAPH, _TIEPOINTS, _MATRIX, _KEYS, _NUMBERS, _TEXTS, _RPC)
# The tags of whole numbers, and of text; the others are floats.
WHOLE, TEXT = (_KEYS,), (_TEXTS,)

# The key that says what raster coordinates count from, and its value for the centres of pixels.
_RASTER_TYPE, _CENTRES = 1025, 2
# Where the coefficients of a RPC say what row and column they are centred on, and their scales.
_RPC_ROW, _RPC_COLUMN = (2, 7), (3, 8)

Value = tuple[float, ...] | str


class Grid(NamedTuple):
    """The place of the output's pixels in the input.

    The centre of output (j, k) is at row ``top + j * down`` and column ``left + k * across``, where the first pixel of
    the input has its centre at 0, 0.
    """

    top: float = 0.0
    left: float = 0.0
    down: float = 1
    across: float = 1


class _Shift(NamedTuple):
    """The map from raster coordinates of the output to those of the input, along one axis."""

    step: float
    offset: float


class Georeference(NamedTuple):
    """The tags of a georeference with their values, in order."""

    tags: tuple[tuple[int, Value], ...]

    def on(self, grid: Grid) -> "Georeference":
        """Return the georeference of an output on this grid; the points on the ground stay where they are."""
        found = dict(self.tags)
        anchor = 0.0 if _counts_from_centres(found.get(_KEYS, ())) else 0.5
        columns = _Shift(grid.across, grid.left + anchor * (1 - grid.across))
        rows = _Shift(grid.down, grid.top + anchor * (1 - grid.down))
        for tag, change in _CHANGES.items():
            if tag in found:
                found[tag] = tuple(change(dict(self.tags), columns, rows).ravel().tolist())
        if _RPC in found:
            found[_RPC] = _rpc_on(found[_RPC], grid)
        return Georeference(tuple(found.items()))


def georeference_of(tags: Mapping[int, Any]) -> Georeference | None:
    """Return the georeference in the tags of a page, or None without one; raise ValueError if one is damaged."""
    found = {tag: _value(tag, tags[tag]) for tag in TAGS if tags.get(tag) is not None}
    return Georeference(tuple(found.items())) if found else None


# How many numbers a tag has, or what their number is a multiple of.
_COUNTS = {_SCALE: 3, _TIEPOINTS: 6, _INTERGRAPH: 16, _MATRIX: 16, _KEYS: 4, _RPC: 92}
_REPEATED = (_TIEPOINTS, _KEYS)


def _value(tag: int, given: Any) -> Value:
    if tag in TEXT:
        if isinstance(given, str):
            return given
        raise ValueError(f"expected text in tag {tag}, given {given!r:.40}")
    numbers = given if isinstance(given, tuple) else (given,)
    if not all(isinstance(number, int if tag in WHOLE else float) for number in numbers):
        raise ValueError(f"expected numbers in tag {tag}, given {given!r:.40}")
    count = _COUNTS.get(tag)
    if count and (len(numbers) % count if tag in _REPEATED else len(numbers) != count):
        raise ValueError(f"expected {count} numbers in tag {tag}, given {len(numbers)}")
    return numbers


def _counts_from_centres(keys: Value) -> bool:
    """Return whether raster coordinates count from the centres of pixels, by keys of 4 numbers each."""
    return any(keys[at] == _RASTER_TYPE and keys[at + 3] == _CENTRES for at in range(4, len(keys), 4))


def _scale_on(tags: Mapping[int, Value], columns: _Shift, rows: _Shift) -> FloatArray:
    return np.multiply(tags[_SCALE], (columns.step, rows.step, 1))


def _tiepoints_on(tags: Mapping[int, Value], columns: _Shift, rows: _Shift) -> FloatArray:
    """Return tiepoints, each I, J, K of the raster and X, Y, Z of the ground.

    With a scale, X = X_0 + (I - I_0) * scale and Y = Y_0 - (J - J_0) * scale. Then X_0 and Y_0 are moved, because
    many programs take I_0 and J_0 for 0. Without a scale the points of the ground stay, and I and J are moved.
    """
    points = np.array(tags[_TIEPOINTS], float).reshape(-1, 6)
    i, j = points[:, 0].copy(), points[:, 1].copy()
    if _SCALE not in tags:
        points[:, 0], points[:, 1] = (i - columns.offset) / columns.step, (j - rows.offset) / rows.step
        return points
    across, down, _ = np.array(tags[_SCALE], float)
    points[:, 3] += (columns.offset + (columns.step - 1) * i) * across
    points[:, 4] -= (rows.offset + (rows.step - 1) * j) * down
    return points


def _matrix_on(tag: int) -> Callable[[Mapping[int, Value], _Shift, _Shift], FloatArray]:
    """Return the function for a matrix that maps (I, J, K, 1) to (X, Y, Z, 1)."""

    def change(tags: Mapping[int, Value], columns: _Shift, rows: _Shift) -> FloatArray:
        inner = np.diag([columns.step, rows.step, 1.0, 1.0])
        inner[0, 3], inner[1, 3] = columns.offset, rows.offset
        return np.array(tags[tag], float).reshape(4, 4) @ inner

    return change


_CHANGES = {
    _SCALE: _scale_on,
    _TIEPOINTS: _tiepoints_on,
    _MATRIX: _matrix_on(_MATRIX),
    _INTERGRAPH: _matrix_on(_INTERGRAPH),
}


def _rpc_on(coefficients: Value, grid: Grid) -> Value:
    """Return the coefficients of a RPC, whose rows and columns count from the centres of pixels."""
    changed = [float(number) for number in coefficients]
    for (centre, scale), start, step in ((_RPC_ROW, grid.top, grid.down), (_RPC_COLUMN, grid.left, grid.across)):
        changed[centre] = (changed[centre] - start) / step
        changed[scale] /= step
    return tuple(changed)
