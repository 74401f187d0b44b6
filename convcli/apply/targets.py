"""Where outputs go, what they are called, and what becomes of files that are there already."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from convcli.apply.combining import Filter
from convcli.errors import OptionError
from convcli.files.output_names import STREAM, Naming, output_extension, output_names
from convcli.files.refusals import refuse_existing
from convcli.files.whole_files import Existing
from convcli.pictures.images import Format, format_of


class Place(NamedTuple):
    """What outputs are named after: an image's file, and which of its frames this is."""

    path: Path
    frame: int = 0
    frames: int = 1


class Target(NamedTuple):
    """Where outputs go: a path, template, folder or None (``convcli.files.output_names``), or ``-`` for a stream."""

    output: str | None
    format: Format
    extension: str
    existing: Existing
    compression: int | None = None

    @property
    def is_stream(self) -> bool:
        """Whether there is one output, and it is a stream."""
        return self.output == STREAM

    def names(self, place: Place, request: Filter, maps: int) -> list[Path]:
        """The files for so many maps of an image."""
        path, frame, frames = place
        naming = Naming(path.stem, request.name, maps, self.extension, str(path.parent), frame, frames)
        if not self.is_stream:
            return output_names(self.output, naming)
        if naming.files > 1:
            raise OptionError(f"{maps} maps take a file each, and '-' is one stream: use -f npy, which holds any count")
        if frames > 1:
            raise OptionError(
                f"{frames} frames take a file each, and '-' is one stream: give -o a folder or a template"
            )
        return [Path(STREAM)]

    def likely_names(self, path: Path, request: Filter) -> list[Path]:
        """The same before the image is read: as if it had one frame, and, but for a bank's maps, made one picture."""
        weights = request.kernels[0].weights
        return self.names(Place(path), request, len(weights) if weights.ndim > 2 else 1)

    def skips(self, names: Sequence[Path]) -> bool:
        """Whether these outputs need not be made."""
        return self.existing is Existing.SKIPPED and all(map(os.path.isfile, names))

    def refuse_existing(self, names: Sequence[Path]) -> None:
        """Raise FileError for a file that may not be replaced."""
        if not self.is_stream:
            refuse_existing(names, overwrite=self.existing is not Existing.REFUSED)


def target_of(output: str | None, format: str | None, *, existing: Existing, compression: int | None = None) -> Target:
    """The target that ``-o`` and ``-f`` ask for; without ``-f`` the name's extension decides."""
    wanted = format or output_extension(None if output == STREAM else output)
    found = format_of(wanted)
    extension = wanted if wanted in found.extensions else found.extensions[0]
    if compression is not None and (found.name != "png" or not 0 <= compression <= 9):
        raise OptionError(f"compression: expected 0 to 9 and output as png, given {compression} and {found.name}")
    return Target(output, found, extension, existing, compression)
