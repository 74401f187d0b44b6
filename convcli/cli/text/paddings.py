"""The paddings of a convolution as text for people: a table of widths, and pictures of the counts."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from rich.text import Text

from convcli.arrays import IntArray
from convcli.cli.text.screen import NARROW_WIDTH_OF_FILES, aligned, captured, console_for, sign_style
from convcli.convolution.paddings import Padding, ends_of, widths_of
from convcli.geometry.axes import Axis
from convcli.geometry.coverage import sights, uses

HEADINGS = ("padding", "pads", "padded", "output", "pixel used by", "output sees")
GAP = 3
# The most rows of a picture.
ROWS = 9


def paddings_text(paddings: list[Padding]) -> str:
    """Return a table per axis, or one if they are equal, and pictures of the named paddings side by side."""
    console = console_for(NARROW_WIDTH_OF_FILES, plain=False)
    drawn = [padding for padding in paddings if padding.name and padding.has_outputs]
    return captured(console, [*_tables(paddings), *_pictures(drawn, console.width)])


def _tables(paddings: list[Padding]) -> Iterator[Text]:
    if all(padding.rows == padding.columns for padding in paddings):
        yield from _table("rows and columns", [(padding.name, padding.rows) for padding in paddings])
        return
    yield from _table("rows", [(padding.name, padding.rows) for padding in paddings])
    yield Text()
    yield from _table("columns", [(padding.name, padding.columns) for padding in paddings])


def _table(name: str, paddings: list[tuple[str, Axis]]) -> Iterator[Text]:
    axis = paddings[0][1]
    taps = f"{axis.taps} tap{'s' * (axis.taps > 1)}"
    head = f"{name}: m = {axis.size} pixels, k = {taps}, s = {axis.stride}, d = {axis.dilation}"
    yield Text(head, style="bold")
    columns = zip(HEADINGS, *(_cells(padding, axis) for padding, axis in paddings), strict=True)
    headings, *rows = zip(*(aligned(list(column)) for column in columns), strict=True)
    yield Text("  ".join(headings).rstrip(), style="dim")
    for row in rows:
        yield Text("  ".join(row).rstrip())


def _cells(padding: str, axis: Axis) -> tuple[str, ...]:
    formulas = widths_of(padding, axis)
    return (
        padding,
        f"{axis.before} + {axis.after}",
        f"{formulas.padded} = {axis.padded}",
        f"{formulas.output} = {axis.output}" if axis.output > 0 else "none: the kernel is larger",
        _ends(uses(axis), "output"),
        _ends(sights(axis), "pixel"),
    )


def _ends(counts: IntArray, unit: str) -> str:
    ends = ends_of(counts)
    if ends is None:
        return ""
    few, many = ends
    return f"{few} {unit}{'s' * (few != 1)}" if few == many else f"{few}..{many} {unit}s"


def _pictures(paddings: list[Padding], width: int) -> Iterator[Text]:
    """Yield the counts of each pixel, and below those of each output, of all paddings side by side."""
    column = (width - GAP * (len(paddings) - 1)) // max(1, len(paddings))
    titles = {
        "How many outputs use each pixel:": uses,
        "How many pixels each output sees, because its other taps lie in the padding:": sights,
    }
    for title, count in titles.items():
        yield Text(f"\n{title}", style="bold")
        yield _beside([Text(padding.name, style="dim") for padding in paddings], column)
        pictures = [list(_picture(count(padding.rows), count(padding.columns), column)) for padding in paddings]
        for cells in zip_longest(*pictures, fillvalue=Text()):
            yield _beside(cells, column)


def _beside(cells: Iterable[Text], width: int) -> Text:
    line = Text()
    for number, cell in enumerate(cells):
        line.pad_right(number * (width + GAP) - len(line))
        line.append_text(cell)
    return line


def _picture(rows: IntArray, columns: IntArray, width: int) -> Iterator[Text]:
    """Yield the rows of the products of both counts; those in the middle that have no room become dots."""
    most = int(rows.max()) * int(columns.max())
    cell = len(str(most)) + 1
    for row in _shown(len(rows), ROWS):
        line = Text()
        for column in _shown(len(columns), width // cell):
            if row is None or column is None:
                line.append(f"{'.':>{cell}}", style="dim")
            else:
                count = int(rows[row] * columns[column])
                line.append(f"{count:>{cell}}", style=sign_style(count, most))
        yield line


def _shown(size: int, room: int) -> list[int | None]:
    """Return the indices that are shown, with None for those that are not."""
    if size <= room:
        return list(range(size))
    first = room // 2
    return [*range(first), None, *range(size - (room - first - 1), size)]
