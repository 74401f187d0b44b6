"""The manual page, made from the help: ``python -m convcli.cli.manual > docs/convcli.1``."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import typer

from convcli.cli.app import app
from convcli.cli.help import HelpPage, help_page
from convcli.cli.layout import wrapped
from convcli.cli.options import Panel

# Of the lines in the file; man fills them again.
WIDTH = 72


def manual() -> str:
    """Return the manual page, in the language of man."""
    return "".join(f"{line}\n" for line in _lines(help_page(_program()), help_pages()))


def help_pages() -> dict[str, HelpPage]:
    """Return the help of each command, by its name."""
    root = _program()
    commands = root.command.commands.items()
    return {name: help_page(typer.Context(each, info_name=name, parent=root)) for name, each in commands}


def _program() -> Any:
    """Return the context of the program."""
    return typer.Context(typer.main.get_command(app), info_name="convcli")


def _lines(root: HelpPage, pages: dict[str, HelpPage]) -> Iterator[str]:
    # Lines are neither stretched nor hyphenated, so that formulas and names stay as they are typed.
    yield from ('.TH CONVCLI 1 "" convcli', ".ad l", ".nh")
    yield from (".SH NAME", f"convcli \\- {_escaped(root.summary[0].lower() + root.summary[1:].rstrip('.'))}")
    yield ".SH SYNOPSIS"
    yield from (".EX", *(_escaped(page.usage) for page in pages.values()), ".EE")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(root.description)
    yield ".SH COMMANDS"
    for name, page in pages.items():
        yield f".SS {name}"
        yield from _paragraphs([page.summary, *page.description, *_sentences(page)])
        yield from (".PP", *_examples(page))
    yield ".SH OPTIONS"
    for panel in Panel:
        yield f".SS {panel}"
        yield from _options(panel, pages)
    yield ".SH EXAMPLES"
    yield from _examples(root)


def _sentences(page: HelpPage) -> Iterator[str]:
    """Yield a sentence about each argument."""
    for section in page.sections:
        if section.heading == "Arguments":
            yield from (f"{name}: {text}" for name, text in section.rows)


def _options(panel: Panel, pages: dict[str, HelpPage]) -> Iterator[str]:
    """Yield the options of a panel, each once, with the commands that take it."""
    takers: dict[tuple[str, str], list[str]] = {}
    for command, page in pages.items():
        for section in page.sections:
            for row in section.rows if section.heading == panel else ():
                takers.setdefault(row, []).append(command)
    for (name, text), commands in sorted(takers.items(), key=lambda row: list(pages).index(row[1][0])):
        yield from (".TP", f".B {_escaped(name)}", *_filled(f"{text} ({', '.join(commands)})"))


def _paragraphs(paragraphs: list[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        yield from _filled(paragraph)


def _examples(page: HelpPage) -> Iterator[str]:
    yield from (".EX", *(f"  {_escaped(example)}" for example in page.examples), ".EE")


def _filled(paragraph: str) -> Iterator[str]:
    yield from map(_escaped, wrapped(paragraph, WIDTH))


def _escaped(text: str) -> str:
    """Return text as man shows it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text)


if __name__ == "__main__":
    sys.stdout.write(manual())
