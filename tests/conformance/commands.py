"""Run the command line in this process, because hundreds of processes take long to start."""

from typer.testing import CliRunner

from convcli.cli.app import app


def run(*arguments):
    """Run the program, check that it prints nothing on stderr, and return its stdout."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
