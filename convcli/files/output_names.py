"""Names of output files, and what is there already under them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from convcli.errors import FileError, OptionError
from convcli.files.whole_files import existing_refused, is_special

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
    if naming.files > 1 and "map" not in _fields(template):
        raise OptionError(
            f"{naming.maps} maps take a file each, and {template!r} names one: "
            "add {map} to the name, or write .npy, which holds any count"
        )
    if naming.frames > 1 and "frame" not in _fields(template):
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
    return _is_folder(output) or output.endswith(".{ext}")


def output_template(output: str | None, name: str) -> str:
    """The template that ``output`` is, or ``name`` in the folder that it is; None is the current folder."""
    if output is None:
        return name
    if os.path.isdir(output):
        return os.path.join(output.replace("{", "{{").replace("}", "}}"), name)
    return output + name if _is_folder(output) else output


def expand(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``{placeholder}`` replaced; ``{{`` and ``}}`` are braces.

    Raises OptionError for a placeholder that is not among ``values``, or a lone brace, and where what stands for one,
    as ``..``, leads out of the folder that the template itself names.
    """
    pieces = _parse(template)
    for _, field, conversion in pieces:
        if field is not None and (field not in values or conversion):
            raise OptionError(_unknown_placeholder(template, field + conversion, values))
    name = "".join(text + values.get(field or "", "") for text, field, _ in pieces)
    folder = _named_folder(pieces, values)
    if not _is_below(name, folder):
        raise OptionError(
            f"the output {name} would be outside of {folder or 'the current folder'}, because {{dir}} or {{stem}} "
            "leads out of it: use -o without that, or name the images from a folder that holds them"
        )
    return name


def safe_name(name: str) -> str:
    """A kernel's name without what a file's name cannot hold, on any system."""
    kept = "".join("-" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in name)
    return kept.strip(" .") or "kernel"


def refuse_collisions(paths: Iterable[Path]) -> None:
    """Raises OptionError if two outputs would be one file; a device or FIFO may be written to repeatedly."""
    seen = set()
    real = RealPaths()
    for path in paths:
        name = real.of(path)
        if name in seen and not is_special(path):
            raise OptionError(
                f"two outputs would be named {path}: tell them apart with {{stem}}, {{kernel}} or {{dir}} in -o"
            )
        seen.add(name)


def refuse_existing(paths: Iterable[Path], overwrite: bool) -> None:
    """Raises FileError if an output is there already and no ``overwrite``.

    A folder with an output's name is never replaced, nor is what a link to nothing would name; a device or FIFO may
    always be written to.
    """
    for path in paths:
        if os.path.islink(path) and not os.path.exists(path):
            raise FileError(f"{path} is a link to nothing: remove it, or use -o to write elsewhere")
        if os.path.isdir(path):
            raise FileError(f"{path} is a folder: use -o to give the output another name")
        if os.path.isfile(path) and not overwrite:
            raise existing_refused(path)


def refuse_missing_folder(output: str | None, paths: Iterable[Path]) -> None:
    """Raises FileError if the folder of an output that was named in full is missing.

    Folders that are named as such, and those of a template, are made when they are written into.
    """
    if output is None or _is_folder(output) or _fields(output) != {None}:
        return
    for path in paths:
        if not os.path.isdir(path.parent):
            raise FileError(f"there is no folder {path.parent} to write {path.name} into: create it first")


def refuse_inputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raises OptionError if what is made of one input would replace another, or itself through a link."""
    real = RealPaths()
    inputs = {real.of(image): image for image in outputs}
    for image, paths in outputs.items():
        for path in paths:
            replaced = inputs.get(real.of(path))
            if replaced and (replaced != image or (path != image and os.path.islink(path))):
                raise OptionError(f"the output {path} is also an input: use -o to write elsewhere")


class RealPaths:
    """Paths with every link followed, each folder looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Like ``os.path.realpath``; FileError where the current folder, which it starts from, has been removed."""
        try:
            return self._of(path)
        except FileNotFoundError:
            raise FileError(f"cannot find the folder of {path}: the current one has been removed") from None

    def _of(self, path: Path) -> str:
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def _format_by_name(output: str, formats: Sequence[str]) -> str:
    extension = os.path.splitext(output)[1][1:].lower()
    for format in formats:
        if extension == format_extension(format):
            return format
    extensions = ", ".join(f".{format}" for format in formats if format != "text")
    raise OptionError(
        f"-o {output} does not tell the format: end it in {extensions} or .txt, in / for a folder, or use -f"
    )


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def _fields(template: str) -> set[str | None]:
    return {field for _, field, _ in _parse(template)}


def _parse(template: str) -> list[tuple[str, str | None, str]]:
    """Pieces of plain text, each with the placeholder that follows it, if any, and what is wrongly put on it."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        message = f"the output name {template!r} has a lone brace: write {{{{ or }}}} for a brace in a name"
        raise OptionError(message) from error
    return [
        (text, field, (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else ""))
        for text, field, spec, conversion in pieces
    ]


def _unknown_placeholder(template: str, placeholder: str, values: Mapping[str, str]) -> str:
    *names, last = (f"{{{name}}}" for name in values)
    return (
        f"unknown placeholder {{{placeholder}}} in the output name {template!r}: use {', '.join(names)} or {last} "
        "({{ and }} for braces)"
    )


def _named_folder(pieces: Iterable[tuple[str, str | None, str]], values: Mapping[str, str]) -> str:
    """The folder that stands before the first placeholder, or is a leading ``{dir}``, which was asked for as it is."""
    head = ""
    for text, field, _ in pieces:
        head += text
        if field == "dir" and not head:
            head = values[field]
        elif field is not None:
            break
    return os.path.dirname(head)


def _is_below(name: str, folder: str) -> bool:
    """By their names alone, links not followed."""
    inner, outer = Path(os.path.normpath(name)).parts, Path(os.path.normpath(folder)).parts
    return inner[: len(outer)] == outer and os.pardir not in inner[len(outer) :]


def _values(naming: Naming, number: int) -> dict[str, str]:
    return {
        "stem": naming.stem,
        "kernel": safe_name(naming.kernel),
        "map": str(number).zfill(len(str(naming.maps - 1))),
        "frame": str(naming.frame).zfill(len(str(naming.frames - 1))),
        "ext": naming.extension,
        "dir": naming.folder,
    }
