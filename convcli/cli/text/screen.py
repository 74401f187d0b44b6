"""Format text for people: print it on a console, align columns, shorten numbers, and colour signs."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from math import isnan
from textwrap import wrap

from rich.console import Console, RenderableType
from rich.text import Text

from convcli.cli.streams import has_colours, open_stdout

# The width of lines that no terminal limits: of grids of numbers, and of tables and drawings.
WIDTH_OF_FILES, NARROW_WIDTH_OF_FILES = 120, 80
UNBOUNDED_WIDTH = 1 << 20


def console_for(width: int, *, plain: bool) -> Console:
    """Return a console: if stdout is a terminal, with its colours and width; else with no colours and ``width``.

    plain: True for text that goes to a file, which has no colours even if stdout is a terminal.
    """
    if plain:
        console = Console(file=io.StringIO(), force_terminal=False)
    else:
        # With NO_COLOR alone, rich still writes escapes for bold and dim.
        console = Console(color_system="auto" if has_colours() else None)
    if not console.is_terminal:
        console.width = width
    return console


def captured(console: Console, parts: Iterable[RenderableType], *, wrap: bool = False) -> str:
    """Return what the console prints for all parts. Long lines are broken only if ``wrap`` is True."""
    # When a capture ends, rich flushes the console's stream, which may be stdout.
    with nullcontext() if isinstance(console.file, io.StringIO) else open_stdout(), console.capture() as output:
        for part in parts:
            console.print(part, soft_wrap=not wrap)
    return output.get()


def printed_lines(console: Console, lines: Iterable[Text]) -> Iterator[str]:
    """Yield each line as the console prints it."""
    for line in lines:
        # Without colours rich would print the plain text, a hundred times more slowly.
        yield captured(console, [line]) if console.color_system else f"{line.plain}\n"


def folded(console: Console, line: Text) -> Iterator[Text]:
    """Yield the lines of a long line: on a terminal it is broken between words, and the lines after it are indented."""
    if not console.is_terminal or len(line.plain) <= console.width:
        yield line
        return
    for part in wrap(_INDIVISIBLE.sub(_joined, line.plain), console.width, subsequent_indent="    "):
        yield Text(part.replace(_JOINT, " "), style=line.style)


# A tensor with its index, and a sum of two indices with what it is equal to.
_INDIVISIBLE = re.compile(r"\S*\[[^]]*\]|\S+ \+ \S+(?: = \S+)?")
# wrap breaks lines only at the spaces of ASCII.
_JOINT = "\u00a0"


def _joined(part: re.Match[str]) -> str:
    return part[0].replace(" ", _JOINT)


def aligned(cells: list[str], *, right: bool = False) -> list[str]:
    """Return the cells of a column, all as wide as the widest."""
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def short_number(value: float, digits: int = 6) -> str:
    """Return a number with at most so many significant digits."""
    return f"{value:.{digits}g}"


# Colours from the palette of 256, because terminals with fewer colours show them well; legible on black and on white.
_BLUES = ("color(60)", "color(61)", "color(68)", "bold color(33)")
_REDS = ("color(95)", "color(131)", "color(167)", "bold color(196)")


def sign_style(value: float, scale: float) -> str:
    """Return blue for negative numbers and red for positive ones, stronger towards the largest magnitude.

    Zero is dim, and NaN is reversed.
    """
    if isnan(value):
        return "reverse"
    if value == 0:
        return "dim"
    steps = _REDS if value > 0 else _BLUES
    share = min(1.0, abs(value) / scale) if scale else 1.0
    return steps[min(int(share * len(steps)), len(steps) - 1)]
