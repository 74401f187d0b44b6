"""The command line, in this process: some hundred runs of it start no other."""

from typer.testing import CliRunner

from convcli.cli.app import app


def run(*arguments):
    """Run the program, which says nothing on stderr; its stdout."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
