"""Names of output files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from convcli.errors import OptionError
from convcli.files.refusals import refuse_existing, refuse_missing_folder
from convcli.files.templates import expand, fields, is_folder, safe_name

STREAM = "-"


class Output(NamedTuple):
    """Where an output goes: into a file, or the stream ``-``.

    overwrite: whether a file that is there already is replaced.
    """

    name: str = STREAM
    overwrite: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether it is the stream."""
        return self.name == STREAM


class Naming(NamedTuple):
    """What the files that come from one image and one kernel are named after.

    stem: the image's name without folder and extension.  folder: the image's folder, ``.`` for none.
    kernel: the kernel's name, any text.  extension: of the output, without the dot.
    maps: how many there are.  frame: the number of this one, of so many frames in the image's file.
    """

    stem: str
    kernel: str
    maps: int
    extension: str = "png"
    folder: str = "."
    frame: int = 0
    frames: int = 1

    @property
    def files(self) -> int:
        """One for a gray or an RGB picture, and for ``.npy``, which holds any count; else one a map."""
        return 1 if self.maps in (1, 3) or self.extension.lower() == "npy" else self.maps

    @property
    def default(self) -> str:
        """The template of a name in a folder."""
        frame, map_ = ".{frame}" * (self.frames > 1), ".{map}" * (self.files > 1)
        return f"{{stem}}{frame}.{{kernel}}{map_}.{{ext}}"


def output_extension(output: str | None) -> str:
    """The extension, without the dot, that ``-o`` asks for; ``png`` for a folder, and where ``{ext}`` leaves it open.

    Raises OptionError for a name that has none: it may be meant as a folder.
    """
    if output is None or leaves_format_open(output):
        return "png"
    suffix = os.path.splitext(output)[1][1:]
    if not suffix or "{" in suffix:
        raise OptionError(f"-o {output} does not tell the format: end it in .png, in / for a folder, or use -f")
    return suffix


def output_names(output: str | None, naming: Naming) -> list[Path]:
    """The files to write, in the order of the maps that they hold.

    output: a path, a template with placeholders, an existing folder, a folder with a slash at its end, or
    None for the current folder. In a folder the files are called ``{stem}.{kernel}.{ext}``, with ``.{map}``
    before the extension where every map has its own file, and ``.{frame}`` after the stem where every frame has;
    both are numbered from 0, with leading zeros.
    Raises OptionError for a template that cannot be used, or several files with one name.
    """
    template = output_template(output, naming.default)
    if naming.files > 1 and "map" not in fields(template):
        raise OptionError(
            f"{naming.maps} maps take a file each, and {template!r} names one: "
            "add {map} to the name, or write .npy, which holds any count"
        )
    if naming.frames > 1 and "frame" not in fields(template):
        raise OptionError(f"{naming.frames} frames take a file each, and {template!r} names one: add {{frame}} to it")
    return [Path(expand(template, _values(naming, number))) for number in range(naming.files)]


def text_output(output: str, kernel: str, extension: str, overwrite: bool) -> Output:
    """The stream, or the one file for what is told about a kernel; in a folder it is called ``{kernel}.{ext}``.

    Raises OptionError for a template that cannot be used, and what ``refuse_existing`` raises.
    """
    if output == STREAM:
        return Output()
    path = expand(output_template(output, "{kernel}.{ext}"), {"kernel": safe_name(kernel), "ext": extension})
    refuse_missing_folder(output, [Path(path)])
    refuse_existing([Path(path)], overwrite)
    return Output(path, overwrite)


def data_format(asked: str, output: str, formats: Sequence[str], *, terminal: bool) -> str:
    """The format that ``-f`` names, or under ``auto`` the one that suits the output's name or a stream.

    formats: ``text``, ``json``, ``npz`` and any others; each but text is its own extension.
    Raises OptionError for others.
    """
    if asked in formats:
        return asked
    if asked != "auto":
        raise OptionError(f"unknown format {asked!r}: expected auto, {', '.join(formats)}")
    if output == STREAM:
        return "text" if terminal else "json"
    return "npz" if leaves_format_open(output) else _format_by_name(output, formats)


def format_extension(format: str) -> str:
    """The extension, without the dot, of one of the formats of ``data_format``."""
    return "txt" if format == "text" else format


def leaves_format_open(output: str) -> bool:
    """Whether a format may be chosen for ``-o``: in a folder, and where the name ends in ``{ext}``."""
    return is_folder(output) or output.endswith(".{ext}")


def output_template(output: str | None, name: str) -> str:
    """The template that ``output`` is, or ``name`` in the folder that it is; None is the current folder."""
    if output is None:
        return name
    if os.path.isdir(output):
        return os.path.join(output.replace("{", "{{").replace("}", "}}"), name)
    return output + name if is_folder(output) else output


def _format_by_name(output: str, formats: Sequence[str]) -> str:
    extension = os.path.splitext(output)[1][1:].lower()
    for format in formats:
        if extension == format_extension(format):
            return format
    extensions = ", ".join(f".{format}" for format in formats if format != "text")
    raise OptionError(
        f"-o {output} does not tell the format: end it in {extensions} or .txt, in / for a folder, or use -f"
    )


def _values(naming: Naming, number: int) -> dict[str, str]:
    return {
        "stem": naming.stem,
        "kernel": safe_name(naming.kernel),
        "map": str(number).zfill(len(str(naming.maps - 1))),
        "frame": str(naming.frame).zfill(len(str(naming.frames - 1))),
        "ext": naming.extension,
        "dir": naming.folder,
    }
