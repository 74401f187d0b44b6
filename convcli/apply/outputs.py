"""The outputs of apply: how they are encoded, and the files that hold the maps of a frame."""

from pathlib import Path
from typing import NamedTuple

from convcli.apply.filtering import FilterPlan
from convcli.errors import OptionError
from convcli.files.output_names import Destination, unclear_format
from convcli.files.templates import fields, safe_name
from convcli.pictures.formats import Format, format_of


class Frame(NamedTuple):
    """One frame of an image file: its number, from 0, of ``total`` frames."""

    path: Path
    number: int = 0
    total: int = 1


class Encoding(NamedTuple):
    """The encoding of maps.

    extension: the extension of the files, without the dot.  compression: zlib's level for PNG, or None for the default.
    """

    format: Format
    extension: str
    compression: int | None = None


class Output(NamedTuple):
    """An output of a batch: the plan of filtering a frame with a kernel, and the paths of the files for its maps."""

    frame: Frame
    plan: FilterPlan
    paths: list[Path]

    @property
    def files(self) -> dict[Path, slice]:
        """The maps that each file holds: all of them, or one."""
        if len(self.paths) == 1:
            return {self.paths[0]: slice(None)}
        return {path: slice(number, number + 1) for number, path in enumerate(self.paths)}


def encoding_of(destination: Destination, format: str | None = None, compression: int | None = None) -> Encoding:
    """Return the encoding for the name of a format, or, without a name, for the extension of the output.

    Raises OptionError for an output without an extension, an unknown format, or a level that the format does not have.
    """
    wanted = format or _named_extension(destination)
    file_format = format_of(wanted, "format" if format else "output")
    if compression is not None and compression not in file_format.compression_levels:
        raise OptionError(
            f"expected 0 to 9, for output as png, given {compression} for output as {file_format.name}",
            option="compression",
        )
    return Encoding(file_format, wanted if wanted in file_format.extensions else file_format.extensions[0], compression)


def _named_extension(destination: Destination) -> str:
    extension = destination.extension
    if extension is None:
        return "png"
    if not extension or "{" in extension:
        raise unclear_format(destination, ".png")
    return extension


def map_paths(destination: Destination, encoding: Encoding, frame: Frame, kernel: str, maps: int) -> list[Path]:
    """Return the paths of the files that hold a kernel's maps of a frame, in the order of the maps.

    In a folder, files are called ``{stem}.{kernel}.{ext}``, with ``.{frame}`` after the stem if every frame
    has its own file, and ``.{map}`` after the kernel if every map has its own; both count from 0, with leading zeros.
    Raises OptionError for an invalid template, or for one that gives several files the same name.
    """
    files = maps // encoding.format.maps_per_file(maps)
    default = f"{{stem}}{'.{frame}' * (frame.total > 1)}.{{kernel}}{'.{map}' * (files > 1)}.{{ext}}"
    _require_placeholders(destination, default, files, frame.total)

    def values(number: int) -> dict[str, str]:
        return {
            "stem": frame.path.stem,
            "kernel": safe_name(kernel),
            "map": _padded(number, maps),
            "frame": _padded(frame.number, frame.total),
            "ext": encoding.extension,
            "dir": str(frame.path.parent),
        }

    return destination.paths(default, map(values, range(files)))


def _require_placeholders(destination: Destination, default: str, files: int, frames: int) -> None:
    """Raise OptionError if maps or frames have a file each and the template has no placeholder for them."""
    template = destination.full_template(default)
    if destination.is_stream:
        names, add_map = "'-' is one stream", "use `format` npy, which holds any number"
        add_frame = "give `output` a folder or a template"
    else:
        names, add_map = f"{template!r} names one", "add {map} to the name, or write .npy, which holds any number"
        add_frame = "add {frame} to the name"
    if files > 1 and "map" not in fields(template):
        raise OptionError(f"{files} maps need one file each, but {names}: {add_map}")
    if frames > 1 and "frame" not in fields(template):
        raise OptionError(f"{frames} frames need one file each, but {names}: {add_frame}")


def _padded(number: int, count: int) -> str:
    return str(number).zfill(len(str(count - 1)))
