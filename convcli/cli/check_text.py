"""Checks and comparisons as text for people."""

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from convcli.checking import Check, Place
from convcli.cli.screen import UNBOUNDED_WIDTH, captured, console_for
from convcli.comparison import Comparison
from convcli.formulas import SYMBOLS

PLACES_SHOWN = 12


def checks_text(checks: Iterable[Check]) -> str:
    """A line a check, and then which entries were looked at."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "against", "looked at", "worst error", "relative", "at", ""):
        table.add_column(heading, no_wrap=True)
    checks = list(checks)
    for check in checks:
        table.add_row(*_check_cells(check))
    samples = list(_samples(checks))
    blank = [Text()] if samples else []
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), [table, *blank, *samples], wrap=True)


def _check_cells(check: Check) -> Iterator[Text]:
    yield Text(check.tensor, style="bold")
    yield Text(check.against)
    unit = "entries" if check.places else "random probes"
    yield Text(f"{check.looked_at:,} of {check.size:,} {unit}" if check.places else f"{check.looked_at} {unit}")
    yield Text(f"{check.absolute:.3g}" if check.places else "")
    yield Text(f"{check.relative:.3g}")
    yield Text("" if check.worst is None else _place(check.worst))
    yield Text("holds", style="green") if check.holds else Text("DOES NOT HOLD", style="bold red")


def _samples(checks: Iterable[Check]) -> Iterator[Text]:
    for check in checks:
        if 0 < check.looked_at < check.size:
            places = " ".join(_place(place) for place in check.places[:PLACES_SHOWN])
            more = f" and {len(check.places) - PLACES_SHOWN:,} more" if len(check.places) > PLACES_SHOWN else ""
            yield Text(f"looked at {check.tensor}{places.replace(' ', f' {check.tensor}')}{more}", style="dim")


def comparisons_text(comparisons: Iterable[Comparison]) -> str:
    """Of each tensor, whether it is ours, where it differs most, and what would make ours it."""
    lines = [Text(line) for comparison in comparisons for line in _comparison_lines(comparison)]
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), lines)


def _comparison_lines(found: Comparison) -> Iterator[str]:
    symbol = SYMBOLS[found.tensor]
    difference = _difference(found, symbol)
    if found.holds:
        yield f"your {symbol} equals ours: {difference}"
        return
    yield f"your {symbol} is not ours: {difference}"
    if found.confusion is None:
        yield "no usual confusion explains it"
    else:
        yield f"your {symbol} equals ours {found.confusion}"


def _difference(found: Comparison, symbol: str) -> str:
    if found.worst is None:
        return f"its shape is {found.their_shape}, ours is {found.our_shape}"
    at = f"{symbol}{_place(found.worst)}"
    return (
        f"they differ by {found.absolute:.3g} at most ({found.relative:.3g} of our largest), at {at}, "
        f"which is {found.theirs:.10g} in yours and {found.ours:.10g} in ours"
    )


def _place(at: Place) -> str:
    return f"[{','.join(map(str, at))}]" if at else ""
