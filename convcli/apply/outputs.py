"""What apply writes: how outputs are encoded, and the paths of the maps of an image."""

from pathlib import Path
from typing import NamedTuple

from convcli.errors import OptionError
from convcli.files.output_names import Destination, unclear_format
from convcli.files.templates import fields, safe_name
from convcli.pictures.formats import Format, format_of


class Frame(NamedTuple):
    """One frame of an image's file, numbered from 0 of ``total``."""

    path: Path
    number: int = 0
    total: int = 1


class Encoding(NamedTuple):
    """How maps are encoded.

    extension: of the files, without the dot.  compression: zlib's level for PNG, or None for the default.
    """

    format: Format
    extension: str
    compression: int | None = None


def encoding_of(destination: Destination, format: str | None = None, compression: int | None = None) -> Encoding:
    """Return the encoding that a format's name asks for, or without one the extension of the output.

    Raises OptionError for a name without an extension, an unknown format, or a level that the format does not have.
    """
    wanted = format or _named_extension(destination)
    found = format_of(wanted, "format" if format else "output")
    if compression is not None and (found.name != "png" or not 0 <= compression <= 9):
        raise OptionError(
            f"expected 0 to 9 and output as png, given {compression} and {found.name}", option="compression"
        )
    return Encoding(found, wanted if wanted in found.extensions else found.extensions[0], compression)


def _named_extension(destination: Destination) -> str:
    extension = destination.extension
    if extension is None:
        return "png"
    if not extension or "{" in extension:
        raise unclear_format(destination, ".png")
    return extension


def map_paths(destination: Destination, encoding: Encoding, frame: Frame, kernel: str, maps: int) -> list[Path]:
    """Return the paths of the files that hold a kernel's maps of a frame, in the order of the maps.

    A gray or an RGB picture is one file, and so is ``.npy`` of any number of maps; otherwise each map has its own.
    In a folder files are called ``{stem}.{kernel}.{ext}``, with ``.{frame}`` after the stem and ``.{map}`` after the
    kernel where each has its own file; both are numbered from 0, with leading zeros.
    Raises OptionError for a template that cannot be used, or that would give several files one name.
    """
    files = 1 if encoding.format.is_array or maps in (1, 3) else maps
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
    """Raise OptionError unless the names tell maps and frames apart that have a file each."""
    template = destination.full_template(default)
    if destination.is_stream:
        names, add_map = "'-' is one stream", "use `format` npy, which holds any count"
        add_frame = "give `output` a folder or a template"
    else:
        names, add_map = f"{template!r} names one", "add {map} to the name, or write .npy, which holds any count"
        add_frame = "add {frame} to it"
    if files > 1 and "map" not in fields(template):
        raise OptionError(f"{files} maps take a file each, and {names}: {add_map}")
    if frames > 1 and "frame" not in fields(template):
        raise OptionError(f"{frames} frames take a file each, and {names}: {add_frame}")


def _padded(number: int, count: int) -> str:
    return str(number).zfill(len(str(count - 1)))
