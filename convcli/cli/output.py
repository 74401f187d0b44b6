"""Write a command's results, as lines, JSON or bytes, to stdout or to a file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from convcli.cli.messages import Messages
from convcli.cli.streams import is_terminal, open_stdout, refuse_terminal
from convcli.errors import OptionError
from convcli.files import output_names
from convcli.files.file_bytes import write_text
from convcli.files.json_writing import write_json
from convcli.files.output_names import Destination
from convcli.files.source import STREAM
from convcli.files.whole_files import IfExists, write_atomically
from convcli.layouts import Layouts

Held = TypeVar("Held")


def destination_of(
    output: str | None, messages: Messages, *, overwrite: bool, skip_existing: bool = False
) -> Destination:
    """Return the destination that the options ``--output``, ``--overwrite`` and ``--skip-existing`` define."""
    if overwrite and skip_existing:
        raise OptionError("`overwrite` and `skip_existing` contradict each other: give one")
    if_exists = IfExists.REPLACE if overwrite else IfExists.SKIP if skip_existing else IfExists.FAIL
    opener = open_stdout if output == STREAM else partial(write_atomically, tell=messages.warn)
    return output_names.destination_of(output, if_exists, opener)


def data_format(requested: str, destination: Destination, formats: Sequence[str]) -> str:
    """Return the format of data (``output_names.data_format``). Raises OptionError for binary data on a terminal."""
    chosen = output_names.data_format(requested, destination, formats, terminal=is_terminal())
    if destination.is_stream and chosen in output_names.BINARY:
        refuse_terminal()
    return chosen


def text_writer(lines: Callable[[Held], Iterable[str]]) -> Callable[[Held, BinaryIO], None]:
    """Return a function that writes a value to a stream as lines of text."""
    return lambda held, stream: write_text(stream, lines(held))


def print_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    with open_stdout() as stream:
        write_text(stream, lines)


def print_json(members: Mapping[str, Any]) -> None:
    """Write an object to stdout as JSON."""
    with open_stdout() as stream:
        write_json(stream, members)


def tell_saved(what: str, destination: Destination, path: Path, messages: Messages) -> None:
    """Say what was saved in a file; say nothing for stdout."""
    if not destination.is_stream:
        messages.tell(None, f"wrote {path}, {what}")


def tell_order(drawing: str, layouts: Layouts, messages: Messages) -> None:
    """Say which order of axes the indices in a drawing have, if it is not that of the user's arrays."""
    if layouts.to_json():
        messages.tell("note", f"the {drawing} has its axes in the order chw, and those of K in the order oihw")
