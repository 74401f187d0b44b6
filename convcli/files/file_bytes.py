"""The bytes of files, whole or their first, whether they lie on a disk or in memory already."""

import errno
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from convcli.errors import FileError
from convcli.files.memory import available_memory, size_in_words

_PIECE = 1 << 20


def read_file(name: str) -> bytes:
    """Raises FileError, in one line, if it cannot be read."""
    try:
        return read_bytes(name)
    except OSError as error:
        raise FileError(f"cannot read {name}: {error.strerror}") from error


def read_bytes(name: str) -> bytes:
    """The file's; OSError, with its reason, if they cannot be read."""
    try:
        with open(name, "rb") as stream:
            return read_stream(stream)
    except ValueError as error:
        # A name that no file can have.
        raise OSError(errno.EINVAL, str(error)) from None


def read_stream(stream: BinaryIO) -> bytes:
    """All that is left; OSError, with its reason, if it cannot be read, or has no end that memory would hold."""
    most = available_memory().bytes // 2
    kept = BytesIO()
    while piece := stream.read(_PIECE):
        if kept.tell() + len(piece) > most:
            raise OSError(
                errno.EFBIG, f"it has no end, or is larger than half of the memory left, {size_in_words(most)}"
            )
        kept.write(piece)
    return kept.getvalue()


def contents(file: Path | BytesIO) -> bytes:
    """All of them; OSError if they cannot be read."""
    return file.getvalue() if isinstance(file, BytesIO) else file.read_bytes()


def opened(file: Path | BytesIO) -> AbstractContextManager[BinaryIO]:
    """A stream of them, which one in memory is already, wherever in it that is; OSError if there is none."""
    return nullcontext(file) if isinstance(file, BytesIO) else file.open("rb")


def first_bytes(file: Path | BytesIO, count: int) -> bytes:
    """So many, or all if there are fewer; OSError if they cannot be read."""
    if isinstance(file, BytesIO):
        return file.getvalue()[:count]
    with file.open("rb") as stream:
        return stream.read(count)
