"""Image files through kernels, to files: names first, then every image through every kernel."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import BinaryIO, NamedTuple

from convcli.arrays import Array, finite_or_none
from convcli.combining import Filter
from convcli.errors import OptionError
from convcli.filtering import Appearance, Filtered, filter_image, prepared
from convcli.images import Format, Image, encode_image, format_of
from convcli.npy_files import save_npy
from convcli.outputs import (
    STREAM,
    Naming,
    output_extension,
    output_names,
    refuse_collisions,
    refuse_existing,
    refuse_inputs,
    write_atomically,
)
from convcli.pixels import Tally
from convcli.transparency import require_fit


class Target(NamedTuple):
    """Where outputs go: a path, template, folder or None (``convcli.outputs``), or ``-`` for a stream."""

    output: str | None
    format: Format
    extension: str
    overwrite: bool
    compression: int | None = None

    @property
    def is_stream(self) -> bool:
        """Whether there is one output, and it is a stream."""
        return self.output == STREAM

    def names(self, image: Path, request: Filter, maps: int) -> list[Path]:
        """The files for so many maps of an image."""
        naming = Naming(image.stem, request.name, maps, self.extension, str(image.parent))
        if not self.is_stream:
            return output_names(self.output, naming)
        if naming.files > 1:
            raise OptionError(f"{maps} maps take a file each, and '-' is one stream: use -f npy, which holds any count")
        return [Path(STREAM)]


def target_of(output: str | None, format: str | None, *, overwrite: bool, compression: int | None = None) -> Target:
    """The target that ``-o`` and ``-f`` ask for; without ``-f`` the name's extension decides."""
    wanted = format or output_extension(None if output == STREAM else output)
    found = format_of(wanted)
    extension = wanted if wanted in found.extensions else found.extensions[0]
    if compression is not None and (found.name != "png" or not 0 <= compression <= 9):
        raise OptionError(f"compression: expected 0 to 9 and output as png, given {compression} and {found.name}")
    return Target(output, found, extension, overwrite, compression)


class Written(NamedTuple):
    """One output file, and the span of its finite numbers before they became pixels; None if there were none."""

    input: str
    output: str
    kernel: str
    pads: tuple[int, int, int, int]
    shape: tuple[int, ...]
    dtype: str
    minimum: float | None
    maximum: float | None
    clipped: int
    warnings: tuple[str, ...]


def _unseen(request: Filter, filtered: Filtered) -> None:
    """Nobody looks at what was made."""


@dataclass(frozen=True)
class Batch:
    """Every image through every kernel.

    open_stream: gives the stream that ``-`` stands for.  show: is given what each kernel made of an image, once saved.
    """

    requests: Sequence[Filter]
    appearance: Appearance
    target: Target
    open_stream: Callable[[], AbstractContextManager[BinaryIO]]
    show: Callable[[Filter, Filtered], None] = _unseen

    def refuse_clashes(self, images: Sequence[Path]) -> None:
        """Raise before any work where outputs share a name, exist already, are other inputs, or have no folder.

        How many files an array's maps take is known once it is read; names that follow from that are
        checked then.
        """
        names = {
            image: [n for request in self.requests for n in self.target.names(image, request, _maps_known(request))]
            for image in images
        }
        every = [name for image in images for name in names[image]]
        if self.target.is_stream:
            if len(every) > 1:
                raise OptionError(f"{len(every)} outputs, and '-' is one stream: give -o a folder or a template")
            return
        refuse_collisions(every)
        refuse_existing(every, self.target.overwrite)
        for image, found in names.items():
            refuse_inputs(found, [other for other in images if other != image])

    def run(self, path: Path, image: Image) -> Iterator[Written]:
        """Filter one image, saving each kernel's maps and telling what was saved.

        Nothing is saved before every kernel is known to fit the image.
        """
        seen = prepared(image, self.appearance)
        names = [self._names(path, request, seen) for request in self.requests]
        for request, found in zip(self.requests, names, strict=True):
            filtered = filter_image(seen, request, self.appearance, self.target.format)
            yield from self._save(path, request, found, filtered)
            self.show(request, filtered)

    def _names(self, path: Path, request: Filter, image: Image) -> list[Path]:
        require_fit(self.appearance.alpha, request, image.alpha)
        maps = request.geometry(image.pixels.shape).output_shape[0]
        names = self.target.names(path, request, maps)
        if not self.target.is_stream:
            refuse_existing(names, self.target.overwrite)
        return names

    def _save(self, path: Path, request: Filter, names: list[Path], filtered: Filtered) -> Iterator[Written]:
        for number, name in enumerate(names):
            part = slice(None) if len(names) == 1 else slice(number, number + 1)
            values, tally = filtered.maps.values[part], reduce(Tally.merged, filtered.maps.tallies[part])
            with self._open(name) as stream:
                if self.target.format.is_array:
                    save_npy(stream, values)
                else:
                    stream.write(self._encoded(values, filtered))
            yield Written(
                input=str(path),
                output=str(name),
                kernel=request.name,
                pads=filtered.geometry.pads,
                shape=values.shape,
                dtype=str(values.dtype),
                minimum=finite_or_none(tally.low),
                maximum=finite_or_none(tally.high),
                clipped=tally.clipped,
                warnings=filtered.warnings if number == 0 else (),
            )

    def _encoded(self, values: Array, filtered: Filtered) -> bytes:
        metadata, target = filtered.image.metadata, self.target
        return encode_image(values, filtered.alpha, target.format, metadata, target.compression)

    def _open(self, name: Path) -> AbstractContextManager[BinaryIO]:
        return self.open_stream() if self.target.is_stream else write_atomically(name)


def _maps_known(request: Filter) -> int:
    """How many maps a kernel makes, as far as it alone tells: a 2-D kernel is taken to make one picture."""
    weights = request.kernels[0].weights
    return len(weights) if weights.ndim > 2 else 1
