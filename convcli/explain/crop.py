"""The part of V that a page or a walk shows: one image of a batch, and a crop of a large one.

The crop is an image of its own, which is padded at its own border. It starts at a multiple of the stride, and its
extents leave the same remainder as those of V when divided by the stride. Its pads are therefore those of V, and its
windows are windows of V: outputs whose windows do not leave the crop are equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

from convcli.arrays import Array
from convcli.convolution.prepared import Prepared
from convcli.errors import GeometryError
from convcli.geometry.axes import Axis

MOST_SIDE = 64


class Pointed(NamedTuple):
    """A number of Z, dK, dV or db: the name of its tensor, and all of its indices."""

    of: str
    at: tuple[int, ...]


class Crop(NamedTuple):
    """A crop of one image of V.

    image: the indices of the image in the batch.  rows, columns: the pixels of the crop.
    outputs: the first row and column of Z that the crop's Z has.
    """

    image: tuple[int, ...]
    rows: range
    columns: range
    outputs: tuple[int, int]

    def pixels(self, V: Array) -> Array:
        """Return the crop of V, without batch axes."""
        return _part(V, self.image, self.rows, self.columns)

    def upstream(self, G: Array, shape: tuple[int, ...]) -> Array:
        """Return the part of G for the crop's Z, which has this shape."""
        rows, columns = (range(first, first + size) for first, size in zip(self.outputs, shape[-2:], strict=True))
        return _part(G, self.image, rows, columns)

    def place(self, pointed: Pointed) -> tuple[int, ...]:
        """Return the indices of a number of V's convolution in the tensors of the crop."""
        firsts = {"output": self.outputs, "input": (self.rows.start, self.columns.start)}
        if pointed.of not in firsts:
            return pointed.at
        *channel, row, column = pointed.at[len(self.image) :]
        top, left = firsts[pointed.of]
        return (*channel, row - top, column - left)

    def notes(self, shape: tuple[int, ...]) -> list[str]:
        """Return what the crop does not show of V, which has this shape, in sentences."""
        height, width = shape[-2:]
        found = []
        if self.image:
            index = ",".join(map(str, self.image))
            found.append(f"V is a batch: this is image {index} alone, and dK and db are its own.")
        if (len(self.rows), len(self.columns)) != (height, width):
            found.append(
                f"V is {height} x {width} pixels: this is the crop of rows {self.rows[0]} to {self.rows[-1]} and "
                f"columns {self.columns[0]} to {self.columns[-1]}, as an image of its own, with its own padding, its "
                "own dK and its own db."
            )
        return found


def crop_of(prepared: Prepared, pointed: Pointed | None, most_side: int = MOST_SIDE) -> Crop:
    """Return the crop around a number, or in the middle of the first image; the whole image if it is small.

    most_side: its most rows and columns, unless one window needs more.  Raises GeometryError for an empty batch.
    """
    batch = prepared.input_shape[:-3]
    if 0 in batch:
        raise GeometryError(f"one image of a batch is shown: expected at least one, given shape {batch}")
    y, x = prepared.geometry.rows, prepared.geometry.columns
    image, (row, column) = (0,) * len(batch), (y.size // 2, x.size // 2)
    if pointed is not None and pointed.of in ("output", "input"):
        image, (row, column) = pointed.at[: len(batch)], _centre(pointed, y, x)
    rows, columns = _around(y, row, most_side), _around(x, column, most_side)
    return Crop(image, rows, columns, (rows.start // y.stride, columns.start // x.stride))


def _part(tensor: Array, image: Sequence[int], rows: range, columns: range) -> Array:
    part: Array = tensor[tuple(image)]
    return part[..., rows.start : rows.stop, columns.start : columns.stop]


def _centre(pointed: Pointed, y: Axis, x: Axis) -> tuple[int, int]:
    row, column = pointed.at[-2:]
    return (row, column) if pointed.of == "input" else (int(y.centres[row]), int(x.centres[column]))


def _around(axis: Axis, centre: int, most_side: int) -> range:
    """Return the pixels of the crop along one axis."""
    most = max(most_side, axis.reach + axis.stride)
    if axis.size <= most:
        return range(axis.size)
    size = most - (most - axis.size) % axis.stride
    start = min(max(centre - size // 2, 0), axis.size - size) // axis.stride * axis.stride
    return range(start, start + size)
