"""Errors in a command line: what was expected, and what the user probably meant."""

import os
from collections.abc import Collection
from typing import Any

import typer

from convcli.files.samples import PREFIX
from convcli.text import any_of, did_you_mean

# Typer's base class of errors in a command line. It has no public name.
UsageError: Any = typer.BadParameter.__bases__[0]

# The names that other programs have for options and commands.
OTHER_OPTIONS = {
    "--force": "--overwrite",
    "--grayscale": "--gray",
    "--greyscale": "--gray",
    "--grey": "--gray",
    "--border": "--edge",
    "--boundary": "--edge",
    "--filter": "--kernel",
    "--weights": "--kernel",
    "--bits": "--dtype",
    "--parallel": "--jobs",
    "--workers": "--jobs",
    "--silent": "--quiet",
    "--resume": "--skip-existing",
}
OTHER_COMMANDS = {
    "conv": "apply",
    "convolve": "apply",
    "filter": "apply",
    "backward": "grad",
    "gradient": "grad",
    "presets": "kernels",
    "list": "kernels",
    "info": "plan",
    "gradcheck": "check",
    "compare": "check",
}


def usage_message(error: Any) -> str:
    """Return the text of Typer's error, or better advice where there is some."""
    if hasattr(error, "possibilities"):
        return _unknown_option(error.option_name, error.ctx)
    # Typer's class of this error has no public name either.
    if hasattr(error, "param_type"):
        option = min(error.param.opts, key=len) if error.param.param_type_name == "option" else ""
        first, *others = error.param.help.split("; ")
        return f"expected {f'{option} {error.param.metavar}'.strip()}: {first}{'; ...' * bool(others)}"
    return " ".join(error.format_message().split())


def help_advice(error: Any) -> str:
    """Return where the help is for the command with the error."""
    return f"{error.ctx.command_path if error.ctx else 'convcli'} --help"


def unknown_command(name: str, commands: Collection[str]) -> str:
    """Return the message for a word that is no command: a file, a preset, or a misspelt command."""
    # Imported here, because only mistakes need it.
    from convcli.kernels.catalogue import names_preset

    if os.path.exists(name) or os.path.splitext(name)[1] or name.startswith(PREFIX):
        return f"expected a command, given {name!r}; did you mean convcli apply {name} -k KERNEL?"
    if names_preset(name):
        return f"expected a command, given {name!r}; did you mean convcli apply IMAGE -k {name}?"
    near = did_you_mean(name, commands, OTHER_COMMANDS)
    return f"expected {any_of(list(commands))}, given {name!r}{near}"


def _unknown_option(name: str, ctx: Any) -> str:
    given, root = ctx.command, ctx.find_root().command
    holders = [command for command, each in root.commands.items() if name in _flags(each)]
    if holders and given is root:
        return f"expected a command before {name}: {any_of(list(root.commands))}"
    if holders:
        return f"{name} is an option of {any_of(holders)}, and not of {given.name}"
    advice = "" if name in OTHER_OPTIONS else _preset_with(name.removeprefix("--"))
    advice = advice or did_you_mean(name, _flags(given), OTHER_OPTIONS)
    return f"expected an option of {ctx.command_path}, given {name}{advice}"


def _preset_with(parameter: str) -> str:
    """Return how the parameter of a preset is written; nothing if no preset has this parameter."""
    from convcli.kernels.catalogue import PRESETS

    presets = [name for name, each in PRESETS.items() if parameter in each.parameters]
    return f"; did you mean -k {presets[0]}:{parameter}=VALUE?" if presets else ""


def _flags(command: Any) -> list[str]:
    return [flag for each in command.params if each.param_type_name == "option" for flag in each.opts]
