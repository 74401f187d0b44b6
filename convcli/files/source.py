"""Where an input comes from."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from convcli.files.file_bytes import read_file


@dataclass(frozen=True)
class Source:
    """An input: a file, or bytes that have a name.

    name: what the user calls it.  label: what errors call it.
    path: what outputs are named after; also the file itself, unless ``read`` gives the bytes instead.
    """

    name: str
    label: str
    path: Path
    read: Callable[[], bytes] | None = None

    @classmethod
    def of(cls, given: "SourceLike") -> "Source":
        """Return the source itself, the file of that name, or the bytes under the name ``<bytes>``."""
        if isinstance(given, Source):
            return given
        return cls.of_bytes(given) if isinstance(given, bytes) else cls.of_file(os.fspath(given))

    @classmethod
    def of_bytes(cls, data: bytes, name: str = "<bytes>") -> "Source":
        """Return bytes in memory as an input of that name."""
        return cls(name, name, Path(name.strip("<>")), partial(bytes, data))

    @classmethod
    def of_file(cls, name: str) -> "Source":
        """Return the file of that name; a FIFO or a device is read once, however often its bytes are asked for."""
        is_stream = os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)
        return cls(name, name, Path(name), cache(partial(read_file, name)) if is_stream else None)

    def file(self) -> Path | BytesIO:
        """Return what can be sought in: the path, or the bytes in memory."""
        return self.path if self.read is None else BytesIO(self.read())


SourceLike = Source | str | os.PathLike[str] | bytes
