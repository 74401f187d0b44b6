"""The program: its commands, and the one place where errors become a line on stderr and an exit code.

Command modules import what they compute with inside their functions, so that ``--help`` starts quickly.
"""

import inspect
import sys
from enum import IntEnum
from itertools import pairwise
from typing import Annotated, Any

import typer
import typer.core

from convcli.cli.commands.apply import apply
from convcli.cli.commands.check import check
from convcli.cli.commands.explain import explain
from convcli.cli.commands.grad import grad
from convcli.cli.commands.kernels import kernels
from convcli.cli.commands.matrix import matrix
from convcli.cli.commands.plan import plan
from convcli.cli.messages import FLAGS, message_of, say
from convcli.cli.streams import discard, has_colours
from convcli.errors import ConvcliError, reason_of
from convcli.version import __version__

# Typer's base class of every mistake on a command line, which has no public name.
UsageError: Any = typer.BadParameter.__bases__[0]


class ExitCode(IntEnum):
    """The exit codes; a signal that stops the program makes it 128 plus the signal's number."""

    SUCCESS = 0
    FAILURE = 1
    WRONG_REQUEST = 2


class PlainHelp:
    """Help without colours, bold and dim text if the user wants none."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        if not has_colours():
            from typer import rich_utils

            # Typer's setting for all help; with NO_COLOR alone, rich still writes escapes for bold and dim.
            rich_utils.COLOR_SYSTEM = None
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(PlainHelp, typer.core.TyperCommand):
    """A command whose ``--cluster`` may stand alone, with an empty value; Typer has no options with optional values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line."""
        alone = (word == "--cluster" and following.startswith("-") for word, following in pairwise([*args, "-"]))
        return super().parse_args(ctx, [f"{word}=" if bare else word for word, bare in zip(args, alone, strict=True)])


class Commands(PlainHelp, typer.core.TyperGroup):
    """All commands; an error of any becomes one line. Tests that invoke the app pass through here too."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and exit with an exit code."""
        for command in self.commands.values():
            FLAGS.update({str(each.name): each.opts[0] for each in command.params if each.param_type_name == "option"})
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
            if sys.stdout is not None:
                sys.stdout.flush()
        except UsageError as error:
            code = _report(" ".join(error.format_message().split()), ExitCode.WRONG_REQUEST)
        # Rich and Typer leave so when the reader of a pipe has gone; convcli itself raises typer.Exit.
        except (BrokenPipeError, SystemExit):
            code = _discard_stdout(ExitCode.SUCCESS)
        # Files raise FileError; what remains is stdout, and modules when no more files may be open.
        except OSError as error:
            failed = f"cannot open {error.filename}" if error.filename else "cannot write <stdout>"
            code = _discard_stdout(_report(f"{failed}: {error.strerror or error}", ExitCode.FAILURE))
        sys.exit(code or ExitCode.SUCCESS)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the user typed."""
        try:
            return super().invoke(ctx)
        except ConvcliError as error:
            code = ExitCode.WRONG_REQUEST if isinstance(error, ValueError) else ExitCode.FAILURE
            raise typer.Exit(_report(message_of(error), code)) from None
        except MemoryError as error:
            raise typer.Exit(_report(f"not enough memory: {reason_of(error)}", ExitCode.FAILURE)) from None
        except RuntimeError as error:
            # Python has no class of its own for this error.
            if str(error) != "can't start new thread":
                raise
            message = "cannot start a thread: use smaller `jobs` and `threads`, or raise the limit (ulimit -u)"
            raise typer.Exit(_report(message, ExitCode.FAILURE)) from None


def _report(message: str, code: ExitCode) -> ExitCode:
    say("error", message)
    return code


def _discard_stdout(code: ExitCode) -> ExitCode:
    discard(sys.stdout)
    return code


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"convcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def convcli(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Convolve images and inspect the gradients of convolution.

    Data goes to stdout, messages to stderr; - is stdin or stdout.

    Exit codes: 0 success, 1 something failed, 2 the request is wrong.

    convcli apply sample_images/astronaut.png -k sobel-x -o edges.png
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command in (apply, grad, explain, check, matrix, plan, kernels):
    # Rich reads square brackets as markup unless they are escaped.
    text = inspect.cleandoc(command.__doc__ or "").replace("[", r"\[")
    app.command(cls=Command, help=text)(command)
