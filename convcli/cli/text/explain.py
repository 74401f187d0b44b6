"""The sum behind a number as text for people: one aligned line per term, on a terminal coloured by its sign."""

from collections.abc import Iterator
from math import isfinite

from rich.console import Console
from rich.text import Text

from convcli.arrays import cut
from convcli.cli.text.screen import UNBOUNDED_WIDTH, aligned, console_for, folded, printed_lines, sign_style
from convcli.convolution.formulas import Formulas
from convcli.explain.derivations import PaddedPlaces
from convcli.explain.explanation import Explanation
from convcli.explain.largest import Selection
from convcli.explain.terms import Factor, Terms
from convcli.explain.wording import number_text, origins, others_text, place_text
from convcli.geometry.fills import EdgeFill
from convcli.names import SYMBOLS

PLACES_SHOWN = 6
LINES_AT_ONCE = 4096
# The digits of numbers, and whether the indices of the sum are shown: the first form that fits the screen is used.
_FORMS = ((10, True), (6, True), (6, False), (4, False))


def explanation_text(found: Explanation, shown: Selection, *, plain: bool) -> Iterator[str]:
    """Yield the lines: the formula, the formula with this number's indices, the terms to show, and the sum."""
    console = console_for(UNBOUNDED_WIDTH, plain=plain)
    return printed_lines(console, _lines(found, shown, console))


def _lines(found: Explanation, shown: Selection, console: Console) -> Iterator[Text]:
    yield from folded(console, Text(found.formula, style="dim"))
    if found.equation != found.formula:
        yield from folded(console, Text(found.equation, style="bold"))
    for places in _padded_places(found):
        yield from folded(console, Text(places))
    yield Text()
    others = found.size - len(shown.numbers)
    if others:
        yield Text(_heading(found.size, shown), style="dim")
    for part in cut(range(len(shown.numbers)), LINES_AT_ONCE):
        terms = found.terms(shown.numbers[part.start : part.stop])
        yield from _fitting_rows(terms, found.edge, found.formulas, console.width)
    if others:
        yield Text(f"  {others_text(others)} = ").append_text(_signed(shown.rest))
    if found.bias is not None:
        yield Text(f"  {found.bias_symbol} = ").append_text(_signed(found.bias))
    if found.size:
        yield Text()
    bias = "" if found.bias is None else f" and {found.bias_symbol}"
    count = f"  the sum of {found.size:,} term{'s' * (found.size != 1)}{bias}"
    head = Text(f"{SYMBOLS[found.of]}{place_text(found.of, found.letters, found.at, found.formulas)} = ", style="bold")
    yield head.append_text(_signed(found.total)).append(count, style="dim")


def _heading(size: int, shown: Selection) -> str:
    carried = "" if shown.share is None else f", {_percentage(shown.share)} of all magnitudes"
    count = f"{len(shown.numbers):,} " * (len(shown.numbers) > 1)
    return f"  the {count}largest of {size:,} terms{carried}; --all shows all"


def _percentage(share: float) -> str:
    """Return a share in percent, with two digits; 100% only for all."""
    return f"{min(100 * share, 99.99):.3g}%" if share < 1 else "100%"


def _padded_places(found: Explanation) -> Iterator[str]:
    """Yield the places in V' of a pixel and its copies, and a line that says so if no window reads them."""
    if found.padded is None:
        return
    if found.formulas.padded:
        yield _copies(found, found.padded)
    if not found.size:
        verb, result = ("writes", "no term adds to it") if found.transposed else ("reads", "its gradient is 0")
        yield f"no window {verb} it, because the stride and dilation skip it: {result}"


def _copies(found: Explanation, padded: PaddedPlaces) -> str:
    def place(symbol: str, row: int, column: int) -> str:
        return f"{symbol}{place_text(found.of, found.letters, (*found.at[:-2], row, column), found.formulas)}"

    symbol, reason = "V", f"copied by {found.edge}"
    if found.transposed:
        symbol, reason = "Z", f"which the adjoint of {found.edge} adds up"
    places = [place(f"{symbol}'", row, column) for row in padded.rows for column in padded.columns]
    more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
    copied = f", {reason}" if len(places) > 1 else ""
    return f"{place(symbol, *found.at[-2:])} is at {', '.join(places[:PLACES_SHOWN])}{more}{copied}"


def _fitting_rows(terms: Terms, edge: EdgeFill, formulas: Formulas, width: int) -> Iterator[Text]:
    """Yield a line per term, with as many digits as fit the width, and a line that says so if numbers are rounded.

    If even few digits do not fit, the indices of the sum are left out, because those of its factors hold them.
    """
    for digits, with_indices in _FORMS:
        rows = list(_rows(terms, edge, formulas, digits, with_indices=with_indices))
        if max((len(row.plain) for row in rows), default=0) <= width:
            break
    yield from rows
    if digits == _FORMS[0][0]:
        return
    numbers = [terms.products, *(factor.values for factor in terms.factors)]
    if any(number_text(value) != number_text(value, digits) for array in numbers for value in array.tolist()):
        yield Text(f"  (rounded to {digits} digits to fit the screen; --json shows all)", style="dim")


def _rows(terms: Terms, edge: EdgeFill, formulas: Formulas, digits: int, *, with_indices: bool) -> Iterator[Text]:
    """Yield a line per term: its indices, then factor * factor = product."""
    letters = formulas.kept(terms.indices) if with_indices else []
    columns = [[f"{letter}={value}" for value in terms.indices[letter].tolist()] for letter in letters]
    for number, factor in enumerate(terms.factors):
        columns += _factor_columns(factor, edge, formulas, digits, times="* " if number else "")
    products = terms.products.tolist()
    scale = max((abs(product) for product in products if isfinite(product)), default=0.0)
    if len(terms.factors) > 1:
        numbers = aligned([number_text(product, digits) for product in products], right=True)
        columns.append([f"= {number}" for number in numbers])
    for product, line in zip(products, map("  ".join, zip(*map(aligned, columns), strict=True)), strict=True):
        yield Text(f"  {line.rstrip()}", style=sign_style(product, scale))


def _factor_columns(factor: Factor, edge: EdgeFill, formulas: Formulas, digits: int, times: str) -> Iterator[list[str]]:
    def text(place: list[int]) -> str:
        return place_text(factor.symbol, factor.letters, place, formulas)

    places = aligned([f"{times}{factor.symbol}{text(place)}" for place in factor.at.tolist()])
    values = aligned([number_text(value, digits) for value in factor.values.tolist()], right=True)
    yield [f"{place} = {value}" for place, value in zip(places, values, strict=True)]
    if factor.pixels is not None and formulas.padded:
        yield list(origins(factor, edge, formulas))


def _signed(value: float) -> Text:
    return Text(number_text(value), style=sign_style(value, abs(value)))
