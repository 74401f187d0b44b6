"""The program: its commands, and the one place where errors become a line on stderr and an exit code.

Command modules import what they compute with inside their functions, so that ``--help`` starts quickly.
"""

import inspect
import os
import sys
from enum import IntEnum
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
from convcli.cli.flags import message_of
from convcli.cli.options import OptionalAddress
from convcli.cli.streams import forget, say
from convcli.errors import ConvcliError, reason_of
from convcli.version import __version__

# The base of every mistake in the words of a command line; the class itself has no public name.
UsageError: Any = typer.BadParameter.__bases__[0]


class ExitCode(IntEnum):
    """What the shell is told; a signal that stops the program makes it 128 and its number."""

    DONE = 0
    FAILED = 1
    WRONG_REQUEST = 2


class Commands(typer.core.TyperGroup):
    """The commands, with errors turned into one line each. Tests that invoke the app pass through here too."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave the process with an exit code."""
        if os.environ.get("NO_COLOR"):
            # Rich and typer then still write escapes for bold and dim; to a dumb terminal they write none.
            os.environ["TERM"] = "dumb"
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
            if sys.stdout is not None:
                sys.stdout.flush()
        except UsageError as error:
            code = _refuse(" ".join(error.format_message().split()), ExitCode.WRONG_REQUEST)
        # How rich and typer leave when the reader of a pipe has gone; what convcli raises is typer.Exit.
        except (BrokenPipeError, SystemExit):
            code = _forget_stdout(ExitCode.DONE)
        # Whatever else is read or written raises FileError, but modules, where no more files may be open.
        except OSError as error:
            failed = f"cannot open {error.filename}" if error.filename else "cannot write <stdout>"
            code = _forget_stdout(_refuse(f"{failed}: {error.strerror or error}", ExitCode.FAILED))
        sys.exit(code or ExitCode.DONE)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConvcliError as error:
            code = ExitCode.WRONG_REQUEST if isinstance(error, ValueError) else ExitCode.FAILED
            raise typer.Exit(_refuse(message_of(error), code)) from None
        except MemoryError as error:
            raise typer.Exit(_refuse(f"not enough memory: {reason_of(error)}", ExitCode.FAILED)) from None
        except RuntimeError as error:
            # Python has no class of its own for it.
            if str(error) != "can't start new thread":
                raise
            message = "cannot start a thread: use smaller `jobs` and `threads`, or raise the limit (ulimit -u)"
            raise typer.Exit(_refuse(message, ExitCode.FAILED)) from None


def _refuse(message: str, code: ExitCode) -> ExitCode:
    say("error", message)
    return code


def _forget_stdout(code: ExitCode) -> ExitCode:
    forget(sys.stdout)
    return code


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"convcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def convcli(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Convolve images and inspect the gradients of convolution.

    Data goes to stdout, words to stderr; - is stdin or stdout.

    Exit codes: 0 done, 1 something failed, 2 the request is wrong.

    convcli apply sample_images/astronaut.png -k sobel-x -o edges.png
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command in (apply, grad, explain, check, matrix, plan, kernels):
    # Rich takes square brackets for markup unless they are escaped.
    words = inspect.cleandoc(command.__doc__ or "").replace("[", r"\[")
    app.command(cls=OptionalAddress, help=words)(command)
