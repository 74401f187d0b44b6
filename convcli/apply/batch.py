"""Image files through kernels, to files: names first, then every image through every kernel."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from convcli.apply.combining import Filter
from convcli.apply.filtering import Appearance, Filtered, filter_image, prepared, prepared_shape
from convcli.apply.outcomes import Outcome, Report
from convcli.apply.targets import Place, Target
from convcli.apply.transparency import require_fit
from convcli.errors import ClusterError, ConvcliError, FileError, OptionError, reason_of
from convcli.files.large_arrays import large_empty
from convcli.files.npy_files import is_mappable, map_npy, save_npy
from convcli.files.refusals import refuse_collisions, refuse_inputs, refuse_missing_folder
from convcli.files.whole_files import Existing, write_atomically
from convcli.geometry.axes import Geometry
from convcli.pictures.images import Header, Image, write_image
from convcli.pictures.sources import Source

# Files that may hold other channels than a picture's one or three, of which a 2-D kernel makes as many maps.
MANY_CHANNELS = {".npy", ".tif", ".tiff"}


def unseen(request: Filter, filtered: Filtered) -> None:
    """Nobody looks at what was made."""


class Expected(NamedTuple):
    """What a kernel is to make of a frame, and the files for it."""

    place: Place
    request: Filter
    geometry: Geometry
    names: list[Path]


@dataclass(frozen=True)
class Batch:
    """Every image through every kernel.

    open_output: gives the stream for an output, told what becomes of a file that is there.
    show: is given what each kernel made of an image, once saved.
    all_frames: filter every frame or page of an image, and not the first alone.
    """

    requests: Sequence[Filter]
    appearance: Appearance
    target: Target
    open_output: Callable[[Path, Existing], AbstractContextManager[BinaryIO]] = write_atomically
    show: Callable[[Filter, Filtered], None] = unseen
    all_frames: bool = False

    def refuse_clashes(self, sources: Sequence[Source]) -> None:
        """Raise before any work where outputs share a name, exist already, are other inputs, or have no folder.

        Headers are read where names depend on them. Of an image whose header cannot be read it is told why when it is
        its turn.
        """
        names = {source.path: self._likely_names(source) for source in sources}
        every = [name for source in sources for name in names[source.path]]
        if self.target.is_stream:
            if len(every) > 1:
                raise OptionError(f"{len(every)} outputs, and '-' is one stream: give -o a folder or a template")
            return
        refuse_collisions(every)
        refuse_missing_folder(self.target.output, every)
        self.target.refuse_existing(every)
        refuse_inputs(names)

    def expected(self, source: Source, header: Header) -> list[Expected]:
        """What each kernel is to make of each frame; the later frames of a picture are taken to be as its first.

        Raises what fitting the kernels and naming the outputs can raise.
        """
        shape = prepared_shape(header, self.appearance)
        places = self._places(source, header.frames)
        return [self._expected(place, request, shape) for place in places for request in self.requests]

    def process(self, source: Source) -> Outcome:
        """Filter one image, saving each kernel's maps; what goes wrong is told in the outcome.

        Nothing is saved before every kernel is known to fit the frame. May be called by several threads.
        Raises ClusterError where a cluster that computes is lost, which is no image's fault.
        """
        report = Report(source)
        try:
            if self.is_done(source):
                return report.outcome(skipped=True)
            frames = source.header().frames if self.all_frames else 1
            for place, image in zip(self._places(source, frames), self._frames(source), strict=False):
                report.read(image)
                self._filter(place, prepared(image, self.appearance), report)
        except ClusterError:
            raise
        except ConvcliError as error:
            return report.outcome(error)
        except MemoryError as error:
            return report.outcome(FileError(f"not enough memory for {source.word}: {reason_of(error)}"))
        return report.outcome()

    def is_done(self, source: Source) -> bool:
        """Whether every output is there already, and is to be left."""
        if self.target.existing is not Existing.SKIPPED:
            return False
        return all(self.target.skips(each.names) for each in self.expected(source, source.header()))

    def _likely_names(self, source: Source) -> list[Path]:
        if self.all_frames or source.path.suffix.lower() in MANY_CHANNELS:
            with suppress(ConvcliError):
                return [name for each in self.expected(source, source.header()) for name in each.names]
        return [name for request in self.requests for name in self.target.likely_names(source.path, request)]

    def _places(self, source: Source, frames: int) -> list[Place]:
        """Of each frame to be filtered."""
        count = frames if self.all_frames else 1
        return [Place(source.path, frame, count) for frame in range(count)]

    def _expected(self, place: Place, request: Filter, input_shape: tuple[int, ...]) -> Expected:
        geometry = request.geometry(input_shape)
        return Expected(place, request, geometry, self.target.names(place, request, geometry.output_shape[0]))

    def _frames(self, source: Source) -> Iterator[Image]:
        if self.all_frames:
            yield from source.frames()
        else:
            yield source.image()

    def _filter(self, place: Place, image: Image, report: Report) -> None:
        expected = [self._expected(place, request, image.pixels.shape) for request in self.requests]
        for _, request, _, names in expected:
            require_fit(self.appearance.alpha, request, image.alpha)
            self.target.refuse_existing(names)
        for _, request, _, names in expected:
            if not self.target.skips(names):
                files = dict(zip(names, _parts(len(names)), strict=True))
                filtered = self._save(files, image, request)
                report.wrote(place.frame, request.name, filtered, files)
                self.show(request, filtered)

    def _save(self, files: dict[Path, slice], image: Image, request: Filter) -> Filtered:
        """What a kernel makes of an image, saved: an array as it is computed, in the file itself."""
        if self.target.format.is_array:
            (name,) = files
            with self.open_output(name, self.target.existing) as stream:
                return self._save_array(stream, image, request)
        target, filtered = self.target, filter_image(image, request, self.appearance, self.target.format)
        for name, part in files.items():
            with self.open_output(name, self.target.existing) as stream:
                pixels, metadata = filtered.maps.values[part], filtered.image.metadata
                write_image(stream, pixels, filtered.alpha, target.format, metadata, target.compression)
        return filtered

    def _save_array(self, stream: BinaryIO, image: Image, request: Filter) -> Filtered:
        into_file = is_mappable(stream)
        empty = partial(map_npy, stream) if into_file else large_empty
        filtered = filter_image(image, request, self.appearance, self.target.format, empty)
        if not into_file:
            save_npy(stream, filtered.maps.values)
        return filtered


def _parts(files: int) -> list[slice]:
    """Which of the maps each file holds: all of them, or one."""
    return [slice(None)] if files == 1 else [slice(number, number + 1) for number in range(files)]
