"""A walk as text: panels side by side, or below each other where they do not fit into a line."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import NamedTuple

from rich.text import Text

from convcli.cli.text.screen import NARROW_WIDTH_OF_FILES, console_for, printed_lines, sign_style
from convcli.drawing.scenes import Cell, Panel, Scene, Story, cell_text
from convcli.errors import GeometryError

_GAP = "  "
_UNKNOWN = "."
# What stands around a number, by whether its cell is marked and whether it lies in the padding.
_AROUND = {(False, False): "  ", (True, False): "[]", (False, True): "()", (True, True): "{}"}
_MEANINGS = {(True, False): "[ ] this step", (False, True): "( ) padding", (True, True): "{ } both"}


def walk_text(story: Story, *, plain: bool) -> Iterator[str]:
    """Yield the lines: the heading, what the brackets mean, and the scenes.

    Raises GeometryError if a panel is wider than a line.
    """
    console = console_for(NARROW_WIDTH_OF_FILES, plain=plain)
    widths = _number_widths(story)
    for scene in story.scenes[:1]:
        _require_room(scene, widths, console.width)
    return printed_lines(console, _lines(story, widths, console.width))


# The width of the numbers in the panels of a column, by the number of panels in their line and by their place in it.
_Widths = Mapping[tuple[int, int], int]


class _Block(NamedTuple):
    """A panel as lines of text, which are all equally long."""

    name: str
    width: int
    lines: list[Text]


def _number_widths(story: Story) -> _Widths:
    widths: dict[tuple[int, int], int] = {}
    for scene in story.scenes:
        for line in scene.lines:
            for place, panel in enumerate(line):
                longest = max(len(_number(cell)) for row in panel.cells for cell in row)
                widths[len(line), place] = max(longest, widths.get((len(line), place), 0))
    return widths


def _require_room(scene: Scene, widths: _Widths, room: int) -> None:
    for block in (block for line in scene.lines for block in _blocks(line, widths)):
        if block.width > room:
            raise GeometryError(
                f"{block.name} takes {block.width} characters per line, and a line has {room}: crop the image, or "
                "draw it, as in `output` walk.svg"
            )


def _lines(story: Story, widths: _Widths, room: int) -> Iterator[Text]:
    for text in story.heading:
        yield Text(text, style="dim")
    kinds = {(cell.is_marked, cell.is_padding) for cell in _cells(story)}
    yield Text("   ".join(meaning for kind, meaning in _MEANINGS.items() if kind in kinds), style="dim")
    for scene in story.scenes:
        yield Text()
        yield Text(scene.title, style="bold")
        for line in scene.lines:
            yield from _beside(_blocks(line, widths), room)
        for caption in scene.captions:
            yield Text(caption)


def _cells(story: Story) -> Iterator[Cell]:
    panels = (panel for scene in story.scenes for line in scene.lines for panel in line)
    return (cell for panel in panels for row in panel.cells for cell in row)


def _blocks(line: tuple[Panel, ...], widths: _Widths) -> list[_Block]:
    return [_block(panel, widths[len(line), place]) for place, panel in enumerate(line)]


def _block(panel: Panel, digits: int) -> _Block:
    indent = f"{panel.sign} " if panel.sign else ""
    width = len(indent) + max(len(panel.name), panel.shape[1] * (digits + 2))
    lines = [Text(indent, style="dim").append(panel.name, style="not dim bold")]
    for row in panel.cells:
        lines.append(Text(" " * len(indent)))
        for cell in row:
            lines[-1].append_text(_cell(cell, digits, panel.limit))
    for text in lines:
        text.pad_right(width - len(text))
    return _Block(panel.name, width, lines)


def _cell(cell: Cell, digits: int, limit: float) -> Text:
    around = _AROUND[cell.is_marked, cell.is_padding]
    return Text(f"{around[0]}{_number(cell)}{around[1]}".rjust(digits + 2), style=_style(cell, limit))


def _number(cell: Cell) -> str:
    return _UNKNOWN if cell.value is None else cell_text(cell.value)


def _style(cell: Cell, limit: float) -> str:
    if cell.value is None or (cell.is_padding and not cell.is_marked):
        return "dim"
    style = sign_style(cell.value, limit)
    return f"reverse {'' if style == 'dim' else style}".strip() if cell.is_marked else style


def _beside(blocks: Iterable[_Block], room: int) -> Iterator[Text]:
    """Yield lines that hold the blocks side by side, as many as fit."""
    row: list[_Block] = []
    for block in blocks:
        if row and sum(each.width + len(_GAP) for each in row) + block.width > room:
            yield from _joined(row)
            row = []
        row.append(block)
    yield from _joined(row)


def _joined(row: list[_Block]) -> Iterator[Text]:
    for parts in zip_longest(*(block.lines for block in row)):
        filled = [Text(" " * block.width) if part is None else part for block, part in zip(row, parts, strict=True)]
        line = Text(_GAP).join(filled)
        line.rstrip()
        yield line
