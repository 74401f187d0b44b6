"""Standard streams: data on stdout, messages on stderr, and stdin only if the user asks for it."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, BinaryIO, TextIO

from convcli.errors import ConvcliError, FileError, OptionError, reason_of
from convcli.files.file_bytes import read_stream
from convcli.files.source import STREAM


class ReaderGone(BaseException):
    """Raised to end the program when the reader of stdout has closed it. Code that catches Exception lets it pass."""


def prepare_streams() -> None:
    """Keep descriptors 0, 1 and 2 for the standard streams, and write messages at once."""
    # If descriptor 2 were free, an output opened as 2 would get what C libraries write to stderr.
    while (descriptor := _open_nothing()) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stderr is not None:
        # A buffer would keep text that cannot be written, and fail again at exit. `fdopen` knows Windows' console.
        unbuffered: Any = os.fdopen(sys.stderr.fileno(), "wb", buffering=0, closefd=False)
        sys.stderr = TextIOWrapper(unbuffered, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)


def discard(stream: TextIO) -> None:
    """Discard all that is written to a standard stream from now on, including the interpreter's flush at exit."""
    # If no descriptor is free, the flush at exit reports the same failure once more.
    with suppress(OSError):
        os.dup2(_open_nothing(), stream.fileno())


def _open_nothing() -> int:
    """Return a descriptor that discards what is written to it."""
    try:
        return os.open(os.devnull, os.O_RDWR)
    except OSError:
        # Some chroots have no devices, and systems other than Linux no files in memory.
        if not hasattr(os, "memfd_create"):
            raise
        return os.memfd_create("convcli-nothing")


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
    """Yield stdout. The arguments are ignored; they make this usable in place of ``write_atomically``.

    Raises FileError if it cannot be written, and ReaderGone if its reader has closed it.
    """
    if sys.stdout is None:
        raise FileError("cannot write <stdout>: it is closed")
    try:
        yield sys.stdout.buffer
        # Otherwise an error would be noticed only when the interpreter exits.
        sys.stdout.flush()
    # Rich raises SystemExit when the reader has gone.
    except (BrokenPipeError, SystemExit):
        discard(sys.stdout)
        raise ReaderGone from None
    except ConvcliError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise FileError(f"cannot write <stdout>: {reason_of(error)}") from error
