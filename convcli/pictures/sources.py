"""Which images are meant: by names, folders, patterns, JSON on the command line, stdin, or a list of names."""

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

from convcli.errors import FileError, OptionError
from convcli.files.file_bytes import read_file
from convcli.files.json_reading import is_inline_array
from convcli.files.output_names import STREAM
from convcli.pictures.images import (
    Header,
    Image,
    decode_frames,
    decode_header,
    decode_image,
    open_frames,
    open_header,
    open_image,
    readable_extensions,
)

STDIN = "<stdin>"
INLINE = "inline image"


class Source(NamedTuple):
    """Where an image comes from.

    word: what it was called.  read: gives its bytes where they are not those of the file of that name.
    label: what it is called then, in errors.  stem: what outputs are then named after.
    """

    word: str
    read: Callable[[], bytes] | None = None
    label: str = ""
    stem: str = ""

    @property
    def path(self) -> Path:
        """What outputs are named after."""
        return Path(self.stem if self.read else self.word)

    def image(self) -> Image:
        """The image, decoded; errors as those of ``convcli.pictures.images``."""
        return decode_image(self.read(), self.label) if self.read else open_image(self.path)

    def frames(self) -> Iterator[Image]:
        """Every frame or page of it, each decoded when it is asked for."""
        return decode_frames(self.read(), self.label) if self.read else open_frames(self.path)

    def header(self) -> Header:
        """Its header alone."""
        return decode_header(self.read(), self.label) if self.read else open_header(self.path)


def source_of(word: str, read_stdin: Callable[[], bytes]) -> Source:
    """The image that one word stands for: ``-``, JSON, or the name of a file."""
    if word == STREAM:
        return Source(word, read_stdin, STDIN, "stdin")
    if is_inline_array(word) and not os.path.lexists(word):
        return Source(word, word.encode, INLINE, "inline")
    return _named(word)


def sources_of(words: Iterable[str], read_stdin: Callable[[], bytes]) -> list[Source]:
    """The images that words stand for: a folder for the images in it, a pattern for the files that match it, sorted.

    ``**`` in a pattern is any number of folders. Raises FileError where a folder or a pattern has none.
    """
    return [each for word in words for each in _sources_of(word, read_stdin)]


def listed(names: bytes, *, null: bool) -> list[Source]:
    """The files that a list names, one a line, or with ``null`` each ended by a NUL byte; every name as it is.

    Lines may end as on Windows, and a byte order mark may stand first. Raises OptionError for lines with NUL bytes.
    """
    if b"\0" in names and not null:
        raise OptionError("the list of files has NUL bytes: give -0 if its names end in them, else make it UTF-8")
    lines = names.removeprefix(BOM_UTF8).split(b"\n")
    each = names.split(b"\0") if null else (name.removesuffix(b"\r") for name in lines)
    return [_named(os.fsdecode(name)) for name in each if name]


def _named(name: str) -> Source:
    """A file; what is there and is no regular one, as a FIFO, is read once however often it is looked at."""
    if not os.path.isfile(name) and os.path.exists(name) and not os.path.isdir(name):
        return Source(name, cache(partial(read_file, name)), name, name)
    return Source(name)


def _sources_of(word: str, read_stdin: Callable[[], bytes]) -> list[Source]:
    if os.path.isdir(word):
        return _images_in(word)
    only = source_of(word, read_stdin)
    if only.read or not has_magic(word) or os.path.lexists(word):
        return [only]
    found = [Source(name) for name in sorted(glob(word, recursive=True)) if os.path.isfile(name)]
    if not found:
        raise FileError(f"no file matches {word}")
    return found


def _images_in(folder: str) -> list[Source]:
    known = readable_extensions()
    names = sorted(name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in known)
    found = [Source(path) for path in (os.path.join(folder, name) for name in names) if os.path.isfile(path)]
    if not found:
        raise FileError(
            f"no images in the folder {folder}: name files or a pattern, as in '{folder.rstrip('/')}/**/*.jpg'"
        )
    return found
