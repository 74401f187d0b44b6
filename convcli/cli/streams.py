"""Standard streams: data on stdout only, words on stderr, stdin only when it was asked for."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TextIO

from convcli.errors import FileError, OptionError

STREAM = "-"


def say(kind: str, message: str) -> None:
    """One line on stderr: an error, a warning or a note; nothing, where nobody can read it any more."""
    # Where stderr is closed there is none, and print would take stdout for it.
    if sys.stderr is None:
        return
    try:
        print(f"convcli: {kind}: {message}", file=sys.stderr)
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """Let what is still written to a standard stream go nowhere, that of the interpreter's last flush too."""
    # Where no more files may be open, its loss is told once more.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def read_stdin() -> bytes:
    """All of stdin: a pipe cannot be rewound, and the readers of arrays and images want to."""
    if sys.stdin is None:
        raise FileError("cannot read <stdin>: it is closed")
    return sys.stdin.buffer.read()


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
        raise OptionError("binary data is not written to a terminal: use -o FILE, or pipe it into a program")


@contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Stdout for bytes; never a terminal."""
    refuse_terminal()
    with text_stdout() as stream:
        yield stream


@contextmanager
def text_stdout() -> Iterator[BinaryIO]:
    """Stdout for encoded text; flushed, so that a reader that has gone is noticed here and not at exit."""
    if sys.stdout is None:
        raise FileError("cannot write <stdout>: it is closed")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
