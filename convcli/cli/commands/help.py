"""``convcli help``: show the help of the program or of a command."""

from typing import Annotated, Any

import typer

from convcli.cli.help import show_help
from convcli.cli.usage import UsageError, unknown_command


def _commands(context: typer.Context, incomplete: str) -> list[str]:
    root: Any = context.find_root().command
    return list(root.commands)


def help(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMMAND]", autocompletion=_commands, show_default=False, help="A command, such as apply."
        ),
    ] = None,
) -> None:
    """Show the help of convcli or of a command.

    convcli help
    convcli help apply
    """
    root: Any = context.find_root()
    if command is None:
        show_help(root)
        return
    commands = root.command.commands
    if command not in commands:
        raise UsageError(unknown_command(command, commands), root)
    show_help(typer.Context(commands[command], info_name=command, parent=root))
