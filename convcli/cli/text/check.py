"""Checks and comparisons as text for people."""

from collections.abc import Collection, Iterable, Iterator

from rich.text import Text

from convcli.check.comparison import Comparison
from convcli.check.gradcheck import Check
from convcli.cli.text.screen import UNBOUNDED_WIDTH, aligned, captured, console_for, place_text
from convcli.convolution.names import SYMBOLS

PLACES_SHOWN = 12
HEADINGS = ("", "", "against", "looked at", "worst error", "relative", "at")


def checks_text(checks: Collection[Check]) -> str:
    """A line a check, and then which entries were looked at."""
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), [*_table(checks), *_samples(checks)])


def _table(checks: Collection[Check]) -> Iterator[Text]:
    """What fits no terminal goes on in its next line: nothing is left out."""
    columns = zip(HEADINGS, *(_cells(check) for check in checks), strict=True)
    head, *rows = zip(*(aligned(list(column)) for column in columns), strict=True)
    yield Text("  ".join(head).rstrip(), style="dim")
    for check, (tensor, verdict, *rest) in zip(checks, rows, strict=True):
        line = Text(f"{tensor}  ").append(verdict, style="green" if check.holds else "bold red")
        yield line.append(f"  {'  '.join(rest).rstrip()}")


def _cells(check: Check) -> tuple[str, ...]:
    looked_at = f"{check.samples:,} of {check.size:,}" if check.indices else f"{check.samples} random probes"
    absolute = "" if check.absolute is None else f"{check.absolute:.3g}"
    at = "" if check.worst is None else place_text(check.worst)
    verdict = "holds" if check.holds else "DOES NOT HOLD"
    return SYMBOLS[check.tensor], verdict, check.reference, looked_at, absolute, f"{check.relative:.3g}", at


def _samples(checks: Iterable[Check]) -> Iterator[Text]:
    for check in checks:
        if 0 < len(check.indices) < check.size:
            symbol = SYMBOLS[check.tensor]
            places = ", ".join(f"{symbol}{place_text(index)}" for index in check.indices[:PLACES_SHOWN])
            more = f" and {len(check.indices) - PLACES_SHOWN:,} more" if len(check.indices) > PLACES_SHOWN else ""
            yield Text(f"looked at {places}{more}", style="dim")


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
    worst = found.worst
    if worst is None:
        return f"its shape is {found.their_shape}, ours is {found.our_shape}"
    share = "ours is 0 throughout" if worst.relative is None else f"{worst.relative:.3g} of our largest"
    return (
        f"they differ by {worst.absolute:.3g} at most ({share}), at {symbol}{place_text(worst.at)}, "
        f"which is {worst.theirs:.10g} in yours and {worst.ours:.10g} in ours"
    )
