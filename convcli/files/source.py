"""Where an input comes from."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from convcli.errors import OptionError
from convcli.files.file_bytes import read_file


@dataclass(frozen=True)
class Source:
    """An input: a file, or bytes that have a name.

    name: what the user calls it.  label: what errors call it.
    path: what outputs are named after; also the file itself, unless ``read`` gives the bytes instead.
    max_pixels: the most that a picture in it may have, or one frame of several; 0 is no limit, None is Pillow's limit.
    """

    name: str
    label: str
    path: Path
    read: Callable[[], bytes] | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.max_pixels is not None:
            require_pixel_limit(self.max_pixels)

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


def require_pixel_limit(most: int) -> None:
    """Raise OptionError for a number of pixels below 0."""
    if most < 0:
        raise OptionError(f"expected a number of at least 0, given {most}", option="max_pixels")
