"""The help of the program and of its commands, as values and as text.

A command's docstring gives its summary, its description and its examples; its parameters give the rest. The text is as
wide as the terminal, or as COLUMNS says, and plain; on a terminal that shows colours, headings and names stand out.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from convcli.cli.layout import GAP, heading, is_coloured, page_width, two_columns, wrapped
from convcli.cli.options import Panel
from convcli.cli.streams import open_stdout
from convcli.files.file_bytes import write_text

# The options of all panels are aligned; the longest is --kernel-grad TENSOR.
NAME_WIDTH = 24


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
    lines = _lines(help_page(ctx), page_width(), coloured=is_coloured())
    with open_stdout() as stdout:
        write_text(stdout, (f"{line}\n" for line in lines))


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
    yield Section("Commands", [(name, each.short_help) for name, each in commands.items()])
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
    yield f"{heading('Usage:', coloured=coloured)} {page.usage}"
    for paragraph in (page.summary, *page.description):
        yield ""
        yield from wrapped(paragraph, width)
    if page.examples:
        yield from ("", heading("Examples", coloured=coloured))
        yield from (f"{GAP}{example}" for example in page.examples)
    for section in page.sections:
        yield from ("", heading(section.heading, coloured=coloured))
        rows = [(f"    {name}" if name.startswith("--") else name, text) for name, text in section.rows]
        column = NAME_WIDTH if isinstance(section.heading, Panel) else max(len(name) for name, _ in rows)
        yield from two_columns(rows, column, width, coloured=coloured)
