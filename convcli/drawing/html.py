"""Pieces of HTML that show values in a notebook.

They set only the colours of cells, each with its ink, and inherit all others, so that they are legible on dark and on
light pages. Styles are inline, because notebooks remove style sheets.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from io import BytesIO

import numpy as np

from convcli.arrays import Array, planes_of
from convcli.drawing.fixed_numbers import fixed_numbers
from convcli.drawing.palette import INK, PAPER, is_bright, signed_colours, statistics

# Tensors with more planes, rows or columns are drawn as heatmaps.
MOST_PLANES, MOST_SIDE = 8, 12
_DIGITS = 4
_FAINT = "opacity:.7"
_TABLE = "border-collapse:collapse;margin:4px 0"
_CELL = "padding:2px 6px;border:0"
# Texts with a word are aligned at their left, and numbers at their right.
_WORD = re.compile("[a-z]{2}", re.IGNORECASE)


def card(title: str, *parts: str) -> str:
    """Return a value: its title, and the parts that show it."""
    return f'<div style="margin:4px 0"><div><b>{escape(title)}</b></div>{"".join(parts)}</div>'


def facts(members: Mapping[str, object]) -> str:
    """Return names and values in one line. Members that are None are left out."""
    shown = (f'<span style="{_FAINT}">{escape(name)}</span> {escape(str(value))}' for name, value in _known(members))
    return f"<div>{' &nbsp; '.join(shown)}</div>"


def code(text: str) -> str:
    """Return a formula, or another line of text of which every letter counts."""
    return f'<div style="font-family:monospace;background:none">{escape(text)}</div>'


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of texts."""
    head = "".join(f'<th style="{_CELL};text-align:left">{escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(map(_text_cell, row))}</tr>" for row in rows)
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def tensor(symbol: str, numbers: Array) -> str:
    """Return a tensor of any rank: its symbol, shape, and numbers on colours; a large one as a heatmap."""
    planes = planes_of(np.asarray(numbers, np.float64))
    if numbers.size == 0:
        return facts({symbol: f"{numbers.shape}, empty"})
    if len(planes) > MOST_PLANES or max(planes.shape[1:]) > MOST_SIDE:
        return _heatmap(symbol, numbers)
    fixed, limit = fixed_numbers(planes, _DIGITS), statistics(planes).limit
    texts = iter(fixed.texts)
    tables = "".join(_plane(plane, texts, limit, name) for plane, name in zip(planes, _names(numbers), strict=True))
    power = f" in {fixed.power}" if fixed.power else ""
    shape = f" ({', '.join(map(str, numbers.shape))}){power}" if numbers.ndim else power
    return (
        f'<div style="margin-top:4px">{escape(symbol)}<span style="{_FAINT}">{escape(shape)}</span></div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:12px">{tables}</div>'
    )


def picture(png: bytes, description: str) -> str:
    """Return a picture. description: for readers who do not see it."""
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(description)}" style="max-width:100%;margin:4px 0">'


def _known(members: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in members.items() if value is not None)


def _text_cell(text: str) -> str:
    side = "left" if _WORD.search(text) else "right"
    return f'<td style="{_CELL};text-align:{side}">{escape(text)}</td>'


def _names(numbers: Array) -> Iterator[str]:
    """Yield the index of each plane; nothing for the only one."""
    leading = numbers.shape[:-2]
    for index in np.ndindex(leading):
        yield f"[{', '.join(map(str, index))}]" if max(leading, default=1) > 1 else ""


def _plane(plane: Array, texts: Iterator[str], limit: float, name: str) -> str:
    colours = signed_colours(plane, limit)
    bright = is_bright(colours)
    rows = "".join(
        f"<tr>{''.join(_number(next(texts), *cell) for cell in zip(*row, strict=True))}</tr>"
        for row in zip(colours.tolist(), bright.tolist(), strict=True)
    )
    label = f'<div style="{_FAINT}">{name}</div>' if name else ""
    return f'<div>{label}<table style="{_TABLE}"><tbody>{rows}</tbody></table></div>'


def _number(text: str, colour: Sequence[int], bright: bool) -> str:
    ink = INK if bright else PAPER
    return f'<td style="{_CELL};text-align:right;background:rgb{tuple(colour)};color:rgb{ink}">{text}</td>'


def _heatmap(symbol: str, numbers: Array) -> str:
    # Imported here, because small tensors need no Pillow.
    import PIL.Image

    from convcli.drawing.heatmap_layout import SMALL
    from convcli.drawing.heatmaps import draw_heatmap

    stream = BytesIO()
    drawn = draw_heatmap(symbol, np.asarray(numbers, np.float64), bounds=SMALL)
    PIL.Image.fromarray(drawn).save(stream, "PNG", optimize=True)
    return picture(stream.getvalue(), f"heatmap of {symbol}, shape {numbers.shape}")
