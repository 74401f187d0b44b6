"""Lay a scene out: boxes, texts and strokes in pixels, which any renderer of pictures can draw."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from convcli.drawing.palette import INK, PAPER, Colour, is_bright, signed_colours
from convcli.drawing.scenes import Cell, Panel, Scene, Story, cell_text

_FAINT = (96, 96, 96)
_FRAME = (190, 190, 190)
# The colours on each side of 0. With the edges of letters, a picture has less than 256 colours.
_SHADES = 15
# Multiplies the colours of cells in the padding.
_SHADE = 0.87
_CELLS = (48, 44, 40, 36, 32)
# A picture is at most so large, if its cells are not too small then.
_WIDTH, _HEIGHT = 1200, 1000
_MARGIN = 20
_GAP = 16
_SIGN = 34
_NAME = 24
_LINE_GAP = 14
_TITLE, _HEADING, _CAPTION, _LARGEST = 20, 13, 16, 16
# The mean width of a letter, and those of a digit and of other characters of numbers, per size of the font.
_LETTER, _DIGIT, _NARROW = 0.55, 0.6, 0.36
_MARK, _HALO = 3, 7

# Lines in a square.
_SIGN_SIDE = 16
_SIGNS = {
    "*": ((3, 3, 13, 13), (3, 13, 13, 3)),
    "=": ((1, 5, 15, 5), (1, 11, 15, 11)),
    "->": ((0, 8, 16, 8), (10, 2, 16, 8), (10, 14, 16, 8)),
}


class Box(NamedTuple):
    """A filled rectangle with an outline of one pixel."""

    left: int
    top: int
    width: int
    height: int
    fill: Colour
    outline: Colour


class Label(NamedTuple):
    """A line of text. centred: whether x, y is its middle; otherwise it is its left end on the baseline."""

    x: int
    y: int
    text: str
    size: int
    ink: Colour
    centred: bool = False


class Strokes(NamedTuple):
    """Straight lines ``(x, y, x, y)`` of one width."""

    lines: tuple[tuple[int, int, int, int], ...]
    width: int
    ink: Colour


Shape = Box | Label | Strokes


class SceneLayout(NamedTuple):
    """The places of everything in the scenes of a story.

    cell: the side of a cell.  size: ``(height, width)``.  heading: of the story.  top: of the panels.
    """

    cell: int
    size: tuple[int, int]
    heading: tuple[str, ...]
    top: int

    @classmethod
    def of(cls, story: Story) -> "SceneLayout":
        """Return the layout in which every scene of a story has room, with the largest comfortable cells."""
        panels = story.scenes[0].lines
        cell = next((cell for cell in _CELLS if _is_comfortable(panels, cell)), _CELLS[-1])
        lines = _broken(panels, cell)
        top = _MARGIN + _TITLE + 8 + len(story.heading) * _line_height(_HEADING) + _LINE_GAP
        captions = max(len(scene.captions) for scene in story.scenes) * _line_height(_CAPTION)
        texts = [(_HEADING, line) for line in story.heading]
        texts += [(_CAPTION, line) for scene in story.scenes for line in scene.captions]
        width = max(*(_width(line, cell) for line in lines), *(_text_width(size, text) for size, text in texts))
        return cls(cell, (top + _height(lines, cell) + captions + _MARGIN, width + 2 * _MARGIN), story.heading, top)

    def shapes(self, scene: Scene) -> Iterator[Shape]:
        """Yield the shapes of a scene, each above those before it."""
        yield Label(_MARGIN, _MARGIN + _TITLE, scene.title, _TITLE, INK)
        for number, text in enumerate(self.heading):
            y = _MARGIN + _TITLE + 8 + (number + 1) * _line_height(_HEADING)
            yield Label(_MARGIN, y - 4, text, _HEADING, _FAINT)
        top = self.top
        for line in _broken(scene.lines, self.cell):
            yield from self._line(line, top)
            top += _height([line], self.cell)
        for number, text in enumerate(scene.captions):
            yield Label(_MARGIN, top + (number + 1) * _line_height(_CAPTION) - 6, text, _CAPTION, INK)

    def _line(self, line: Sequence[Panel], top: int) -> Iterator[Shape]:
        room, left = _tallest(line) * self.cell, _MARGIN
        for panel in line:
            if panel.sign:
                yield _sign(panel.sign, left, top + _NAME + room // 2)
                left += _SIGN
            middle = top + (room - panel.shape[0] * self.cell) // 2
            yield Label(left, middle + _NAME - 7, panel.name, _CAPTION, INK)
            yield from _cells(panel, left, middle + _NAME, self.cell)
            left += _panel_width(panel, self.cell) + _GAP


def _is_comfortable(lines: Sequence[Sequence[Panel]], cell: int) -> bool:
    return max(_width(line, cell) for line in lines) <= _WIDTH and _height(lines, cell) <= _HEIGHT


def _broken(lines: Sequence[Sequence[Panel]], cell: int) -> list[list[Panel]]:
    """Return the lines of panels, of which those that are too wide are broken into several."""
    broken: list[list[Panel]] = []
    for line in lines:
        broken.append([])
        for panel in line:
            if broken[-1] and _width([*broken[-1], panel], cell) > _WIDTH:
                broken.append([])
            broken[-1].append(panel)
    return broken


def _width(line: Sequence[Panel], cell: int) -> int:
    return sum(_SIGN * bool(panel.sign) + _panel_width(panel, cell) + _GAP for panel in line) - _GAP


def _panel_width(panel: Panel, cell: int) -> int:
    return max(panel.shape[1] * cell, _text_width(_CAPTION, panel.name))


def _text_width(size: int, text: str) -> int:
    return ceil(size * _LETTER * len(text))


def _line_height(size: int) -> int:
    return round(size * 1.5)


def _height(lines: Sequence[Sequence[Panel]], cell: int) -> int:
    return sum(_NAME + _tallest(line) * cell + _LINE_GAP for line in lines)


def _tallest(line: Sequence[Panel]) -> int:
    return max(panel.shape[0] for panel in line)


def _sign(sign: str, left: int, middle: int) -> Strokes:
    x, y = left, middle - _SIGN_SIDE // 2
    lines = tuple((x + a, y + b, x + c, y + d) for a, b, c, d in _SIGNS[sign])
    return Strokes(lines, 2, _FAINT)


def _cells(panel: Panel, left: int, top: int, side: int) -> Iterator[Shape]:
    values = np.array([[np.nan if cell.value is None else cell.value for cell in row] for row in panel.cells])
    with np.errstate(invalid="ignore"):
        shades = np.rint(np.clip(values / (panel.limit or 1), -1, 1) * _SHADES)
    colours, size = signed_colours(shades, _SHADES).tolist(), _number_size(panel, side)
    for row, cells in enumerate(panel.cells):
        for column, cell in enumerate(cells):
            x, y = left + column * side, top + row * side
            fill = _fill(cell, colours[row][column])
            yield Box(x, y, side, side, fill, _FRAME)
            if text := _text(cell):
                ink = INK if is_bright(np.array(fill)) else PAPER
                yield Label(x + side // 2, y + side // 2, text, size, ink, centred=True)
    edges = tuple(_edges(panel, left, top, side))
    if edges:
        yield Strokes(edges, _HALO, PAPER)
        yield Strokes(edges, _MARK, INK)


def _number_size(panel: Panel, side: int) -> int:
    """Return the size of the font at which all numbers of a panel fit into their cells."""
    texts = [_text(cell) for row in panel.cells for cell in row]
    widest = max(sum(_DIGIT if letter.isalnum() else _NARROW for letter in text) for text in texts)
    return min(_LARGEST, int((side - 4) / widest)) if widest else _LARGEST


def _text(cell: Cell) -> str:
    if cell.value is None:
        return ""
    return f"({cell_text(cell.value)})" if cell.is_padding else cell_text(cell.value)


def _fill(cell: Cell, colour: Sequence[int]) -> Colour:
    if cell.value is None:
        return PAPER
    red, green, blue = (round(level * _SHADE) if cell.is_padding else level for level in colour)
    return red, green, blue


def _edges(panel: Panel, left: int, top: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the edges between marked cells and others."""
    marked = np.pad([[cell.is_marked for cell in row] for row in panel.cells], 1)
    for row, column in np.argwhere(marked[1:] != marked[:-1]).tolist():
        x, y = left + (column - 1) * side, top + row * side
        yield x, y, x + side, y
    for row, column in np.argwhere(marked[:, 1:] != marked[:, :-1]).tolist():
        x, y = left + column * side, top + (row - 1) * side
        yield x, y, x, y + side
