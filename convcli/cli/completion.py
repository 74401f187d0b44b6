"""Complete a command line for a shell: commands, options, and the words that options and arguments take.

The scripts in ``completions`` run the program with the variable COMPLETE, and give it the words of the command line, of
which the last is to be completed. ``print_completions`` answers with a word per line, and a tab and a text after it.

The functions for an option or argument, such as ``kernels``, return words that it may have; Typer takes those that
begin with the ``incomplete`` one. They import what they need when they are called, so that no command starts slowly.
"""

import glob
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# Typer has no public functions that find what a word of a command line is.
from typer._click import shell_completion

from convcli.cli.streams import open_stdout
from convcli.files.file_bytes import write_text
from convcli.text import choice

Complete = Callable[[str], list[str]]

COMPLETE = "CONVCLI_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def completion_script(shell: str) -> bytes:
    """Return the code that makes a shell complete; raise OptionError for a shell without one."""
    name = f"convcli.{choice('show_completion', shell, SHELLS)}"
    return (Path(__file__).with_name("completions") / name).read_bytes()


def print_completions(program: Any, words: Sequence[str]) -> None:
    """Print what the last of the words may become, given the words before it."""
    *before, last = words or [""]
    # For --edge=re, Typer completes re.
    option = last.partition("=")[0] + "=" if last.startswith("--") and "=" in last else ""
    context = shell_completion._resolve_context(program, {}, "convcli", before)
    completed, incomplete = shell_completion._resolve_incomplete(context, before, last)
    items = completed.shell_complete(context, incomplete)
    with open_stdout() as stdout:
        write_text(stdout, (f"{option}{item.value}\t{' '.join((item.help or '').split())}\n" for item in items))


def kernels(incomplete: str) -> list[tuple[str, str]]:
    """Return the presets, with what they do."""
    from convcli.kernels.catalogue import PRESETS
    from convcli.kernels.magnitudes import MAGNITUDES

    edges = [(name, each.summary) for name, each in MAGNITUDES.items()]
    return edges + [(name, each.summary) for name, each in PRESETS.items()]


def images(incomplete: str) -> list[str]:
    """Return the sample pictures, and with them the files; nothing for a word that cannot become one of the samples.

    A shell completes files by itself if there is nothing else.
    """
    from convcli.files.samples import PREFIX, sample_names

    samples = [f"{PREFIX}{name}" for name in sample_names()]
    if not incomplete or not any(name.startswith(incomplete) for name in samples):
        return []
    return [*samples, *(f"{path}{'/' * os.path.isdir(path)}" for path in glob.glob(f"{glob.escape(incomplete)}*"))]


def gradients(incomplete: str) -> list[str]:
    """Return the gradients that a list of gradients may go on with."""
    from convcli.names import SYMBOLS, WRT

    before = incomplete.rpartition(",")[0]
    return [f"{before}{',' * bool(before)}{SYMBOLS[name]}" for name in WRT if SYMBOLS[name] not in before.split(",")]


def fills(incomplete: str) -> list[str]:
    """Return the edge fills."""
    from convcli.geometry.fills import FILLS

    return [fill.removesuffix("VALUE") for fill in FILLS]


def picture_formats(incomplete: str) -> list[str]:
    """Return the formats of outputs."""
    from convcli.pictures.formats import PICTURE_FORMATS

    return [format.name for format in PICTURE_FORMATS]


def words(*choices: str) -> Complete:
    """Return a function that returns these words."""

    def complete(incomplete: str) -> list[str]:
        return list(choices)

    return complete


def members(module: str, name: str, *others: str) -> Complete:
    """Return a function that returns the words in a collection of a module, which it then imports, and others."""

    def complete(incomplete: str) -> list[str]:
        return [*others, *getattr(import_module(f"convcli.{module}"), name)]

    return complete


DTYPES = words("float32", "float64")
UPSTREAMS = words("ones", "at:", "normal:", "mse:")
