"""The source of an input: a file, or bytes with a name."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from convcli.errors import OptionError
from convcli.files.file_bytes import read_file
from convcli.files.samples import PREFIX, sample_path
from convcli.layouts import CHANNEL_MAJOR, Layout

# The name that stands for stdin as an input, and for stdout as an output.
STREAM = "-"
# The path that outputs of typed text are named after.
_INLINE = Path("inline")


@dataclass(frozen=True)
class Source:
    """An input: a file, bytes that have a name, or one of the tensors in a file.

    name: the user's name for it.  label: its name in errors.
    path: the path that outputs are named after; without ``read``, also the file itself.  read: returns the bytes.
    max_pixels: the most pixels that a picture, or each of its frames, may have; 0 is no limit, None is Pillow's limit.
    key: the name of a tensor in the file, or of a node in a model; None if none is named.
    layout: the order of the axes of an array; pictures and models have their own.
    """

    name: str
    label: str
    path: Path
    read: Callable[[], bytes] | None = None
    max_pixels: int | None = None
    key: str | None = None
    layout: Layout = CHANNEL_MAJOR

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
        """Return a file, the tensor ``FILE:KEY`` in one, or the sample picture ``sample:NAME`` as an input.

        A FIFO or a device is read only once; its bytes are kept. Raises OptionError for an unknown sample.
        """
        if name.startswith(PREFIX) and not os.path.lexists(name):
            path = sample_path(name.removeprefix(PREFIX))
            return cls(name, name, Path(path.name), path.read_bytes)
        file, key = split_key(name)
        is_stream = os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file)
        return cls(name, name, Path(file), cache(partial(read_file, file)) if is_stream else None, key=key)

    @property
    def file_name(self) -> str:
        """The name of the file in errors, without a key."""
        return self.label if self.key is None else self.label.removesuffix(f":{self.key}")

    @classmethod
    def of_text(cls, text: str, label: str) -> "Source":
        """Return text that the user typed as an input, with its bytes as they were typed; outputs are named inline."""
        return cls(text, label, _INLINE, partial(_typed_bytes, text))

    @property
    def is_typed(self) -> bool:
        """Return whether the source is text that the user typed."""
        return self.read is not None and self.path == _INLINE

    def file(self) -> Path | BytesIO:
        """Return a file that can be opened and sought in: the path, or the bytes in memory."""
        return self.path if self.read is None else BytesIO(self.read())


SourceLike = Source | str | os.PathLike[str] | bytes


def _typed_bytes(text: str) -> bytes:
    try:
        return os.fsencode(text)
    # From Python, text may have surrogates that stand for no byte.
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def split_key(name: str) -> tuple[str, str | None]:
    """Return the file and the key of ``FILE:KEY``; the name and None if it has no key.

    A file of that whole name wins. Otherwise the key follows the first colon that ends the name of a file.
    """
    if os.path.lexists(name):
        return name, None
    colons = (index for index, letter in enumerate(name) if letter == ":")
    end = next((colon for colon in colons if os.path.exists(name[:colon]) and not os.path.isdir(name[:colon])), None)
    return (name, None) if end is None else (name[:end], name[end + 1 :])


def require_pixel_limit(most: int) -> None:
    """Raise OptionError if the limit is below 0."""
    if most < 0:
        raise OptionError(f"expected a number of at least 0, given {most}", option="max_pixels")
