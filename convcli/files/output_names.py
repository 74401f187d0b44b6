"""Where outputs go, and the names of their files."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from convcli.errors import OptionError
from convcli.files.refusals import refuse_existing, refuse_missing_folders
from convcli.files.templates import escaped, expand, fields, safe_name
from convcli.files.whole_files import IfExists, write_atomically
from convcli.text import any_of, choice

STREAM = "-"
Opener = Callable[[Path, IfExists], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Destination:
    """Where outputs go: files in a folder, files that a template names, or the stream ``-``.

    template: a name with {placeholders} (``convcli.files.templates``), a folder's name with a slash at its end, or
    ``-``.  if_exists: what to do if an output's file exists already.
    opener: opens an output; a caller that writes to a stream gives its own.
    """

    template: str
    if_exists: IfExists = IfExists.FAIL
    opener: Opener = write_atomically

    @property
    def is_stream(self) -> bool:
        """Whether all output goes to one stream."""
        return self.template == STREAM

    @property
    def is_folder(self) -> bool:
        """Whether files get default names in a folder."""
        return self.template.endswith(("/", os.sep))

    @property
    def extension(self) -> str | None:
        """The extension of every name, without the dot; None where the caller may choose one.

        That is so for a stream, in a folder, and in a template that ends in ``.{ext}``.
        """
        if self.is_stream or self.is_folder or self.template.endswith(".{ext}"):
            return None
        return os.path.splitext(self.template)[1][1:]

    def full_template(self, default: str) -> str:
        """Return the template of the names; in a folder files are called ``default``, which is a template itself."""
        return self.template + default if self.is_folder else self.template

    def paths(self, default: str, values: Iterable[Mapping[str, str]]) -> list[Path]:
        """Return the output's path for each of the placeholders' values, in their order; errors as in ``expand``."""
        template = self.full_template(default)
        return [Path(expand(template, each)) for each in values]

    def require_writable(self, paths: Sequence[Path]) -> None:
        """Raise FileError if an output's folder is missing, or its file may not be replaced.

        Folders of a template with placeholders, and those named with a slash, are made when a file is opened.
        """
        if not (self.is_stream or self.is_folder or fields(self.template)):
            refuse_missing_folders(paths)
        self.refuse_existing(paths)

    def refuse_existing(self, paths: Sequence[Path]) -> None:
        """Raise FileError for a file that may not be replaced."""
        if not self.is_stream:
            refuse_existing(paths, self.if_exists)

    def skips(self, paths: Sequence[Path]) -> bool:
        """Return whether these outputs need not be made, because they exist."""
        return self.if_exists is IfExists.SKIP and all(map(os.path.isfile, paths))

    def open(self, path: Path) -> AbstractContextManager[BinaryIO]:
        """Return a stream whose bytes become the output when its block ends."""
        return self.opener(path, self.if_exists)


def destination_of(
    output: str | None, if_exists: IfExists = IfExists.FAIL, opener: Opener = write_atomically
) -> Destination:
    """Return the destination that a path, a template, a folder, ``-`` or None (the current folder) stands for.

    A folder is an existing one, or one whose name ends in a slash.
    """
    if output is None:
        return Destination(os.path.join(os.curdir, ""), if_exists, opener)
    if output != STREAM and os.path.isdir(output):
        return Destination(os.path.join(escaped(output), ""), if_exists, opener)
    return Destination(output, if_exists, opener)


def kernel_path(destination: Destination, kernel: str, extension: str) -> Path:
    """Return the path of the one output about a kernel, in a folder ``{kernel}.{ext}``; ``-`` for a stream.

    Raises what expanding the name and ``require_writable`` raise.
    """
    paths = destination.paths("{kernel}.{ext}", [{"kernel": safe_name(kernel), "ext": extension}])
    destination.require_writable(paths)
    return paths[0]


def data_format(asked: str, destination: Destination, formats: Sequence[str], *, terminal: bool) -> str:
    """Return the format asked for, or under ``auto`` the one that suits the output's name or the stream.

    formats: ``text``, ``json``, ``npz`` and any others; each but text is its own extension.
    Raises OptionError for others.
    """
    if choice("format", asked, ("auto", *formats)) != "auto":
        return asked
    if destination.is_stream:
        return "text" if terminal else "json"
    return "npz" if destination.extension is None else _format_by_name(destination, formats)


def format_extension(format: str) -> str:
    """Return the extension, without the dot, of one of the formats of ``data_format``."""
    return "txt" if format == "text" else format


def unclear_format(destination: Destination, endings: str) -> OptionError:
    """Return the error of a name that does not tell the format: it may be meant as a folder's."""
    return OptionError(
        f"{destination.template} does not tell the format: end it in {endings}, in / for a folder, or use `format`",
        option="output",
    )


def _format_by_name(destination: Destination, formats: Sequence[str]) -> str:
    extension = (destination.extension or "").lower()
    for format in formats:
        if extension == format_extension(format):
            return format
    raise unclear_format(destination, any_of([f".{format_extension(format)}" for format in formats]))
