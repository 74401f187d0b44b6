"""The table of the commands, each of which is imported when it is asked for."""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import typer
import typer.core
import typer.main

from convcli.cli.help import PlainHelp
from convcli.cli.usage import UsageError

# A module of ``convcli.cli.commands`` and its function have the name of the command.
NAMES = ("apply", "grad", "explain", "check", "matrix", "plan", "kernels", "doctor", "help")

# How Typer makes the program and its commands.
HELP = {"help_option_names": ["-h", "--help"]}
SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class CommandTable(Mapping[str, "Command"]):
    """The commands by name."""

    def __init__(self) -> None:
        """Make a table of which no command has been imported yet."""
        self._imported: dict[str, Command] = {}

    def __getitem__(self, name: str) -> "Command":
        if name not in NAMES:
            raise KeyError(name)
        if name not in self._imported:
            self._imported[name] = _command(name)
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


@cache
def flags() -> dict[str, str]:
    """Return the flag of each parameter; all commands are imported for it."""
    options = [each for command in CommandTable().values() for each in command.params]
    found = {str(each.name): each.opts[0] for each in options if each.param_type_name == "option"}
    # The option of the program itself that errors are about.
    return {"show_completion": "--show-completion", **found}


class Command(PlainHelp, typer.core.TyperCommand):
    """A command that takes ``--cluster`` without a value as an empty one. Typer has no options with optional values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line."""
        alone = (word == "--cluster" and following.startswith("-") for word, following in pairwise([*args, "-"]))
        words = [f"{word}=" if bare else word for word, bare in zip(args, alone, strict=True)]
        try:
            return super().parse_args(ctx, words)
        except UsageError as error:
            # Typer does not say of each error which command it is about.
            error.ctx = error.ctx or ctx
            raise


def _command(name: str) -> Command:
    function = getattr(import_module(f"convcli.cli.commands.{name}"), name)
    text = help_of(function)
    alone = typer.Typer(**SETTINGS)
    alone.command(cls=Command, context_settings=HELP, help=text, short_help=text.partition("\n\n")[0])(function)
    found = typer.main.get_command(alone)
    assert isinstance(found, Command)
    return found


def help_of(function: Callable[..., None]) -> str:
    """Return a function's docstring, from its source if the interpreter has dropped it (``-OO``)."""
    text = function.__doc__
    if text is None:
        (definition,) = ast.parse(inspect.getsource(function)).body
        text = ast.get_docstring(definition)  # type: ignore[arg-type]
    return inspect.cleandoc(text or "")
