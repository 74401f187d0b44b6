"""Standard streams: data on stdout only, words on stderr, stdin only when it was asked for."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO, TextIOWrapper
from typing import Any, BinaryIO, TextIO

from convcli.cli.flags import with_flags
from convcli.errors import FileError, OptionError
from convcli.files.file_bytes import read_stream
from convcli.text import in_one_line

STREAM = "-"


def say(kind: str, message: str) -> None:
    """Write one line to stderr: an error, a warning or a note, with flags for the parameters that it names.

    Nothing is written where nobody can read it.
    """
    # Where stderr is closed there is none, and print would take stdout for it.
    if sys.stderr is None:
        return
    try:
        print(f"convcli: {kind}: {in_one_line(with_flags(message))}", file=sys.stderr)
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """Let what is still written to a standard stream go nowhere, that of the interpreter's last flush too."""
    # Where no more files may be open, its loss is told once more.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def keep_stderr() -> None:
    """From now on stderr is for our words alone, and what C libraries write to its descriptor goes nowhere.

    Libtiff says there what it makes of damaged files, of which Pillow raises too.
    """
    if sys.stderr is None:
        return
    # Without a buffer, which would keep what cannot be written, to fail once more at exit.
    kept: Any = FileIO(os.dup(sys.stderr.fileno()), "w", closefd=False)
    sys.stderr = TextIOWrapper(kept, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def read_stdin() -> bytes:
    """All of stdin: a pipe cannot be rewound, and the readers of arrays and images want to."""
    if sys.stdin is None:
        raise FileError("cannot read <stdin>: it is closed")
    try:
        return read_stream(sys.stdin.buffer)
    except OSError as error:
        raise FileError(f"cannot read <stdin>: {error.strerror}") from None


def refuse_second_stdin(sources: Iterable[str]) -> None:
    """Stdin can be read once."""
    if list(sources).count(STREAM) > 1:
        raise OptionError("'-' was given more than once: stdin can be one of the images, the kernel or G, not two")


def is_terminal() -> bool:
    """Whether people read stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def refuse_terminal() -> None:
    """A terminal is no place for bytes."""
    if is_terminal():
        raise OptionError("binary data is not written to a terminal: use `output`, or pipe it into a program")


@contextmanager
def open_stdout(*_: object) -> Iterator[BinaryIO]:
    """Yield stdout as a destination's opener does; flush it, so that a reader that has gone is noticed here."""
    if sys.stdout is None:
        raise FileError("cannot write <stdout>: it is closed")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
