"""Messages on stderr: errors, warnings and notes, one line each.

The library names parameters, in backquotes: "use `max_pixels` 72 to read it", "add a `kernel`". Here they become flags:
"use --max-pixels 72 to read it", "add a --kernel".
"""

import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from convcli.cli.options import Panel
from convcli.cli.streams import discard
from convcli.cli.tracebacks import TRACEBACK, wants_tracebacks
from convcli.errors import ConvcliError, UnexpectedError
from convcli.text import in_one_line

_QUOTED = re.compile(r"`(\w+)`")


def say(kind: str | None, message: str) -> None:
    """Write one line to stderr, with flags in place of the message's parameters. Do nothing if stderr is closed."""
    # print would write to stdout instead of a stderr that is None.
    if sys.stderr is None:
        return
    try:
        print(f"convcli: {f'{kind}: ' if kind else ''}{in_one_line(with_flags(message))}", file=sys.stderr)
    except OSError:
        discard(sys.stderr)


def tell_error(error: ConvcliError, message: str) -> None:
    """Report an error in one line, after its traceback if the user wants to see it."""
    if wants_tracebacks():
        traceback.print_exception(error)
    say("error", message)


def with_flags(message: str) -> str:
    """Return the message with a flag in place of each parameter."""
    return _QUOTED.sub(_flag, message)


def _flag(found: re.Match[str]) -> str:
    # Few messages name a parameter, and it takes a while to find the flags of all.
    from convcli.cli.command_table import flags

    return flags().get(found[1], found[0])


def message_of(error: ConvcliError) -> str:
    """Return the error's message; if it is about one option, with the option's name in backquotes before it."""
    advice = f"; please report it, with what {TRACEBACK}=1 shows" if isinstance(error, UnexpectedError) else ""
    return f"`{error.option}`: {error.message}" if error.option else error.message + advice


@dataclass(frozen=True)
class Messages:
    """A command's messages, except errors: those that its user wants to see."""

    quiet: Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel=Panel.MESSAGES, help="Print only errors.")] = (
        False
    )
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            rich_help_panel=Panel.MESSAGES,
            help="Also print what was converted, and which values were used.",
        ),
    ] = False

    def warn(self, message: str) -> None:
        """Report that something was lost."""
        self.tell("warning", message)

    def note(self, message: str) -> None:
        """Report something that only ``--verbose`` asks for."""
        if self.verbose:
            self.tell("note", message)

    def tell_conversion(self, name: str, warnings: Iterable[str], notes: Iterable[str]) -> None:
        """Warn about what was lost, and note what was converted, when the file ``name`` was read or written."""
        for warning in warnings:
            self.warn(f"{name}: {warning}")
        for note in notes:
            self.note(f"{name}: {note}")

    def tell(self, kind: str | None, message: str) -> None:
        """Write a line of this kind to stderr, or a plain line for None, unless ``--quiet`` is given."""
        if not self.quiet:
            say(kind, message)
