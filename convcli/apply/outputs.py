"""The outputs of apply: how they are encoded, and the files that hold the maps of a frame."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from convcli.apply.filtering import FilterPlan
from convcli.errors import OptionError
from convcli.files.output_names import Destination, unclear_format
from convcli.files.source import Source
from convcli.files.templates import fields, safe_name
from convcli.pictures.formats import PICTURE_FORMATS, Coding, Format, format_of, is_written
from convcli.pictures.formats.png import PNG
from convcli.pictures.formats.tiff import TIFF
from convcli.pictures.reading import format_name
from convcli.pictures.writing import DEFAULT_CODING
from convcli.text import any_of

_WITH_QUALITY = any_of([format.name for format in PICTURE_FORMATS if format.has_quality])
# The most files of one output that are written without ``{map}`` in the template.
MOST_FILES = 16


class Frame(NamedTuple):
    """A frame of an image file that has files of its own: its number, from 0, of ``total`` that have.

    held: how many frames its files hold: this one and those that follow it.
    plays: how often the animation of the image's frames is played, 0 for ever; None if they are no animation.
    """

    path: Path
    number: int = 0
    total: int = 1
    held: int = 1
    plays: int | None = None


class Encoding(NamedTuple):
    """The encoding of maps: the format, and the extension of the files, without the dot."""

    format: Format
    extension: str


class Encodings(NamedTuple):
    """The encoding of each image's outputs.

    fixed: the encoding of all outputs, or None if each image keeps its own.  coding: the options of the encoders.
    """

    fixed: Encoding | None
    coding: Coding = DEFAULT_CODING

    def of(self, source: Source) -> Encoding:
        """Return the encoding of a source's outputs: its own if it can be written, otherwise PNG.

        The extension says what the source's own is; without a known one, the content does.
        """
        if self.fixed:
            return self.fixed
        extension = source.path.suffix[1:]
        if is_written(extension):
            return Encoding(format_of(extension), extension)
        name = format_name(source)
        format = format_of(name) if name and is_written(name) else PNG
        return Encoding(format, format.extensions[0])

    def require_use(self, sources: Iterable[Source]) -> None:
        """Raise OptionError if an option of the encoders applies to none of the outputs."""
        if self.coding == DEFAULT_CODING:
            return
        formats = {encoding.format for encoding in map(self.of, sources)}
        compression, quality = self.coding.compression, self.coding.quality
        names = any_of(sorted(format.name for format in formats))
        if compression is not None and not any(compression in format.compressions for format in formats):
            raise OptionError(
                f"expected 0 to 9 for output as png, or {any_of(TIFF.compressions)} for tiff, given {compression!r} "
                f"for output as {names}",
                option="compression",
            )
        if quality is not None and not (1 <= quality <= 100 and any(format.has_quality for format in formats)):
            raise OptionError(
                f"expected 1 to 100, for output as {_WITH_QUALITY}, given {quality} for output as {names}",
                option="quality",
            )


class Output(NamedTuple):
    """An output of a batch: the plan of filtering a frame with a kernel, and the paths of the files for its maps."""

    frame: Frame
    plan: FilterPlan
    paths: list[Path]

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses of an animation's times, which its file cannot store."""
        plays = self.frame.plays
        return () if plays is None or self.frame.held == 1 else tuple(self.plan.format.timing_losses(plays))

    @property
    def files(self) -> dict[Path, slice]:
        """The maps that each file holds: all of them, or one."""
        if len(self.paths) == 1:
            return {self.paths[0]: slice(None)}
        return {path: slice(number, number + 1) for number, path in enumerate(self.paths)}


def encodings_of(destination: Destination, format: str | None = None, coding: Coding = DEFAULT_CODING) -> Encodings:
    """Return the encodings for the name of a format, or, without a name, for the extension of the output.

    Without an extension each image keeps its own format.  Raises OptionError for an output whose name has no extension,
    or an unknown format.
    """
    wanted = format or _named_extension(destination)
    if wanted is None:
        return Encodings(None, coding)
    file_format = format_of(wanted, "format" if format else "output")
    extension = wanted if wanted in file_format.extensions else file_format.extensions[0]
    return Encodings(Encoding(file_format, extension), coding)


def _named_extension(destination: Destination) -> str | None:
    extension = destination.extension
    if extension is not None and (not extension or "{" in extension):
        raise unclear_format(destination, ".png")
    return extension


def map_paths(
    destination: Destination, encoding: Encoding, frame: Frame, kernel: str, maps: int, kernels: int = 1
) -> list[Path]:
    """Return the paths of the files that hold a kernel's maps of a frame, in the order of the maps.

    In a folder that was named, files keep the image's name, with ``.{kernel}`` added if there are several kernels; in
    the current folder it is always added. So is ``.{frame}`` if every frame has its own file, and ``.{map}`` if every
    map has; both count from 0, with leading zeros.
    Raises OptionError for an invalid template, for one that gives several files the same name, and for more than
    MOST_FILES maps in files of their own unless the template has ``{map}``.
    """
    files = maps // encoding.format.maps_per_file(maps)
    named = kernels > 1 or destination.is_default
    default = f"{{stem}}{'.{frame}' * (frame.total > 1)}{'.{kernel}' * named}{'.{map}' * (files > 1)}.{{ext}}"
    if files > MOST_FILES and "map" not in fields(destination.template):
        raise OptionError(
            f"{files} maps need one file each: add {{map}} to `output` to write so many files, or use `format` npy, "
            "which holds any number"
        )
    _require_placeholders(destination, default, files, frame)

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


def _require_placeholders(destination: Destination, default: str, files: int, frame: Frame) -> None:
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
    if frame.total > 1 and "frame" not in fields(template):
        holding = [f".{format.extensions[0]}" for format in PICTURE_FORMATS if format.holds_frames(frame.plays)]
        raise OptionError(
            f"{frame.total} frames need one file each, but {names}: {add_frame}, or write {any_of(holding)}, which can "
            "hold them all"
        )


def _padded(number: int, count: int) -> str:
    return str(number).zfill(len(str(count - 1)))
