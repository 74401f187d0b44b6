"""The program: its commands, and the one place that turns errors into a line on stderr and an exit code.

A command is imported when it runs, and imports the packages that compute inside its function, so that ``--version``
and ``--help`` start quickly.
"""

import os
import sys
from enum import IntEnum
from typing import Annotated, Any

import typer
import typer.core

from convcli.cli.command_table import HELP, SETTINGS, CommandTable, help_of
from convcli.cli.completion import COMPLETE, SHELLS, completion_script, print_completions, words
from convcli.cli.help import PlainHelp
from convcli.cli.messages import message_of, say, tell_error
from convcli.cli.options import Panel
from convcli.cli.streams import ReaderGone, open_stdout
from convcli.cli.usage import UsageError, help_advice, unknown_command, usage_message
from convcli.errors import ConvcliError, as_convcli_error
from convcli.version import __version__


class ExitCode(IntEnum):
    """The exit codes, except after a signal: then the code is 128 plus the signal's number."""

    SUCCESS = 0
    FAILURE = 1
    WRONG_REQUEST = 2


class Commands(PlainHelp, typer.core.TyperGroup):
    """The group of all commands. It turns any error into a line, also for tests that invoke the app."""

    def __init__(self, **options: Any) -> None:
        """Make the group of the commands of this program."""
        super().__init__(**{**options, "commands": CommandTable()})

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, and exit with its exit code."""
        # Rich would use 0 columns; other programs take COLUMNS=0 to mean that the width is unknown.
        if os.environ.get("COLUMNS") == "0":
            del os.environ["COLUMNS"]
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except UsageError as error:
            say("error", usage_message(error))
            say("help", help_advice(error))
            code = ExitCode.WRONG_REQUEST
        except ReaderGone:
            code = ExitCode.SUCCESS
        except Exception as error:
            code = _reported(as_convcli_error(error))
        sys.exit(code or ExitCode.SUCCESS)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line, or complete its last word for a shell."""
        if os.environ.get(COMPLETE) and not ctx.resilient_parsing:
            print_completions(self, args)
            raise typer.Exit
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the user typed."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise UsageError(unknown_command(args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the user typed."""
        try:
            return super().invoke(ctx)
        except ConvcliError:
            raise
        # Typer ends the program without a message after some of these errors.
        except (EOFError, OSError) as error:
            raise as_convcli_error(error) from error


def _reported(error: ConvcliError) -> ExitCode:
    tell_error(error, message_of(error))
    return ExitCode.WRONG_REQUEST if isinstance(error, ValueError) else ExitCode.FAILURE


app = typer.Typer(cls=Commands, context_settings=HELP, **SETTINGS)


def _show_version(wanted: bool) -> None:
    if wanted:
        with open_stdout() as stdout:
            stdout.write(f"convcli {__version__}\n".encode())
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        script = completion_script(shell)
        with open_stdout() as stdout:
            stdout.write(script)
        raise typer.Exit


def convcli(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            rich_help_panel=Panel.MESSAGES,
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
    show_completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            rich_help_panel=Panel.MESSAGES,
            autocompletion=words(*SHELLS),
            metavar="SHELL",
            callback=_show_completion,
            is_eager=True,
            show_default=False,
            help="Show the code that makes bash, zsh or fish complete commands, options and presets; it says where to "
            "save it.",
        ),
    ] = None,
) -> None:
    """Convolve images and inspect the gradients of convolution.

    Data goes to stdout, messages to stderr; - is stdin or stdout.

    Exit codes: 0 success, 1 something failed, 2 the request is wrong.

    sample:astronaut, sample:camera, sample:coffee, sample:portrait and sample:rocket are pictures that come with
    convcli.

    convcli apply sample:astronaut -k blur:4 -o soft.png
    convcli apply sample:rocket -k edges -o edges.png
    convcli kernels
    convcli grad '[[1,2],[3,4]]' -k '[[1,0],[0,1]]'
    convcli plan sample:camera -k gaussian:3
    """
    if context.invoked_subcommand is None:
        context.get_help()


app.callback(invoke_without_command=True, help=help_of(convcli))(convcli)
