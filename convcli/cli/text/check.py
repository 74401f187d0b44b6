"""Checks and comparisons as text for people."""

from collections.abc import Collection, Iterable, Iterator

from rich.text import Text

from convcli.check.comparison import Comparison
from convcli.check.gradcheck import Check
from convcli.cli.layout import page_width, wrapped
from convcli.cli.text.screen import UNBOUNDED_WIDTH, aligned, captured, console_for
from convcli.convolution.places import bracketed
from convcli.layouts import Layout, Layouts
from convcli.names import SYMBOLS

PLACES_SHOWN = 12
HEADINGS = ("", "", "against", "checked", "worst error", "relative", "at")


def checks_text(checks: Collection[Check], layouts: Layouts) -> str:
    """Return a line per check, and then the entries that were checked."""
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), [*_table(checks, layouts), *_samples(checks, layouts)])


def _table(checks: Collection[Check], layouts: Layouts) -> Iterator[Text]:
    """Yield a heading and a line per check. Lines may be wider than the terminal, which wraps them; nothing is cut."""
    columns = zip(HEADINGS, *(_cells(check, layouts.of(check.tensor)) for check in checks), strict=True)
    head, *rows = zip(*(aligned(list(column)) for column in columns), strict=True)
    yield Text("  ".join(head).rstrip(), style="dim")
    for check, (tensor, verdict, *rest) in zip(checks, rows, strict=True):
        line = Text(f"{tensor}  ").append(verdict, style="green" if check.holds else "bold red")
        yield line.append(f"  {'  '.join(rest).rstrip()}")


def _cells(check: Check, layout: Layout) -> tuple[str, ...]:
    checked = f"{check.samples:,} of {check.size:,}" if check.indices else f"{check.samples} random probes"
    absolute = "" if check.absolute is None else f"{check.absolute:.3g}"
    at = "" if check.worst is None else bracketed(layout.order(check.worst))
    verdict = "holds" if check.holds else "DOES NOT HOLD"
    return SYMBOLS[check.tensor], verdict, check.reference, checked, absolute, f"{check.relative:.3g}", at


def _samples(checks: Iterable[Check], layouts: Layouts) -> Iterator[Text]:
    for check in checks:
        if 0 < len(check.indices) < check.size:
            symbol, layout = SYMBOLS[check.tensor], layouts.of(check.tensor)
            places = ", ".join(f"{symbol}{bracketed(layout.order(index))}" for index in check.indices[:PLACES_SHOWN])
            more = f" and {len(check.indices) - PLACES_SHOWN:,} more" if len(check.indices) > PLACES_SHOWN else ""
            for line in wrapped(f"checked {places}{more}", page_width()):
                yield Text(line, style="dim")


def comparisons_text(comparisons: Iterable[Comparison], layouts: Layouts) -> str:
    """Return the lines for each tensor: whether it equals convcli's, and if not, where and by which mistake."""
    lines = [Text(line) for comparison in comparisons for line in _comparison_lines(comparison, layouts)]
    return captured(console_for(UNBOUNDED_WIDTH, plain=False), lines)


def _comparison_lines(found: Comparison, layouts: Layouts) -> Iterator[str]:
    yield _verdict(found, f"your {SYMBOLS[found.tensor]}", layouts.of(found.tensor))
    if found.holds:
        return
    yield _explanation(found, f"your {SYMBOLS[found.tensor]}")


def _explanation(found: Comparison, yours: str) -> str:
    """Return the confusion that explains a difference, and its cure."""
    if found.confusion is None:
        skipped = (
            f"; {found.skipped:,} were not tried, because they take long: compare smaller tensors"
            if found.skipped
            else ""
        )
        return f"no common mistake explains the difference{skipped}"
    cure = f": add {found.cure}" if found.cure else ""
    return "; or it ".join([f"{yours} {found.confusion}{cure}", *found.also])


def _verdict(found: Comparison, yours: str, layout: Layout) -> str:
    worst = found.worst
    if worst is None:
        theirs, ours = layout.order(found.their_shape), layout.order(found.our_shape)
        return f"{yours} has shape {theirs}, and convcli's has {ours}"
    place = f"{SYMBOLS[found.tensor]}{bracketed(layout.order(worst.at))}"
    numbers = f"{place}: {worst.theirs:.10g} in yours, {worst.ours:.10g} in convcli's"
    if not found.holds:
        return f"{yours} differs from convcli's, most at {numbers}"
    share = "convcli's is 0" if worst.relative is None else f"{worst.relative:.3g} of its terms' magnitudes"
    return f"{yours} equals convcli's: the largest difference is {worst.absolute:.3g} ({share}), at {numbers}"
