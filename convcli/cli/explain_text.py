"""The sum behind a number as text for people: a line a term, aligned, with signed colour on a terminal."""

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from convcli.arrays import IntArray
from convcli.cli.screen import UNBOUNDED_WIDTH, captured, console_for
from convcli.explanation import Explanation
from convcli.formulas import SYMBOLS
from convcli.padding import OUTSIDE, EdgeFill
from convcli.terms import Factor, Pixels, Terms

PLACES_SHOWN = 6
LINES_AT_ONCE = 4096


def explanation_text(found: Explanation, edge: EdgeFill, ordinals: IntArray) -> str:
    """The formula, the same with numbers, the terms that have these ordinals, and the sum."""
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), _lines(found, edge, ordinals))


def _lines(found: Explanation, edge: EdgeFill, ordinals: IntArray) -> Iterator[Text]:
    yield Text(found.formula, style="dim")
    if found.equation != found.formula:
        yield Text(found.equation, style="bold")
    yield from map(Text, _whereabouts(found, edge))
    yield Text()
    for part, left_out in _parts(found, ordinals):
        if left_out:
            yield Text(f"  ... {left_out:,} terms between, which --all prints", style="dim")
        yield from _rows(found.terms(part), edge)
    if found.bias is not None:
        yield Text("  b = ").append(_number(found.bias), style=_style(found.bias))
    if found.size:
        yield Text()
    count = f"  the sum of {found.size:,} term{'s' * (found.size != 1)}{' and b' * (found.bias is not None)}"
    total = Text(_number(found.total), style=_style(found.total))
    yield Text(f"{SYMBOLS[found.of]}{_place(found.at)} = ", style="bold").append_text(total).append(count, style="dim")


def _whereabouts(found: Explanation, edge: EdgeFill) -> Iterator[str]:
    """Of a pixel: where it stands in V', and whether anything reads it there."""
    if found.padded is None:
        return
    rows, columns = found.padded
    places = [f"V'[{found.at[0]},{row},{column}]" for row in rows for column in columns]
    more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
    copied = f", copied by {edge}" if len(places) > 1 else ""
    yield f"V{_place(found.at)} stands at {', '.join(places[:PLACES_SHOWN])}{more}{copied}"
    if not found.size:
        yield "no window reads it: the stride and dilation pass it by, so that its gradient is 0"


def _parts(found: Explanation, ordinals: IntArray) -> Iterator[tuple[IntArray, int]]:
    """The ordinals, in runs short enough to be laid out together, each with how many terms are left out before it."""
    jumps = np.flatnonzero(np.diff(ordinals) > 1) + 1
    cuts = np.union1d(jumps, np.arange(LINES_AT_ONCE, len(ordinals), LINES_AT_ONCE))
    following = 0
    for part in np.split(ordinals, cuts):
        if len(part):
            yield part, int(part[0]) - following
            following = int(part[-1]) + 1


def _rows(terms: Terms, edge: EdgeFill) -> Iterator[Text]:
    """A line a term: its indices, then factor * factor = product."""
    columns = [[f"{letter}={value}" for value in values.tolist()] for letter, values in terms.indices.items()]
    for number, factor in enumerate(terms.factors):
        columns += _factor_columns(factor, edge, times="* " if number else "")
    products = terms.products.tolist()
    if len(terms.factors) > 1:
        columns.append([f"= {_number(product)}" for product in products])
    for product, line in zip(products, map("  ".join, zip(*map(_aligned, columns), strict=True)), strict=True):
        yield Text(f"  {line.rstrip()}", style=_style(product))


def _factor_columns(factor: Factor, edge: EdgeFill, times: str) -> Iterator[list[str]]:
    places = _aligned([f"{times}{factor.symbol}{_place(place)}" for place in factor.places.tolist()])
    values = _aligned([_number(value) for value in factor.values.tolist()], right=True)
    yield [f"{place} = {value}" for place, value in zip(places, values, strict=True)]
    if factor.pixels is not None:
        yield _origins(factor.pixels, edge)


def _aligned(cells: list[str], *, right: bool = False) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _origins(pixels: Pixels, edge: EdgeFill) -> list[str]:
    """Which pixel of V a pixel of V' is, or which fill."""
    return [
        _origin(source, in_pads, edge)
        for source, in_pads in zip(pixels.sources.tolist(), pixels.in_pads.tolist(), strict=True)
    ]


def _origin(source: list[int], in_pads: bool, edge: EdgeFill) -> str:
    if OUTSIDE in source:
        return f"padding: {edge}"
    return f"padding: {edge} of V{_place(source)}" if in_pads else f"is V{_place(source)}"


def _place(at: list[int] | tuple[int, ...]) -> str:
    return f"[{','.join(map(str, at))}]" if at else ""


def _number(value: float) -> str:
    return f"{value:z.10g}"


def _style(value: float) -> str:
    return "dim" if value == 0 else "red" if value > 0 else "blue"
