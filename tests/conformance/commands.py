"""Run the command line in this process, because hundreds of processes take long to start."""

from support.command_line import without_results
from typer.testing import CliRunner

from convcli.cli.app import app


def run(*arguments):
    """Run the program, check that it prints on stderr only what was written, and return its stdout."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, without_results(result.stderr)[0]) == (0, "")
    return result.stdout
