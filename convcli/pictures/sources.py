"""Find the inputs that arguments name: files, folders, patterns, inline JSON, stdin, or a list of files."""

import os
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from glob import escape, glob, has_magic
from math import isfinite
from pathlib import Path

import PIL.Image

from convcli.errors import FileError, OptionError
from convcli.files.json_reading import is_inline_array
from convcli.files.source import STREAM, Source
from convcli.pictures.formats import format_read
from convcli.text import real

# One or several ** in a row, each a whole component of a pattern.
_ANY_FOLDERS = re.compile(r"(?:^|(?<=/))(?:\*\*(?:/+|$))+")

_INLINE = "inline array"


def stdin_source(read_stdin: Callable[[], bytes]) -> Source:
    """Return stdin as an input."""
    return Source(STREAM, "<stdin>", Path("stdin"), read_stdin)


def source_of(text: str, read_stdin: Callable[[], bytes]) -> Source:
    """Return the input that an argument names: ``-``, an inline array, or a file."""
    if text == STREAM:
        return stdin_source(read_stdin)
    if is_inline_array(text) and not os.path.lexists(text):
        return Source.of_text(text, _INLINE)
    return Source.of_file(text)


def tensor_source_of(text: str, read_stdin: Callable[[], bytes]) -> Source:
    """Return the input that an argument names: an inline number, ``-``, an inline array, or a file."""
    if not text:
        raise OptionError("expected a number, inline JSON or a file, given nothing")
    return Source.of_text(text, _INLINE) if _is_number(text) else source_of(text, read_stdin)


def sources_of(texts: Iterable[str], read_stdin: Callable[[], bytes]) -> list[Source]:
    """Return the inputs that arguments name. A folder names its images, and a pattern the files that match it, sorted.

    ``**`` in a pattern is any number of folders, which are no links.
    Raises FileError for a folder or a pattern without files.
    """
    return [source for text in texts for source in _sources_of(text, read_stdin)]


def sources_in_list(names: bytes, *, null: bool) -> list[Source]:
    """Return the files that a list names: one per line, or with ``null`` each terminated by a NUL byte.

    Lines may end with CR LF, and the list may begin with a byte order mark, as on Windows.
    Raises OptionError if the list has NUL bytes without ``null``.
    """
    if b"\0" in names and not null:
        raise OptionError(
            "the list of files has NUL bytes: use `null` if its names end in them, otherwise encode it in UTF-8"
        )
    lines = names.removeprefix(BOM_UTF8).split(b"\n")
    entries = names.split(b"\0") if null else (name.removesuffix(b"\r") for name in lines)
    return [Source.of_file(os.fsdecode(name)) for name in entries if name]


def readable_extensions() -> set[str]:
    """Return the extensions, in lower case with the dot, of files that can be read: pictures and ``.npy``."""
    extensions = PIL.Image.registered_extensions().items()
    by_pillow = {name for name, format in extensions if format in PIL.Image.OPEN and not format_read(format).refusal}
    return by_pillow | {".npy", ".pam", ".jxl", ".heic", ".heif", ".hif"}


def _is_number(text: str) -> bool:
    """Return whether a text is a number; raise OptionError for NaN and infinity, which JSON does not have."""
    try:
        number = real(text)
    except ValueError:
        return False
    if not isfinite(number):
        raise OptionError(f"expected a finite number, given {text!r}")
    return True


def _sources_of(text: str, read_stdin: Callable[[], bytes]) -> list[Source]:
    if os.path.isdir(text):
        return _images_in(text)
    only = source_of(text, read_stdin)
    if only.read or not has_magic(text) or os.path.lexists(text):
        return [only]
    matches = [Source.of_file(name) for name in sorted(_matches(text)) if os.path.isfile(name)]
    if not matches:
        raise FileError(f"no file matches {text}")
    return matches


def _matches(pattern: str) -> set[str]:
    """Return the names that match a pattern. Unlike in Python's glob, ``**`` does not follow links to folders."""
    found = _ANY_FOLDERS.search(pattern)
    if not found:
        return set(glob(pattern))
    everything = "" if pattern.endswith("/") else "*"
    above, below = pattern[: found.start()], pattern[found.end() :] or everything
    return {
        name
        for top in (glob(above) if above else [""])
        for folder in _folders(top)
        for name in _matches(os.path.join(escape(folder), below))
    }


def _folders(top: str) -> Iterator[str]:
    """Yield a folder and the folders below it, without links, which may lead back to it, and without hidden ones."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        yield folder
        # Folders that may not be listed have no matches.
        with suppress(OSError), os.scandir(folder or os.curdir) as entries:
            waiting += [
                os.path.join(folder, entry.name)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]


def _images_in(folder: str) -> list[Source]:
    known = readable_extensions()
    names = sorted(name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in known)
    images = [Source.of_file(path) for path in (os.path.join(folder, name) for name in names) if os.path.isfile(path)]
    if not images:
        raise FileError(
            f"no images in the folder {folder}: name files or a pattern, as in '{folder.rstrip('/')}/**/*.jpg'"
        )
    return images
