"""The help of the program and of its commands, as values and as text.

A command's docstring gives its summary, its description and its examples; its parameters give the rest. The text is as
wide as the terminal, or as COLUMNS says, and plain; on a terminal that shows colours, headings and names stand out.
"""

import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from convcli.cli.options import Panel
from convcli.cli.streams import has_colours, is_terminal, open_stdout
from convcli.files.file_bytes import write_text

# Longer lines are hard to read, and shorter ones have no room for two columns.
WIDEST, NARROWEST = 120, 50
NAME_WIDTH = 24
GAP = "  "


class Section(NamedTuple):
    """A part of the help. rows: pairs of a name, such as ``-o, --output OUT``, and the text about it."""

    heading: str
    rows: list[tuple[str, str]]


class HelpPage(NamedTuple):
    """The help of the program or of a command. summary: one sentence.  examples: command lines."""

    usage: str
    summary: str
    description: list[str]
    examples: list[str]
    sections: list[Section]


class PlainHelp:
    """A mixin for Typer's commands, which prints their help as this module lays it out."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, and end the program."""
        show_help(ctx)
        # End here, because Typer would print another, empty line, and fail if the reader of stdout has gone.
        raise typer.Exit


def show_help(ctx: Any) -> None:
    """Print the help of the command of this context."""
    width = max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))
    coloured = is_terminal() and has_colours() and os.environ.get("TERM") != "dumb"
    with open_stdout() as stdout:
        write_text(stdout, (f"{line}\n" for line in _lines(help_page(ctx), width, coloured=coloured)))


def help_page(ctx: Any) -> HelpPage:
    """Return the help of the command of this context."""
    summary, *paragraphs = (ctx.command.help or "").split("\n\n")
    examples = [line for each in paragraphs if _is_example(each) for line in each.splitlines()]
    description = [each for each in paragraphs if not _is_example(each)]
    return HelpPage(_usage(ctx), summary, description, examples, [each for each in _sections(ctx) if each.rows])


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("convcli ")


def _usage(ctx: Any) -> str:
    """Return the command line, with the options that every call needs."""
    # Typer puts required arguments in braces.
    arguments = [piece.strip("{}") for each in ctx.command.params for piece in each.get_usage_pieces(ctx)]
    required = [f"{min(each.opts, key=len)} {each.metavar}" for each in _options(ctx) if each.required]
    last = getattr(ctx.command, "subcommand_metavar", "[OPTIONS]")
    return " ".join([ctx.command_path, *arguments, *required, last])


def _options(ctx: Any) -> list[Any]:
    return [each for each in ctx.command.get_params(ctx) if each.param_type_name == "option"]


def _sections(ctx: Any) -> Iterator[Section]:
    commands = getattr(ctx.command, "commands", {})
    yield Section("Commands", [(name, each.help.partition("\n\n")[0]) for name, each in commands.items()])
    arguments = [each for each in ctx.command.params if each.param_type_name == "argument"]
    yield Section("Arguments", [_row(each, ctx) for each in arguments])
    for panel in Panel:
        yield Section(panel, [_row(each, ctx) for each in _options(ctx) if _panel(each) is panel])


def _panel(option: Any) -> Panel:
    # Typer itself adds --help.
    return Panel(option.rich_help_panel or Panel.MESSAGES)


def _row(parameter: Any, ctx: Any) -> tuple[str, str]:
    name, text = parameter.get_help_record(ctx)
    # Typer puts defaults that are sentences in parentheses.
    return name, re.sub(r"\[default: \((.*)\)\]$", r"[default: \1]", " ".join(text.split()))


def _lines(page: HelpPage, width: int, *, coloured: bool) -> Iterator[str]:
    def heading(text: str) -> str:
        return typer.style(text, bold=True) if coloured else text

    yield f"{heading('Usage:')} {page.usage}"
    for paragraph in (page.summary, *page.description):
        yield ""
        yield from _wrapped(paragraph, width)
    if page.examples:
        yield from ("", heading("Examples"))
        yield from (f"{GAP}{example}" for example in page.examples)
    for section in page.sections:
        yield from ("", heading(section.heading))
        yield from _table(section.rows, width, coloured=coloured)


def _table(rows: list[tuple[str, str]], width: int, *, coloured: bool) -> Iterator[str]:
    names = [f"    {name}" if name.startswith("--") else name for name, _ in rows]
    column = NAME_WIDTH if any(name.lstrip().startswith("-") for name in names) else max(map(len, names))
    indent = f"{GAP}{' ' * column}{GAP}"
    for name, (_, text) in zip(names, rows, strict=True):
        shown = typer.style(name, fg="cyan") if coloured else name
        first, *others = _wrapped(text, width - len(indent))
        if len(name) > column:
            yield f"{GAP}{shown}"
            yield f"{indent}{first}"
        else:
            yield f"{GAP}{shown}{' ' * (column - len(name))}{GAP}{first}"
        yield from (f"{indent}{line}" for line in others)


def _wrapped(paragraph: str, width: int) -> list[str]:
    """Return the paragraph's lines: as they are if they are indented, as those of a formula, or else refilled."""
    if "\n " in paragraph:
        return paragraph.splitlines()
    # A line does not end within quotation marks.
    text = re.sub(r"(?<!\w)'[^']*'(?!\w)", lambda quoted: quoted[0].replace(" ", "\xa0"), paragraph)
    return [line.replace("\xa0", " ") for line in textwrap.wrap(text, width, break_on_hyphens=False)] or [""]
