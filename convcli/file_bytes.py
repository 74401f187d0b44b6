"""The bytes of files, whole or their first, whether they lie on a disk or in memory already."""

from io import BytesIO
from pathlib import Path

from convcli.errors import FileError


def read_file(name: str) -> bytes:
    """Raises FileError, in one line, if it cannot be read."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {name}: {error.strerror}") from error


def contents(file: Path | BytesIO) -> bytes:
    """All of them; OSError if they cannot be read."""
    return file.getvalue() if isinstance(file, BytesIO) else file.read_bytes()


def first_bytes(file: Path | BytesIO, count: int) -> bytes:
    """So many, or all if there are fewer; OSError if they cannot be read."""
    if isinstance(file, BytesIO):
        return file.getvalue()[:count]
    with file.open("rb") as stream:
        return stream.read(count)
