"""Where a command's results go: lines, JSON or bytes, to stdout or to a file."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from convcli.cli.messages import Messages
from convcli.cli.streams import open_stdout
from convcli.errors import OptionError
from convcli.files import output_names
from convcli.files.json_writing import json_document
from convcli.files.output_names import Destination
from convcli.files.source import STREAM
from convcli.files.whole_files import IfExists, write_atomically


def destination_of(output: str | None, *, overwrite: bool, skip_existing: bool = False) -> Destination:
    """Return the destination that options ask for, where ``-`` is stdout."""
    if overwrite and skip_existing:
        raise OptionError("`overwrite` and `skip_existing` contradict each other: give one")
    if_exists = IfExists.REPLACE if overwrite else IfExists.SKIP if skip_existing else IfExists.FAIL
    return output_names.destination_of(output, if_exists, open_stdout if output == STREAM else write_atomically)


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    _write(lines, open_stdout())


def print_json(members: Mapping[str, Any]) -> None:
    """Write an object to stdout as JSON."""
    print_lines(json_document(members))


def save_lines(lines: Iterable[str], destination: Destination, path: Path) -> None:
    """Write lines to one output of a destination."""
    _write(lines, destination.open(path))


def note_saved(what: str, destination: Destination, path: Path, messages: Messages) -> None:
    """Note what a file holds; stdout needs no note."""
    if not destination.is_stream:
        messages.note(f"{path}: {what}")


def _write(lines: Iterable[str], opened: AbstractContextManager[BinaryIO]) -> None:
    with opened as stream:
        stream.writelines(line.encode() for line in lines)
