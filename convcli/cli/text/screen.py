"""What text for people is made with: a console, numbers, and colour by sign."""

import io
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import SupportsIndex

from rich.console import Console, RenderableType
from rich.text import Text

WIDTH_OF_FILES = 120
UNBOUNDED_WIDTH = 1 << 20


def console_for(width: int, *, plain: bool) -> Console:
    """Stdout's colour and width if it is a terminal; else, and where text is to be plain, none and this width."""
    console = Console(file=io.StringIO(), force_terminal=False) if plain else Console()
    if not console.is_terminal:
        console.width = width
    return console


def captured(console: Console, parts: Iterable[RenderableType], *, wrap: bool = False) -> str:
    """What the console prints of these; lines are not broken, unless they are to ``wrap``."""
    with console.capture() as output:
        for part in parts:
            console.print(part, soft_wrap=not wrap)
    return output.get()


def printed_lines(console: Console, lines: Iterable[Text]) -> Iterator[str]:
    """Each line as the console prints it."""
    for line in lines:
        # Where there are no colours, what rich would print is the text, a hundred times as soon.
        yield captured(console, [line]) if console.color_system else f"{line.plain}\n"


def aligned(cells: list[str], *, right: bool = False) -> list[str]:
    """The cells of a column, as wide as the widest."""
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def place_in_words(at: Sequence[SupportsIndex]) -> str:
    """The indices of a number as they stand behind its tensor's letter; nothing for a tensor of one number."""
    return f"[{','.join(map(str, at))}]" if at else ""


def short_number(value: float) -> str:
    """Six digits."""
    return f"{value:.6g}"


# Eight bits, which every terminal with colours reduces well: as legible on black as on white.
_BLUES = ("color(60)", "color(61)", "color(68)", "bold color(33)")
_REDS = ("color(95)", "color(131)", "color(167)", "bold color(196)")


def sign_style(value: float, scale: float) -> str:
    """Blue below zero, red above, stronger towards the largest magnitude; zero is dim, NaN is reversed."""
    if isnan(value):
        return "reverse"
    if value == 0:
        return "dim"
    steps = _REDS if value > 0 else _BLUES
    share = min(1.0, abs(value) / scale) if scale else 1.0
    return steps[min(int(share * len(steps)), len(steps) - 1)]
