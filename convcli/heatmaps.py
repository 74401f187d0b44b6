"""Signed tensors as pictures: one scale centred at 0, a panel for each index of the leading axes."""

import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import count
from math import ceil, isfinite, prod, sqrt
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.ImageOps

from convcli.arrays import Array, FloatArray, ends_of

Image = PIL.Image.Image

# ColorBrewer's RdBu (colorbrewer2.org), which readers blind to red or green tell apart: blue is below 0, red above.
# The blue end is a little bluer, for in a terminal of 256 colours RdBu's own becomes teal.
_STOPS = [
    (5, 40, 110), (33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (255, 255, 255),
    (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43), (103, 0, 31),
]  # fmt: skip
_STEPS = 255
NAN_COLOUR = (128, 128, 128)
PAPER = (255, 255, 255)
INK = (32, 32, 32)
FAINT = (110, 110, 110)
_FRAME = (200, 200, 200)


class Statistics(NamedTuple):
    """The least and greatest finite number, and how many are NaN and infinite."""

    low: float
    high: float
    nans: int = 0
    infinities: int = 0

    @property
    def limit(self) -> float:
        """The largest finite magnitude: the colours' scale goes from -limit to limit."""
        return max(abs(self.low), abs(self.high))


def statistics(values: Array) -> Statistics:
    """Of an array; 0 and 0 where no number is finite."""
    ends = ends_of(values)
    if all(map(isfinite, ends)):
        return Statistics(*ends)
    finite = np.isfinite(values)
    nans = int(np.count_nonzero(np.isnan(values)))
    if not finite.any():
        return Statistics(0.0, 0.0, nans, values.size - nans)
    low, high = (float(values[finite].min()), float(values[finite].max()))
    return Statistics(low, high, nans, values.size - nans - int(np.count_nonzero(finite)))


def signed_colours(values: Array, limit: float) -> Array:
    """``(..., 3)`` uint8: blue at -limit and below, white at 0, red at limit and above, gray for NaN."""
    levels = np.empty(values.shape, np.uint16)
    for source, target in zip(_blocks(values), _blocks(levels), strict=True):
        target[...] = _levels(source, limit)
    return _PALETTE[levels]


def draw_heatmap(title: str, tensor: FloatArray, letters: Sequence[str] = ()) -> Image:
    """An RGB picture of a tensor of any rank, with its title, least and greatest number and scale.

    The last two axes are a panel's rows and columns; a vector or a number is one row. ``letters`` names the axes.
    A tensor too large for a picture is averaged over blocks of pixels, and the picture says so.
    """
    found = statistics(tensor)
    layout = lay_out(tensor.shape)
    panels = draw_panels(layout.shrink(_as_planes(tensor)), layout, found.limit)
    lines = [f"min {found.low:.6g}   max {found.high:.6g}", *_remarks(found, layout, tensor.shape, letters)]
    bar = draw_scale(found.limit)
    return _stack([_words(title, 20), *(_words(line, 13, FAINT) for line in lines), panels, bar], 8, _MARGIN)


def stack_heatmaps(pictures: Sequence[Image]) -> Image:
    """One picture with the others below one another."""
    return pictures[0] if len(pictures) == 1 else _stack(pictures, _MARGIN, 0)


def to_png(picture: Image) -> bytes:
    """The bytes of a PNG file."""
    stream = BytesIO()
    # Runs alone: large gradients are noise, which zlib's search for repeats takes long over and gains nothing from.
    picture.save(stream, "png", compress_type=zlib.Z_RLE)
    return stream.getvalue()


class Layout(NamedTuple):
    """Where panels lie, and how large a number is drawn.

    leading: the axes that panels are numbered by.  across: panels in a line.  cell: ``(height, width)`` in pixels.
    block: ``(rows, columns)`` of numbers averaged into a cell.  gap: pixels between panels.  label: pixels above each
    for its index, 0 where that does not fit.
    """

    leading: tuple[int, ...]
    plane: tuple[int, int]
    across: int
    cell: tuple[int, int]
    block: tuple[int, int] = (1, 1)
    label: int = 0

    @property
    def panels(self) -> int:
        """How many there are."""
        return prod(self.leading)

    @property
    def down(self) -> int:
        """Lines of panels."""
        return ceil(self.panels / self.across)

    @property
    def gap(self) -> int:
        """Pixels between panels."""
        return 1 if min(self._panel) < 40 else 10

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self._panel
        return self.down * (height + self.label + self.gap) - self.gap, self.across * (width + self.gap) - self.gap

    @property
    def _panel(self) -> tuple[int, int]:
        rows, columns = (ceil(n / b) for n, b in zip(self.plane, self.block, strict=True))
        return rows * self.cell[0], columns * self.cell[1]

    def shrink(self, planes: Array) -> Array:
        """``(panels, rows, columns)`` with each block's mean in its place; at the edges, of what is there."""
        if self.block == (1, 1):
            return planes
        (height, width), (_, rows, columns) = self.block, planes.shape
        tops, lefts = np.arange(0, rows, height), np.arange(0, columns, width)
        counts = np.outer(np.diff([*tops, rows]), np.diff([*lefts, columns]))
        with np.errstate(invalid="ignore", over="ignore"):
            sums = [np.add.reduceat(np.add.reduceat(plane, tops, axis=0), lefts, axis=1) for plane in planes]
            means: Array = np.stack(sums) / counts
        return means


_CELLS = (64, 48, 40, 32, 24, 20, 16, 12, 10, 8, 6, 5, 4, 3, 2, 1)
# Pixels: cells are as large as these leave them, and never below one.
_PANEL_SIDE = 1000
_PICTURE_SIDE = 2000
_MOST_PIXELS = 24_000_000
_LONGEST_SIDE = 12_000
_ROW_HEIGHT = 24
_ONE_LINE = 3
_LABEL = 16
_LABEL_WIDTH = 60
_MARGIN = 16


def lay_out(shape: tuple[int, ...]) -> Layout:
    """The largest cells with which panels for a tensor of this shape, and all of them together, keep in bounds."""
    leading, plane = shape[:-2], ((1, 1, *shape)[-2], (1, 1, *shape)[-1])
    layout = next(filter(_in_bounds, _with_cells(leading, plane)), None)
    return layout or next(filter(_holdable, _with_blocks(leading, plane)))


def _with_cells(leading: tuple[int, ...], plane: tuple[int, int]) -> Iterator[Layout]:
    for cell in _CELLS:
        yield _arranged(_with_cell(leading, plane, cell))


def _with_blocks(leading: tuple[int, ...], plane: tuple[int, int]) -> Iterator[Layout]:
    """At one pixel a cell: each number, then means of ever larger blocks; at last a pixel a panel."""
    finest = _with_cell(leading, plane, 1)
    for side in count(1):
        yield _arranged(finest._replace(block=(min(side, plane[0]), min(side, plane[1]))))


def _with_cell(leading: tuple[int, ...], plane: tuple[int, int], side: int) -> Layout:
    """One panel a line; a single row of narrow cells is still high enough to be seen."""
    height = max(side, _ROW_HEIGHT) if prod(leading) * plane[0] == 1 else side
    labelled = bool(leading) and plane[1] * side >= _LABEL_WIDTH
    return Layout(leading, plane, 1, (height, side), label=_LABEL if labelled else 0)


def _arranged(layout: Layout) -> Layout:
    """The first half of the leading axes down, the others across; or in reading order if that is long and thin."""
    if layout.panels <= _ONE_LINE:
        return layout._replace(across=layout.panels)
    axes = [n for n in layout.leading if n > 1]
    natural = layout._replace(across=prod(axes[len(axes) // 2 :]))
    height, width = natural.size
    if len(axes) > 1 and max(height, width) <= 3 * min(height, width):
        return natural
    single_height, single_width = layout._replace(leading=()).size
    across = round(sqrt(layout.panels * 1.3 * single_height / single_width))
    return layout._replace(across=min(max(across, 1), layout.panels))


def _in_bounds(layout: Layout) -> bool:
    sides = [n * cell for n, cell in zip(layout.plane, layout.cell, strict=True)]
    return max(sides) <= _PANEL_SIDE and max(layout.size) <= _PICTURE_SIDE


def _holdable(layout: Layout) -> bool:
    fits = prod(layout.size) <= _MOST_PIXELS and max(layout.size) <= _LONGEST_SIDE
    return fits or layout.block == layout.plane


def draw_panels(planes: Array, layout: Layout, limit: float) -> Image:
    """The panels ``(panels, rows, columns)`` in their places, labelled, with numbers in the cells where they fit."""
    coloured = signed_colours(planes, limit)
    tiles = coloured.repeat(layout.cell[0], axis=1).repeat(layout.cell[1], axis=2)
    picture = PIL.ImageOps.expand(PIL.Image.fromarray(_mosaic(tiles, layout)), 1, _between(layout))
    draw = PIL.ImageDraw.Draw(picture)
    if layout.gap > 1:
        _write_frames(draw, layout)
    if layout.cell[1] >= 32:
        _write_numbers(draw, planes, coloured, layout)
    return picture


def draw_scale(limit: float) -> Image:
    """A bar of all colours from -limit to limit, with its numbers below; a limit of 0 has one colour."""
    width, height = 240, 14
    ramp = np.linspace(-1, 1, width)[np.newaxis] if limit else np.zeros((1, width))
    bar = PIL.Image.fromarray(signed_colours(ramp, 1.0).repeat(height, axis=0))
    picture = PIL.Image.new("RGB", (width + 2 * 40, height + 20), PAPER)
    picture.paste(bar, (40, 0))
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((39, 0, 40 + width, height), outline=_FRAME)
    marks = {40: f"{-limit:.4g}", 40 + width // 2: "0", 40 + width: f"{limit:.4g}"} if limit else {40 + width // 2: "0"}
    for x, words in marks.items():
        draw.text((x, height + 4), words, FAINT, _font(12), anchor="ma")
    return picture


def _levels(values: Array, limit: float) -> Array:
    """Places in the palette."""
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.clip(values / limit, -1, 1) if limit else np.sign(values).astype(float)
        places = np.rint(shares * _STEPS) + _STEPS
    return np.where(np.isnan(places), 2 * _STEPS + 1, places).astype(np.uint16)


def _palette() -> Array:
    """Colours from -1 to 1, and that of NaN."""
    at = np.linspace(-_STEPS, _STEPS, len(_STOPS))
    ramp = [np.interp(np.arange(-_STEPS, _STEPS + 1), at, channel) for channel in np.transpose(_STOPS)]
    return np.vstack([np.rint(np.transpose(ramp)), NAN_COLOUR]).astype(np.uint8)


_PALETTE = _palette()


def _blocks(values: Array) -> Iterator[Array]:
    """Views of an array, each of a size that keeps what is computed from it in cache."""
    if values.ndim < 2 or values.size <= 1 << 18:
        yield values
    elif values[0].size > 1 << 18:
        for part in values:
            yield from _blocks(part)
    else:
        rows = (1 << 18) // values[0].size
        for top in range(0, len(values), rows):
            yield values[top : top + rows]


def _as_planes(tensor: Array) -> Array:
    rows = np.atleast_2d(tensor)
    return rows.reshape(-1, *rows.shape[-2:])


def _mosaic(tiles: Array, layout: Layout) -> Array:
    """Tiles ``(panels, height, width, 3)`` in one ``(height, width, 3)``, each below the room for its label."""
    _, height, width, _ = tiles.shape
    lines = (layout.down, height + layout.label + layout.gap, layout.across, width + layout.gap, 3)
    mosaic = np.full(lines, _between(layout), np.uint8)
    for line in range(layout.down):
        part = tiles[line * layout.across : (line + 1) * layout.across]
        mosaic[line, layout.label : layout.label + height, : len(part), :width] = part.swapaxes(0, 1)
    rows, columns = layout.size
    whole = mosaic.reshape(rows + layout.gap, columns + layout.gap, 3)
    return np.ascontiguousarray(whole[:rows, :columns])


def _between(layout: Layout) -> tuple[int, int, int]:
    """What shows between panels: paper, or a line where there is room for no more."""
    return _FRAME if layout.gap == 1 else PAPER


def _write_frames(draw: PIL.ImageDraw.ImageDraw, layout: Layout) -> None:
    height, width = _single(layout)
    for number, (top, left) in enumerate(_corners(layout)):
        draw.rectangle((left - 1, top - 1, left + width, top + height), outline=_FRAME)
        if layout.label:
            index = ", ".join(map(str, np.unravel_index(number, layout.leading)))
            draw.text((left, top - 4), f"[{index}]", FAINT, _font(12), anchor="ls")


def _corners(layout: Layout) -> Iterator[tuple[int, int]]:
    """Top and left of each panel's first cell, in a picture with a frame of one pixel."""
    height, width = _single(layout)
    for number in range(layout.panels):
        line, place = divmod(number, layout.across)
        yield 1 + line * (height + layout.label + layout.gap) + layout.label, 1 + place * (width + layout.gap)


def _single(layout: Layout) -> tuple[int, int]:
    """Height and width of one panel without its label."""
    return layout._replace(leading=(), label=0, across=1).size


def _write_numbers(draw: PIL.ImageDraw.ImageDraw, planes: Array, coloured: Array, layout: Layout) -> None:
    """Each number in its cell, in black or white, if there is a size in which all of them fit."""
    words = [_short(value) for value in planes.ravel().tolist()]
    longest = max(words, key=len)
    fonts = [_font(size) for size in _SIZES if _font(size).getlength(longest) <= layout.cell[1] - 4]
    if not fonts:
        return
    inks = [INK if luma > 140 else PAPER for luma in (coloured.reshape(-1, 3) @ (0.299, 0.587, 0.114)).tolist()]
    height, width = layout.cell
    columns = planes.shape[2]
    for (top, left), first in zip(_corners(layout), range(0, planes.size, planes[0].size), strict=True):
        for place in range(planes[0].size):
            row, column = divmod(place, columns)
            centre = (left + column * width + width / 2, top + row * height + height / 2)
            draw.text(centre, words[first + place], inks[first + place], fonts[0], anchor="mm")


_SIZES = (16, 14, 12, 11, 10)


def _short(value: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _remarks(found: Statistics, layout: Layout, shape: tuple[int, ...], letters: Sequence[str]) -> Iterator[str]:
    if found.nans:
        yield f"{found.nans:,} NaN, drawn gray"
    if found.infinities:
        yield f"{found.infinities:,} infinite, drawn as the ends of the scale"
    if layout.block != (1, 1):
        yield f"each pixel is the mean of {layout.block[0]} x {layout.block[1]} numbers"
    if layout.panels > 1 and letters:
        yield _order(layout, letters)


def _order(layout: Layout, letters: Sequence[str]) -> str:
    """Which axes panels follow down and across."""
    axes = [(letter, n) for letter, n in zip(letters, layout.leading, strict=False) if n > 1]
    half = len(axes) // 2
    if len(axes) > 1 and layout.across == prod(n for _, n in axes[half:]):
        down, across = (", ".join(letter for letter, _ in part) for part in (axes[:half], axes[half:]))
        return f"panels: {down} down, {across} across"
    order = "across" if layout.down == 1 else "in reading order"
    return f"panels: {', '.join(letter for letter, _ in axes)} {order}"


def _words(text: str, size: int, ink: tuple[int, int, int] = INK) -> Image:
    font = _font(size)
    picture = PIL.Image.new("RGB", (ceil(font.getlength(text)), ceil(size * 1.2)), PAPER)
    PIL.ImageDraw.Draw(picture).text((0, 0), text, ink, font)
    return picture


def _font(size: int) -> "PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont":
    return PIL.ImageFont.load_default(size)


def _stack(pictures: Sequence[Image], gap: int, margin: int) -> Image:
    """Below one another, at the left."""
    width = max(picture.width for picture in pictures) + 2 * margin
    height = sum(picture.height + gap for picture in pictures) - gap + 2 * margin
    whole = PIL.Image.new("RGB", (width, height), PAPER)
    top = margin
    for picture in pictures:
        whole.paste(picture, (margin, top))
        top += picture.height + gap
    return whole
