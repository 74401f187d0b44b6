"""Scenes: tables of numbers, some of them marked, with the texts and signs around them, before they are drawn.

A scene knows no medium. It is drawn as text on a terminal, as pixels or as SVG.
"""

from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray

SECONDS, LAST_SECONDS = 1.0, 3.0


class Cell(NamedTuple):
    """A number in a panel.

    value: None as long as it is not known.  is_marked: whether the scene is about it.
    is_padding: whether it lies in the padding.
    """

    value: float | None
    is_marked: bool = False
    is_padding: bool = False


class Panel(NamedTuple):
    """A named table of numbers.

    limit: the magnitude that has the strongest colour.
    sign: what stands before the panel: ``*``, ``=``, ``->``, or nothing.
    """

    name: str
    cells: tuple[tuple[Cell, ...], ...]
    limit: float
    sign: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return len(self.cells), len(self.cells[0])


class Scene(NamedTuple):
    """Lines of panels, with a title above them and captions below."""

    title: str
    lines: tuple[tuple[Panel, ...], ...]
    captions: tuple[str, ...]


class Story(NamedTuple):
    """Scenes that follow each other, with a heading above each. Their panels have the same sizes."""

    heading: tuple[str, ...]
    scenes: tuple[Scene, ...]

    @property
    def seconds(self) -> list[float]:
        """The seconds for which an animation shows each scene."""
        return [SECONDS] * (len(self.scenes) - 1) + [LAST_SECONDS]


def panel(
    name: str,
    plane: FloatArray,
    limit: float,
    sign: str = "",
    *,
    marked: Array | bool = False,
    padding: Array | bool = False,
    known: Array | bool = True,
) -> Panel:
    """Return the panel of a plane ``(rows, columns)``. marked, padding, known: which cells are so."""
    flags = (np.broadcast_to(each, plane.shape).tolist() for each in (marked, padding, known))
    rows = (zip(*each, strict=True) for each in zip(plane.tolist(), *flags, strict=True))
    return Panel(name, tuple(tuple(_cell(*each) for each in row) for row in rows), limit, sign)


def _cell(value: float, is_marked: bool, is_padding: bool, is_known: bool) -> Cell:
    return Cell(value if is_known else None, is_marked, is_padding)


def cell_text(value: float) -> str:
    """Return a number with three digits, or with all digits before the point."""
    return f"{value:z.0f}" if 1000 <= abs(value) < 1e6 else f"{value:z.3g}"
