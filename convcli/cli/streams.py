"""Standard streams: data on stdout, messages on stderr, and stdin only if the user asks for it."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO, TextIOWrapper
from typing import Any, BinaryIO, TextIO

from convcli.errors import FileError, OptionError
from convcli.files.file_bytes import read_stream
from convcli.files.source import STREAM


def discard(stream: TextIO) -> None:
    """Discard what is still written to a standard stream, also by the interpreter's flush at exit."""
    # Without a free descriptor the flush at exit reports the loss again.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reserve_stderr() -> None:
    """Keep stderr for convcli's messages, and discard what C libraries write to its descriptor.

    Libtiff writes there about damaged files, for which Pillow raises an error too.
    """
    if sys.stderr is None:
        return
    # A buffer would keep what cannot be written, and fail again at exit.
    kept: Any = FileIO(os.dup(sys.stderr.fileno()), "w", closefd=False)
    sys.stderr = TextIOWrapper(kept, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def read_stdin() -> bytes:
    """Return all of stdin: readers of arrays and images seek, which a pipe cannot."""
    if sys.stdin is None:
        raise FileError("cannot read <stdin>: it is closed")
    try:
        return read_stream(sys.stdin.buffer)
    except OSError as error:
        raise FileError(f"cannot read <stdin>: {error.strerror}") from None


def refuse_second_stdin(sources: Iterable[str]) -> None:
    """Raise OptionError if more than one input is stdin, which can be read once."""
    if list(sources).count(STREAM) > 1:
        raise OptionError("'-' is given more than once: stdin can be only one of the images, the kernel and G")


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def has_colours() -> bool:
    """Return whether the user allows colours, bold and dim text."""
    return not os.environ.get("NO_COLOR")


def refuse_terminal() -> None:
    """Raise OptionError if stdout, which is to get binary data, is a terminal."""
    if is_terminal():
        raise OptionError("binary data is not written to a terminal: use `output`, or pipe it into a program")


@contextmanager
def open_stdout(*_: object) -> Iterator[BinaryIO]:
    """Yield stdout, as a destination's opener does.

    It is flushed in the end, so that a reader that has gone is noticed here and not at exit.
    """
    if sys.stdout is None:
        raise FileError("cannot write <stdout>: it is closed")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
