"""The destination of outputs, and the names of their files."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from convcli.errors import OptionError
from convcli.files.refusals import RealPaths, refuse_existing, refuse_missing_folders
from convcli.files.source import STREAM
from convcli.files.templates import escaped, expand, fields, safe_name
from convcli.files.whole_files import IfExists, write_atomically
from convcli.text import any_of, choice

# The formats of data that are not text.
BINARY = ("npz", "npy", "png", "gif")
Opener = Callable[[Path, IfExists, str | None], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Destination:
    """The destination of outputs: files in a folder, files that a template names, or the stream ``-``.

    template: a name with {placeholders} (``convcli.files.templates``), the name of a folder with a slash at its end, or
    ``-``.
    if_exists: what to do if an output's file exists already.
    opener: opens an output for writing. A caller that writes to a stream passes its own.
    is_default: whether the user named no output.
    """

    template: str
    if_exists: IfExists = IfExists.FAIL
    opener: Opener = write_atomically
    is_default: bool = False
    # The real path of each output that was checked: a link that appears afterwards is not followed.
    _checked: dict[Path, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def is_stream(self) -> bool:
        """Return whether all output goes to one stream."""
        return self.template == STREAM

    @property
    def is_folder(self) -> bool:
        """Return whether outputs go into a folder, under default names."""
        return self.template.endswith(("/", os.sep))

    @property
    def extension(self) -> str | None:
        """The extension of every name, without the dot; "" if names have none, None if the caller chooses it.

        The caller chooses it for a stream, for a folder, and if the template ends in ``.{ext}``.
        """
        if self.is_stream or self.is_folder or self.template.endswith(".{ext}"):
            return None
        return os.path.splitext(self.template)[1][1:]

    @property
    def placeholders(self) -> set[str]:
        """The placeholders of the names; in a folder, those that names in a folder have."""
        return {"stem", "kernel", "ext"} if self.is_folder else fields(self.template)

    def full_template(self, default: str) -> str:
        """Return the template of the paths. default: the template of the names in a folder."""
        return self.template + default if self.is_folder else self.template

    def paths(self, default: str, values: Iterable[Mapping[str, str]]) -> list[Path]:
        """Return a path for each set of values of the placeholders, in their order.

        default: the template of the names in a folder.  Raises OptionError as ``expand`` does.
        """
        template = self.full_template(default)
        return [Path(expand(template, placeholders)) for placeholders in values]

    def require_writable(self, paths: Sequence[Path]) -> None:
        """Raise FileError if the folder of an output is missing, or if an existing file may not be replaced.

        A folder that is named with a slash, or by a template with placeholders, may be missing: it is created later.
        """
        if not (self.is_stream or self.is_folder or fields(self.template)):
            refuse_missing_folders(paths)
        self.refuse_existing(paths)

    def refuse_existing(self, paths: Sequence[Path]) -> None:
        """Raise FileError if an output may not have its name, because of a file or folder with this name."""
        if self.is_stream:
            return
        refuse_existing(paths, self.if_exists)
        real = RealPaths()
        for path in paths:
            self._checked.setdefault(path, real.of(path))

    def skips(self, paths: Sequence[Path]) -> bool:
        """Return whether to skip these outputs because all of them exist."""
        return self.if_exists is IfExists.SKIP and all(map(os.path.isfile, paths))

    def open(self, path: Path) -> AbstractContextManager[BinaryIO]:
        """Open an output: a stream whose bytes become the file when the block ends."""
        return self.opener(path, self.if_exists, self._checked.get(path))


def destination_of(
    output: str | None, if_exists: IfExists = IfExists.FAIL, opener: Opener = write_atomically
) -> Destination:
    """Return the destination for a path, a template, a folder, ``-``, or None, which is the current folder.

    A name is a folder if it exists as one, or if it ends in a slash.
    """
    if output is None:
        return Destination(os.path.join(os.curdir, ""), if_exists, opener, is_default=True)
    if output != STREAM and os.path.isdir(output):
        return Destination(os.path.join(escaped(output), ""), if_exists, opener)
    return Destination(output, if_exists, opener)


def kernel_path(destination: Destination, kernel: str, extension: str) -> Path:
    """Return the path of a kernel's only output: ``{kernel}.{ext}`` in a folder, ``-`` for a stream.

    Raises OptionError for an invalid template, and FileError as ``require_writable`` does.
    """
    paths = destination.paths("{kernel}.{ext}", [{"kernel": safe_name(kernel), "ext": extension}])
    destination.require_writable(paths)
    return paths[0]


def data_format(requested: str, destination: Destination, formats: Sequence[str], *, terminal: bool) -> str:
    """Return the requested format, or for ``auto`` the one that suits the output's name or the stream.

    formats: ``text``, ``json``, ``npz`` and others; each except text is also its own extension.
    terminal: whether the stream is a terminal.
    Raises OptionError for another format, and for one that contradicts the extension of the output.
    """
    if choice("format", requested, ("auto", *formats)) != "auto":
        _require_agreement(requested, destination, formats)
        return requested
    if destination.is_stream:
        return "text" if terminal else "json"
    return "npz" if destination.extension is None else _format_by_name(destination, formats)


def format_extension(format: str) -> str:
    """Return the extension, without the dot, of one of the formats of ``data_format``."""
    return {"text": "txt", "latex": "tex", "markdown": "md"}.get(format, format)


def unclear_format(destination: Destination, endings: str) -> OptionError:
    """Return the error for a name without a known extension, which may be meant as a folder."""
    return OptionError(
        f"expected a name that ends in {endings}, or in / for a folder, given {destination.template!r}: "
        "add an extension, or use `format`",
        option="output",
    )


def _require_agreement(requested: str, destination: Destination, formats: Sequence[str]) -> None:
    extension = (destination.extension or "").lower()
    if extension != format_extension(requested) and extension in map(format_extension, formats):
        raise OptionError(
            f"expected a name that ends in .{format_extension(requested)}, as the format is {requested}, "
            f"given {destination.template!r}",
            option="output",
        )


def _format_by_name(destination: Destination, formats: Sequence[str]) -> str:
    extension = (destination.extension or "").lower()
    for format in formats:
        if extension == format_extension(format):
            return format
    raise unclear_format(destination, any_of([f".{format_extension(format)}" for format in formats]))
