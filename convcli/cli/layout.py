"""Lay out plain text in columns, as wide as the terminal, or as COLUMNS says."""

import os
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator

import typer

from convcli.cli.streams import has_colours, is_terminal

# Longer lines are hard to read, and shorter ones have no room for two columns.
WIDEST, NARROWEST = 120, 50
GAP = "  "


def page_width() -> int:
    """Return the width of text: that of the terminal or COLUMNS, within limits; 80 for a pipe."""
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def is_coloured() -> bool:
    """Return whether stdout is a terminal that shows colours."""
    return is_terminal() and has_colours() and os.environ.get("TERM") != "dumb"


def heading(text: str, *, coloured: bool) -> str:
    """Return a heading, in bold if ``coloured``."""
    return typer.style(text, bold=True) if coloured else text


def two_columns(rows: Iterable[tuple[str, str]], name_width: int, width: int, *, coloured: bool) -> Iterator[str]:
    """Yield the lines of a table of names and texts. A name longer than ``name_width`` has a line of its own."""
    indent = f"{GAP}{' ' * name_width}{GAP}"
    for name, text in rows:
        shown = f"{GAP}{typer.style(name, fg='cyan') if coloured else name}"
        lines = wrapped(text, width - len(indent))
        if len(name) > name_width:
            yield shown
        else:
            yield f"{shown}{' ' * (name_width - len(name))}{GAP}{lines.pop(0)}"
        yield from (f"{indent}{line}" for line in lines)


def wrapped(text: str, width: int) -> list[str]:
    """Return a paragraph's lines: as they are if some are indented, as those of a formula, or else refilled."""
    if "\n " in text:
        return text.splitlines()
    # A line does not end within quotation marks.
    kept = re.sub(r"(?<!\w)'[^']*'(?!\w)", lambda quoted: quoted[0].replace(" ", "\xa0"), text)
    return [line.replace("\xa0", " ") for line in textwrap.wrap(kept, width, break_on_hyphens=False)] or [""]
