"""Image files through kernels, to files: names first, then every image through every kernel."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from functools import partial, reduce
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO, NamedTuple

from convcli.arrays import Array, finite_or_none
from convcli.combining import Filter
from convcli.errors import ConvcliError, FileError, OptionError
from convcli.filtering import Appearance, Filtered, filter_image, prepared
from convcli.images import Format, Image, encode_image, format_of
from convcli.inputs import Source
from convcli.npy_files import map_npy, save_npy
from convcli.outputs import (
    STREAM,
    Naming,
    is_special,
    output_extension,
    output_names,
    refuse_collisions,
    refuse_existing,
    refuse_inputs,
    refuse_missing_folder,
    write_atomically,
)
from convcli.pixels import Tally
from convcli.transparency import require_fit


class Existing(Enum):
    """What becomes of an output whose file is there already."""

    REFUSED = "refused"
    REPLACED = "replaced"
    SKIPPED = "skipped"


class Target(NamedTuple):
    """Where outputs go: a path, template, folder or None (``convcli.outputs``), or ``-`` for a stream."""

    output: str | None
    format: Format
    extension: str
    existing: Existing
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


class Written(NamedTuple):
    """One output file, and the span of its finite numbers before they became pixels; None if there were none.

    milliseconds: since the output before it, or since reading began.
    """

    input: str
    output: str
    kernel: str
    pads: tuple[int, int, int, int]
    shape: tuple[int, ...]
    dtype: str
    minimum: float | None
    maximum: float | None
    clipped: int
    milliseconds: float
    algorithm: str
    warnings: tuple[str, ...]


class Outcome(NamedTuple):
    """What became of one image: what was written, and what went wrong after that, if anything did.

    pixels: of the image, in one channel.  warnings, notes: of reading it.
    skipped: whether every output was there already.
    """

    source: Source
    written: tuple[Written, ...] = ()
    error: ConvcliError | None = None
    pixels: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: bool = False


def outcome_to_json(outcome: Outcome) -> list[dict[str, Any]]:
    """An object for each output, and for an image that failed or was skipped one without an output; all of one form."""
    form = {name: None for name in Written._fields if name != "warnings"} | {"skipped": False, "error": None}
    entries = [{name: value for name, value in each._asdict().items() if name in form} for each in outcome.written]
    if outcome.error or outcome.skipped:
        error = str(outcome.error) if outcome.error else None
        entries.append({"input": outcome.source.word, "skipped": outcome.skipped, "error": error})
    return [form | entry for entry in entries]


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

    def refuse_clashes(self, sources: Sequence[Source]) -> None:
        """Raise before any work where outputs share a name, exist already, are other inputs, or have no folder.

        How many files an array's maps take is known once it is read; names that follow from that are
        checked then.
        """
        names = {
            source.path: [
                n for request in self.requests for n in self.target.names(source.path, request, _maps_known(request))
            ]
            for source in sources
        }
        every = [name for source in sources for name in names[source.path]]
        if self.target.is_stream:
            if len(every) > 1:
                raise OptionError(f"{len(every)} outputs, and '-' is one stream: give -o a folder or a template")
            return
        refuse_collisions(every)
        refuse_missing_folder(self.target.output, every)
        self.target.refuse_existing(every)
        refuse_inputs(names)

    def process(self, source: Source) -> Outcome:
        """Filter one image, saving each kernel's maps.

        Nothing is saved before every kernel is known to fit the image. May be called by several threads.
        """
        written: list[Written] = []
        image = None
        try:
            if self._is_done(source):
                return Outcome(source, skipped=True)
            watch = _Watch()
            image = source.image()
            for each in self._outputs(source, image, watch):
                written.append(each)
            error = None
        except ConvcliError as raised:
            error = raised
        except MemoryError as raised:
            error = FileError(f"not enough memory for {source.word}: {raised}")
        if image is None:
            return Outcome(source, error=error)
        return Outcome(source, tuple(written), error, prod(image.pixels.shape[-2:]), image.warnings, image.notes)

    def _is_done(self, source: Source) -> bool:
        if self.target.existing is not Existing.SKIPPED:
            return False
        shape = source.header().shape
        seen = (1, *shape[1:]) if self.appearance.gray else shape
        return all(self.target.skips(self._names(source.path, request, seen)) for request in self.requests)

    def _outputs(self, source: Source, image: Image, watch: "_Watch") -> Iterator[Written]:
        seen = prepared(image, self.appearance)
        names = [self._names(source.path, request, seen.pixels.shape) for request in self.requests]
        for request, found in zip(self.requests, names, strict=True):
            require_fit(self.appearance.alpha, request, seen.alpha)
            self.target.refuse_existing(found)
        for request, found in zip(self.requests, names, strict=True):
            if not self.target.skips(found):
                filtered = self._filter_into(found, seen, request)
                yield from self._tell(source, request, found, filtered, watch)
                self.show(request, filtered)

    def _names(self, path: Path, request: Filter, input_shape: tuple[int, ...]) -> list[Path]:
        return self.target.names(path, request, request.geometry(input_shape).output_shape[0])

    def _filter_into(self, names: list[Path], image: Image, request: Filter) -> Filtered:
        """What a kernel makes of an image, saved: an array as it is computed, in the file itself."""
        format = self.target.format
        if format.is_array and not self.target.is_stream and not is_special(names[0]):
            with write_atomically(names[0]) as stream:
                return filter_image(image, request, self.appearance, format, partial(map_npy, stream))
        filtered = filter_image(image, request, self.appearance, format)
        for name, part in zip(names, _parts(names), strict=True):
            with self._open(name) as stream:
                self._write(stream, filtered.maps.values[part], filtered)
        return filtered

    def _write(self, stream: BinaryIO, values: Array, filtered: Filtered) -> None:
        metadata, target = filtered.image.metadata, self.target
        if target.format.is_array:
            save_npy(stream, values)
        else:
            stream.write(encode_image(values, filtered.alpha, target.format, metadata, target.compression))

    def _tell(
        self, source: Source, request: Filter, names: list[Path], filtered: Filtered, watch: "_Watch"
    ) -> Iterator[Written]:
        for number, (name, part) in enumerate(zip(names, _parts(names), strict=True)):
            values, tally = filtered.maps.values[part], reduce(Tally.merged, filtered.maps.tallies[part])
            yield Written(
                input=source.word,
                output=str(name),
                kernel=request.name,
                pads=filtered.geometry.pads,
                shape=values.shape,
                dtype=str(values.dtype),
                minimum=finite_or_none(tally.low),
                maximum=finite_or_none(tally.high),
                clipped=tally.clipped,
                milliseconds=watch.lap(),
                algorithm=filtered.algorithm,
                warnings=filtered.warnings if number == 0 else (),
            )

    def _open(self, name: Path) -> AbstractContextManager[BinaryIO]:
        return self.open_stream() if self.target.is_stream else write_atomically(name)


class _Watch:
    """Tells how long it is since it was last asked."""

    def __init__(self) -> None:
        self._last = perf_counter()

    def lap(self) -> float:
        """In milliseconds, to a microsecond."""
        last, self._last = self._last, perf_counter()
        return round(1e3 * (self._last - last), 3)


def _parts(names: Sequence[Path]) -> list[slice]:
    """Which of the maps each file holds: all of them, or one."""
    return [slice(None)] if len(names) == 1 else [slice(number, number + 1) for number in range(len(names))]


def _maps_known(request: Filter) -> int:
    """How many maps a kernel makes, as far as it alone tells: a 2-D kernel is taken to make one picture."""
    weights = request.kernels[0].weights
    return len(weights) if weights.ndim > 2 else 1
