"""Read the bytes of a file, all or only the first ones, from a disk or from memory; write text as bytes."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO

from convcli.errors import ConvcliError, FileError, reason_of
from convcli.files.memory import available_memory, format_size, require_memory

_PIECE = 1 << 20


@contextmanager
def read_errors(label: str) -> Iterator[None]:
    """Turn every error within that is not convcli's own into FileError("cannot read LABEL: reason")."""
    try:
        yield
    except ConvcliError:
        raise
    # A broken file makes Pillow and NumPy raise OSError, ValueError, SyntaxError, EOFError, MemoryError,
    # struct.error, zlib.error and others. Each of them means that the file cannot be read.
    except Exception as error:
        raise FileError(f"cannot read {label}: {reason_of(error)}") from error


def read_file(name: str) -> bytes:
    """Return a file's bytes; raise FileError if it cannot be read."""
    with read_errors(name):
        return read_bytes(name)


def read_bytes(name: str) -> bytes:
    """Return a file's bytes; raise OSError, with its reason, if it cannot be read."""
    try:
        with open(name, "rb") as stream:
            return read_stream(stream)
    except ValueError as error:
        # No file can have this name.
        raise OSError(errno.EINVAL, str(error)) from None


def read_stream(stream: BinaryIO) -> bytes:
    """Return the rest of a stream; raise OSError if it cannot be read, or if it exceeds half of the free memory."""
    size = _known_size(stream)
    require_memory(size, "it has")
    content = BytesIO(stream.read(size))
    content.seek(0, SEEK_END)
    piece = stream.read(_PIECE)
    # Nothing follows a file of known size, and finding the limit takes longer than reading a small file.
    most = available_memory().bytes // 2 if piece else 0
    while piece:
        if content.tell() + len(piece) > most:
            raise OSError(errno.EFBIG, f"it is endless, or larger than half of the free memory, {format_size(most)}")
        content.write(piece)
        piece = stream.read(_PIECE)
    return content.getvalue()


def _known_size(stream: BinaryIO) -> int:
    """Return the size of a file in bytes; 0 for a pipe or a device, whose size is unknown."""
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def contents(file: Path | BytesIO) -> bytes:
    """Return all bytes of a file; raise the errors of ``read_stream``."""
    if isinstance(file, BytesIO):
        return file.getvalue()
    with file.open("rb") as stream:
        return read_stream(stream)


def require_fitting(file: Path | BytesIO) -> None:
    """Raise OSError if a file on the disk exceeds half of the free memory, for a reader that may hold all of it."""
    if isinstance(file, Path):
        require_memory(size_of(file), "it has")


def size_of(file: Path | BytesIO) -> int:
    """Return the number of bytes of a file; raise OSError if it cannot be looked up."""
    return file.getbuffer().nbytes if isinstance(file, BytesIO) else file.stat().st_size


def open_file(file: Path | BytesIO) -> AbstractContextManager[BinaryIO]:
    """Open a file; raise OSError if that fails. A file in memory is a stream already, at any position."""
    return nullcontext(file) if isinstance(file, BytesIO) else file.open("rb")


@contextmanager
def open_again(file: Path | BytesIO) -> Iterator[BinaryIO]:
    """Open a file that another reader has open, and restore the position of a file in memory, which both share."""
    with open_file(file) as stream:
        position = stream.tell()
        try:
            yield stream
        finally:
            stream.seek(position)


def first_bytes(file: Path | BytesIO, count: int) -> bytes:
    """Return the first ``count`` bytes of a file, or all if it has fewer; raise OSError if they cannot be read."""
    if isinstance(file, BytesIO):
        return file.getvalue()[:count]
    with file.open("rb") as stream:
        return stream.read(count)


def write_text(stream: BinaryIO, pieces: Iterable[str]) -> None:
    """Write pieces of text as UTF-8."""
    stream.writelines(piece.encode() for piece in pieces)
