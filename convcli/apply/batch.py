"""Image files through kernels, to files: names first, then every image through every kernel."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from convcli.apply.appearance import Appearance, prepare_header, prepare_image
from convcli.apply.combining import Filter
from convcli.apply.filtering import FilteredImage, FilterPlan, apply_filter, plan_filter
from convcli.apply.outcomes import Outcome, OutcomeBuilder
from convcli.apply.outputs import Encoding, Frame, map_paths
from convcli.errors import ClusterError, ConvcliError, FileError, OptionError, reason_of
from convcli.files.large_arrays import large_empty
from convcli.files.npy_files import is_mappable, map_npy, save_npy
from convcli.files.output_names import Destination
from convcli.files.refusals import refuse_collisions, refuse_inputs
from convcli.files.source import Source
from convcli.files.whole_files import IfExists
from convcli.pictures.image import Header, Image
from convcli.pictures.reading import iter_frames, read_header, read_image

# Files that may hold other channels than a picture's one or three, of which a 2-D kernel makes as many maps.
MANY_CHANNELS = {".npy", ".tif", ".tiff"}


class Expected(NamedTuple):
    """What a kernel is to make of a frame, and the files for it."""

    frame: Frame
    plan: FilterPlan
    paths: list[Path]


@dataclass(frozen=True)
class Batch:
    """Every image through every kernel.

    show: is given what each kernel made of an image, once saved; None where nobody looks.
    all_frames: filter every frame or page of an image, and not the first alone.
    """

    requests: Sequence[Filter]
    appearance: Appearance
    destination: Destination
    encoding: Encoding
    show: Callable[[Filter, FilteredImage], None] | None = None
    all_frames: bool = False

    def refuse_clashes(self, sources: Sequence[Source]) -> None:
        """Raise before any work where outputs share a name, exist already, are other inputs, or have no folder.

        Headers are read where names depend on them. Of an image whose header cannot be read it is told why when it is
        its turn.
        """
        paths = {source.path: self._likely_paths(source) for source in sources}
        every = [path for source in sources for path in paths[source.path]]
        if self.destination.is_stream:
            if len(every) > 1:
                raise OptionError(f"{len(every)} outputs, and '-' is one stream: give `output` a folder or a template")
            return
        refuse_collisions(every)
        self.destination.require_writable(every)
        refuse_inputs(paths)

    def expected(self, source: Source, header: Header) -> list[Expected]:
        """What each kernel is to make of each frame; the later frames of a picture are taken to be as its first.

        Raises what fitting the kernels and naming the outputs can raise.
        """
        header = prepare_header(header, self.appearance)
        frames = self._frames(source, header.frames)
        return [self._expected(frame, request, header) for frame in frames for request in self.requests]

    def process(self, source: Source) -> Outcome:
        """Filter one image, saving each kernel's maps; what goes wrong is told in the outcome.

        Nothing is saved before every kernel is known to fit the frame. May be called by several threads.
        Raises ClusterError where a cluster that computes is lost, which is no image's fault.
        """
        builder = OutcomeBuilder(source)
        try:
            if self.is_done(source):
                return builder.outcome(skipped=True)
            count = read_header(source).frames if self.all_frames else 1
            for frame, image in zip(self._frames(source, count), self._images(source), strict=False):
                builder.add_frame(image)
                self._filter(frame, prepare_image(image, self.appearance), builder)
        except ClusterError:
            raise
        except ConvcliError as error:
            return builder.outcome(error)
        except MemoryError as error:
            return builder.outcome(FileError(f"not enough memory for {source.name}: {reason_of(error)}"))
        return builder.outcome()

    def is_done(self, source: Source) -> bool:
        """Whether every output is there already, and is to be left."""
        if self.destination.if_exists is not IfExists.SKIP:
            return False
        return all(self.destination.skips(each.paths) for each in self.expected(source, read_header(source)))

    def _likely_paths(self, source: Source) -> list[Path]:
        if self.all_frames or source.path.suffix.lower() in MANY_CHANNELS:
            with suppress(ConvcliError):
                return [path for each in self.expected(source, read_header(source)) for path in each.paths]
        frame = Frame(source.path)
        return [path for request in self.requests for path in self._paths(frame, request, _likely_maps(request))]

    def _frames(self, source: Source, count: int) -> list[Frame]:
        """The frames of an image to be filtered."""
        count = count if self.all_frames else 1
        return [Frame(source.path, number, count) for number in range(count)]

    def _expected(self, frame: Frame, request: Filter, header: Header) -> Expected:
        plan = plan_filter(request, header, self.appearance, self.encoding.format)
        return Expected(frame, plan, self._paths(frame, request, plan.output.shape[0]))

    def _paths(self, frame: Frame, request: Filter, maps: int) -> list[Path]:
        return map_paths(self.destination, self.encoding, frame, request.name, maps)

    def _images(self, source: Source) -> Iterator[Image]:
        if self.all_frames:
            yield from iter_frames(source)
        else:
            yield read_image(source)

    def _filter(self, frame: Frame, image: Image, builder: OutcomeBuilder) -> None:
        expected = [self._expected(frame, request, image.header) for request in self.requests]
        for each in expected:
            self.destination.refuse_existing(each.paths)
        for each in expected:
            if not self.destination.skips(each.paths):
                files = dict(zip(each.paths, _parts(len(each.paths)), strict=True))
                filtered = self._save(files, image, each.plan)
                builder.add_outputs(frame.number, each.plan.request.name, filtered, files)
                if self.show:
                    self.show(each.plan.request, filtered)

    def _save(self, files: dict[Path, slice], image: Image, plan: FilterPlan) -> FilteredImage:
        """What a kernel makes of an image, saved: an array as it is computed, in the file itself."""
        format = self.encoding.format
        if format.is_array:
            (path,) = files
            with self.destination.open(path) as stream:
                return self._save_array(stream, image, plan)
        filtered = apply_filter(plan, image)
        for path, part in files.items():
            with self.destination.open(path) as stream:
                filtered.write_picture(stream, part, self.encoding.compression)
        return filtered

    def _save_array(self, stream: BinaryIO, image: Image, plan: FilterPlan) -> FilteredImage:
        into_file = is_mappable(stream)
        empty = partial(map_npy, stream) if into_file else large_empty
        filtered = apply_filter(plan, image, empty)
        if not into_file:
            save_npy(stream, filtered.maps.values)
        return filtered


def _likely_maps(request: Filter) -> int:
    """The maps of an image that was not read yet: as many as a bank has, and otherwise one picture."""
    weights = request.requests[0].convolution.weights
    return len(weights) if weights.ndim > 2 else 1


def _parts(files: int) -> list[slice]:
    """Which of the maps each file holds: all of them, or one."""
    return [slice(None)] if files == 1 else [slice(number, number + 1) for number in range(files)]
