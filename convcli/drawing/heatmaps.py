"""Draw signed tensors as heatmaps: one panel per index of the leading axes, and a bar that shows the scale."""

from collections.abc import Iterator, Sequence
from math import ceil, prod
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.ImageOps

from convcli.arrays import Array, FloatArray, planes_of
from convcli.drawing.fixed_numbers import FixedNumbers, fixed_numbers
from convcli.drawing.heatmap_layout import LARGE, Bounds, Layout, lay_out
from convcli.drawing.palette import INK, PAPER, Statistics, is_bright, signed_colours, statistics

FAINT = (110, 110, 110)
_FRAME = (200, 200, 200)
_MARGIN = 16
_SIZES = (16, 14, 12, 11, 10)
_DIGITS = (3, 2)
_LEAST_CELL = 32
_WIDEST_ROW = 2400
_Font = PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont


def draw_heatmap(name: str, tensor: FloatArray, letters: Sequence[str] = (), bounds: Bounds = LARGE) -> Array:
    """Return a picture ``(H, W, 3)``, uint8, of a tensor of any rank, with its name, shape, extremes and scale.

    The last two axes are a panel's rows and columns; a vector or a number is one row. ``letters`` names the axes.
    A tensor too large for a picture is averaged over blocks of pixels, and the picture says so.
    """
    summary = statistics(tensor)
    layout = lay_out(tensor.shape, bounds)
    planes = layout.shrink(planes_of(tensor))
    panels = draw_panels(planes, layout, summary.limit)
    title = f"{name}  ({', '.join(map(str, tensor.shape))})"
    lines, bar = [*_remarks(summary, layout, letters), *_power(planes, layout)], []
    if summary.nans + summary.infinities < tensor.size:
        lines.insert(0, f"min {summary.low:.6g}   max {summary.high:.6g}")
        bar = [draw_scale(summary.limit)]
    captions = [_caption(title, 20), *(_caption(line, 13, FAINT) for line in lines)]
    return np.asarray(_stack([*captions, panels, *bar], 8, _MARGIN))


def tile_heatmaps(pictures: Sequence[Array]) -> Array:
    """Return one picture of several, side by side in rows that are as wide as a large heatmap at most."""
    rows: list[list[PIL.Image.Image]] = []
    for picture in map(PIL.Image.fromarray, pictures):
        if not rows or sum(each.width for each in rows[-1]) + picture.width > _WIDEST_ROW:
            rows.append([])
        rows[-1].append(picture)
    return np.asarray(_stack([_beside(row) for row in rows], _MARGIN, 0))


def stack_heatmaps(pictures: Sequence[Array]) -> Array:
    """Return one picture of several, one below the other."""
    if len(pictures) == 1:
        return pictures[0]
    return np.asarray(_stack([PIL.Image.fromarray(picture) for picture in pictures], _MARGIN, 0))


def draw_panels(planes: Array, layout: Layout, limit: float) -> PIL.Image.Image:
    """Return the panels ``(panels, rows, columns)`` in their places, with labels, and numbers in cells if they fit."""
    coloured = signed_colours(planes, limit)
    panels = coloured.repeat(layout.cell[0], axis=1).repeat(layout.cell[1], axis=2)
    picture = PIL.ImageOps.expand(PIL.Image.fromarray(_mosaic(panels, layout)), 1, _colour_between(layout))
    draw = PIL.ImageDraw.Draw(picture)
    if layout.gap > 1:
        _write_frames(draw, layout)
    numbers = _fitting_numbers(planes, layout)
    if numbers:
        _write_numbers(draw, numbers, coloured, layout)
    return picture


def draw_scale(limit: float) -> PIL.Image.Image:
    """Return a bar of all colours from -limit to limit, with numbers below it; for a limit of 0 it has one colour."""
    width, height = 240, 14
    ramp = np.linspace(-1, 1, width)[np.newaxis] if limit else np.zeros((1, width))
    bar = PIL.Image.fromarray(signed_colours(ramp, 1.0).repeat(height, axis=0))
    picture = PIL.Image.new("RGB", (width + 2 * 40, height + 20), PAPER)
    picture.paste(bar, (40, 0))
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((39, 0, 40 + width, height), outline=_FRAME)
    marks = {40: f"{-limit:.4g}", 40 + width // 2: "0", 40 + width: f"{limit:.4g}"} if limit else {40 + width // 2: "0"}
    for x, label in marks.items():
        draw.text((x, height + 4), label, FAINT, _font(12), anchor="ma")
    return picture


def _mosaic(panels: Array, layout: Layout) -> Array:
    """Return one picture ``(height, width, 3)`` of panels ``(panels, height, width, 3)`` with room for labels."""
    _, height, width, _ = panels.shape
    lines = (layout.down, height + layout.label + layout.gap, layout.across, width + layout.gap, 3)
    mosaic = np.full(lines, _colour_between(layout), np.uint8)
    for line in range(layout.down):
        row = panels[line * layout.across : (line + 1) * layout.across]
        mosaic[line, layout.label : layout.label + height, : len(row), :width] = row.swapaxes(0, 1)
    rows, columns = layout.size
    whole = mosaic.reshape(rows + layout.gap, columns + layout.gap, 3)
    return np.ascontiguousarray(whole[:rows, :columns])


def _colour_between(layout: Layout) -> tuple[int, int, int]:
    """Return the colour between panels: a line's colour if there is only room for a line, otherwise the paper's."""
    return _FRAME if layout.gap == 1 else PAPER


def _write_frames(draw: PIL.ImageDraw.ImageDraw, layout: Layout) -> None:
    height, width = _single(layout)
    for number, (top, left) in enumerate(_corners(layout)):
        draw.rectangle((left - 1, top - 1, left + width, top + height), outline=_FRAME)
        if layout.label:
            index = ", ".join(map(str, np.unravel_index(number, layout.leading)))
            draw.text((left, top - 4), f"[{index}]", FAINT, _font(12), anchor="ls")


def _corners(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield the top and left of each panel's first cell, in a picture with a frame of one pixel."""
    height, width = _single(layout)
    for number in range(layout.panels):
        line, place = divmod(number, layout.across)
        yield 1 + line * (height + layout.label + layout.gap) + layout.label, 1 + place * (width + layout.gap)


def _single(layout: Layout) -> tuple[int, int]:
    """Return the height and width of one panel without its label."""
    return layout._replace(leading=(), label=0, across=1).size


class _CellNumbers(NamedTuple):
    """The numbers of all cells, and a font in which they fit."""

    numbers: FixedNumbers
    font: _Font


def _fitting_numbers(planes: Array, layout: Layout) -> _CellNumbers | None:
    """Return the numbers of all cells, with as many digits and as large as fit; None if they do not fit."""
    if layout.cell[1] < _LEAST_CELL:
        return None
    for digits in _DIGITS:
        numbers = fixed_numbers(planes, digits)
        longest = max(numbers.texts, key=len, default="")
        for font in map(_font, _SIZES):
            # In narrower gaps, the numbers of neighbours run into each other.
            if font.getlength(longest) <= layout.cell[1] - 2 * font.getlength("0"):
                return _CellNumbers(numbers, font)
    return None


def _write_numbers(draw: PIL.ImageDraw.ImageDraw, found: _CellNumbers, coloured: Array, layout: Layout) -> None:
    """Write each number into its cell, in black or white."""
    inks = [INK if bright else PAPER for bright in is_bright(coloured).ravel().tolist()]
    height, width = layout.cell
    _, rows, columns, _ = coloured.shape
    for number, (top, left) in enumerate(_corners(layout)):
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            centre = (left + column * width + width / 2, top + row * height + height / 2)
            cell = number * rows * columns + place
            draw.text(centre, found.numbers.texts[cell], inks[cell], found.font, anchor="mm")


def _power(planes: Array, layout: Layout) -> Iterator[str]:
    """Yield a line that says which power of ten the numbers in the cells are multiplied by, unless it is 1."""
    found = _fitting_numbers(planes, layout)
    if found and found.numbers.power:
        yield f"numbers in cells: times {found.numbers.power}"


def _remarks(summary: Statistics, layout: Layout, letters: Sequence[str]) -> Iterator[str]:
    if summary.nans:
        yield f"{summary.nans:,} NaN, drawn gray"
    if summary.infinities:
        yield f"{summary.infinities:,} infinite, drawn as the ends of the scale"
    if layout.block != (1, 1):
        yield f"each pixel is the mean of {layout.block[0]} x {layout.block[1]} numbers"
    if layout.panels > 1 and letters:
        yield _order(layout, letters)


def _order(layout: Layout, letters: Sequence[str]) -> str:
    """Return a line that names the axes along which panels run down and across."""
    axes = [(letter, n) for letter, n in zip(letters, layout.leading, strict=False) if n > 1]
    half = len(axes) // 2
    if len(axes) > 1 and layout.across == prod(n for _, n in axes[half:]):
        down, across = (", ".join(letter for letter, _ in part) for part in (axes[:half], axes[half:]))
        return f"panels: {down} down, {across} across"
    order = "across" if layout.down == 1 else "in reading order"
    return f"panels: {', '.join(letter for letter, _ in axes)} {order}"


def _caption(text: str, size: int, ink: tuple[int, int, int] = INK) -> PIL.Image.Image:
    font = _font(size)
    picture = PIL.Image.new("RGB", (ceil(font.getlength(text)), ceil(size * 1.2)), PAPER)
    PIL.ImageDraw.Draw(picture).text((0, 0), text, ink, font)
    return picture


def _font(size: int) -> _Font:
    return PIL.ImageFont.load_default(size)


def _beside(pictures: Sequence[PIL.Image.Image]) -> PIL.Image.Image:
    """Return one picture of several, side by side and aligned at the top."""
    whole = PIL.Image.new("RGB", (sum(each.width for each in pictures), max(each.height for each in pictures)), PAPER)
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


def _stack(pictures: Sequence[PIL.Image.Image], gap: int, margin: int) -> PIL.Image.Image:
    """Return one picture of several, one below the other and aligned at the left."""
    width = max(picture.width for picture in pictures) + 2 * margin
    height = sum(picture.height + gap for picture in pictures) - gap + 2 * margin
    whole = PIL.Image.new("RGB", (width, height), PAPER)
    top = margin
    for picture in pictures:
        whole.paste(picture, (margin, top))
        top += picture.height + gap
    return whole
