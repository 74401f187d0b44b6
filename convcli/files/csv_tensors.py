"""Read one tensor from a table as grad writes it: a row per number, with a tensor's name and its index.

    tensor,i,l,m,n,value
    kernel,0,0,0,0,1.5
    bias,0,,,,2.0

A tensor has the indices that its rows give; their order does not matter.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, IntArray
from convcli.files.stored_tensors import Wanted
from convcli.text import integer, real, shortened

_LINE_OF_FIRST_ROW = 2


class _Rows(NamedTuple):
    """The rows of one tensor: for each its line in the file, and its cells."""

    lines: list[int]
    cells: list[list[str]]

    @property
    def shape(self) -> tuple[int, ...]:
        return _extents(self._indices)

    @property
    def _indices(self) -> IntArray:
        """The indices of the rows, ``(rows, rank)``."""
        given = [column for column, cell in enumerate(self.cells[0][1:-1], 1) if cell]
        for row, cells in enumerate(self.cells):
            if sum(map(bool, cells[1:-1])) > len(given):
                raise self._fault(row, f"indices as in line {self.lines[0]}", ",".join(cells[1:-1]))
        rows = [[self._index(row, column) for column in given] for row in range(len(self.cells))]
        return np.array(rows, np.intp).reshape(len(rows), len(given))

    def _index(self, row: int, column: int) -> int:
        try:
            found = integer(self.cells[row][column])
        except ValueError:
            found = -1
        if not 0 <= found < len(self.cells):
            raise self._fault(row, f"an index from 0 to {len(self.cells) - 1}", self.cells[row][column])
        return found

    def read(self) -> Array:
        indices, count = self._indices, len(self.cells)
        shape = _extents(indices)
        if count != prod(shape) or len(np.unique(indices, axis=0)) < count:
            raise ValueError(f"expected each index of the shape {shape} once, given {count:,} rows")
        places = indices @ np.array([prod(shape[axis + 1 :]) for axis in range(len(shape))], np.intp)
        return np.array([self._value(row) for row in np.argsort(places).tolist()]).reshape(shape)

    def _value(self, row: int) -> float:
        try:
            return real(self.cells[row][-1])
        except ValueError:
            raise self._fault(row, "a number", self.cells[row][-1]) from None

    def _fault(self, row: int, expected: str, given: str) -> ValueError:
        return ValueError(f"line {self.lines[row]}: expected {expected}, given {shortened(given)!r}")


def _extents(indices: IntArray) -> tuple[int, ...]:
    return tuple(int(largest) + 1 for largest in indices.max(axis=0))


def read_csv_tensor(text: str, wanted: Wanted) -> Array:
    """Return the tensor that is wanted of a table, as float64. Raises ValueError, with the line, for another table."""
    first, *others = text.splitlines()
    columns = first.count(",") + 1
    tensors: dict[str, _Rows] = {}
    for line, row in enumerate(others, _LINE_OF_FIRST_ROW):
        cells = row.split(",")
        if len(cells) != columns:
            raise ValueError(f"line {line}: expected {columns} cells as in line 1, given {len(cells)}")
        lines, rows = tensors.setdefault(cells[0], _Rows([], []))
        lines.append(line)
        rows.append(cells)
    return wanted.of(tensors).read()
