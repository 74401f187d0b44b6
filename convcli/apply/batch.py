"""Filter image files with kernels: check the names of all outputs first, then process one image after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from convcli.apply.appearance import Appearance, prepare_header
from convcli.apply.combining import Filter
from convcli.apply.filtering import FilteredImage, plan_filter
from convcli.apply.outcomes import Outcome, OutcomeBuilder
from convcli.apply.outputs import Encoding, Encodings, Frame, Output, map_paths
from convcli.apply.saving import OutputFiles
from convcli.arrays import channels_of
from convcli.errors import ClusterError, OptionError, as_convcli_error
from convcli.files.output_names import Destination
from convcli.files.refusals import refuse_collisions, refuse_inputs
from convcli.files.source import Source
from convcli.files.templates import fields
from convcli.files.whole_files import IfExists
from convcli.pictures.formats import MANY_CHANNELS
from convcli.pictures.image import Header, Image
from convcli.pictures.reading import iter_frames, read_header, read_image


class Batch(NamedTuple):
    """Kernels that filter every image, and the destination of the outputs.

    show: takes each filtered image once it is saved; or None.
    all_frames: whether every frame or page of an image is filtered, or only the first.
    """

    requests: Sequence[Filter]
    appearance: Appearance
    destination: Destination
    encodings: Encodings
    show: Callable[[FilteredImage], None] | None = None
    all_frames: bool = False

    def refuse_clashes(self, sources: Sequence[Source], shared: Iterable[Path] = ()) -> None:
        """Raise an error, before any work, if an output cannot have its name.

        Outputs must have different names and a folder, must not be the input of another output, and must not exist
        unless they may be replaced or skipped. Headers are read only if names depend on them; an image whose header
        cannot be read raises its error later, when it is processed.
        shared: the files that every output is made from, such as kernels.
        """
        self.encodings.require_use(sources)
        paths = {source.path: self._likely_paths(source) for source in sources}
        every = [path for source in sources for path in paths[source.path]]
        if self.destination.is_stream:
            if len(every) > 1:
                raise OptionError(
                    f"{len(every)} outputs need one file each, but '-' is one stream: give `output` a folder or a "
                    "template"
                )
            return
        named = ((source.path, path) for source in sources for path in paths[source.path])
        refuse_collisions(named, self.destination.placeholders)
        refuse_inputs(paths, shared, into_folder=self.destination.is_folder)
        self.destination.require_writable(every)

    def outputs(self, source: Source, header: Header) -> list[Output]:
        """Return the outputs of an image with this header, which is assumed to be that of all frames.

        A file that holds several frames is one output.

        Raises GeometryError or OptionError if a kernel does not fit the image or an output cannot be named.
        """
        encoding, header = self.encodings.of(source), self._split(source, header)
        frames = self._frames(source, header)
        return [self._output(frame, request, header, encoding) for frame in frames for request in self.requests]

    def process(self, source: Source) -> Outcome:
        """Filter one image and save each kernel's maps; an error is part of the outcome.

        A frame is saved only if every kernel fits it. Several threads may call this at once. Raises ClusterError if the
        connection to a cluster is lost, because that is not an error of the image.
        """
        builder = OutcomeBuilder(source)
        try:
            if self.is_done(source):
                return builder.outcome(skipped=True)
            encoding = self.encodings.of(source)
            with OutputFiles(self.destination, self.encodings.coding) as files:
                for frame, image in self._images(source):
                    builder.add_frame(image)
                    outputs = [self._output(frame, request, image.header, encoding) for request in self.requests]
                    for output in files.wanted(outputs):
                        filtered = files.save(output, image)
                        builder.add_output(output, filtered)
                        if self.show:
                            self.show(filtered)
                files.require_complete()
        except ClusterError:
            raise
        # Libraries and files hand over values of any type, so that an error of any type may be that of this image.
        except Exception as error:
            return builder.outcome(as_convcli_error(error, source.name))
        return builder.outcome()

    def is_done(self, source: Source) -> bool:
        """Return whether all outputs of an image exist, and existing outputs are skipped."""
        return self.destination.if_exists is IfExists.SKIP and self.destination.skips(self._paths(source))

    def _likely_paths(self, source: Source) -> list[Path]:
        """Return the paths of an image's outputs; read its header only if their number may depend on it."""
        # A 2-D kernel makes one map per channel.
        if self.all_frames or source.path.suffix[1:].lower() in MANY_CHANNELS:
            with suppress(Exception):
                return self._paths(source)
        return self._paths_of(source, [Frame(source.path)], channels=1)

    def _paths(self, source: Source) -> list[Path]:
        header = prepare_header(self._split(source, read_header(source)), self.appearance)
        return self._paths_of(source, self._frames(source, header), channels=channels_of(header.shape))

    def _paths_of(self, source: Source, frames: Iterable[Frame], *, channels: int) -> list[Path]:
        encoding = self.encodings.of(source)
        return [
            path
            for frame in frames
            for request in self.requests
            for path in self._map_paths(encoding, frame, request, _maps(request, channels))
        ]

    def _map_paths(self, encoding: Encoding, frame: Frame, request: Filter, maps: int) -> list[Path]:
        return map_paths(self.destination, encoding, frame, request.name, maps, len(self.requests))

    def _frames(self, source: Source, header: Header) -> Iterator[Frame]:
        """Yield the frames to filter that have files of their own; one stands for all that a file holds together."""
        total, plays = (header.frames, header.plays) if self.all_frames or header.is_batch else (1, None)
        has_files_of_their_own = "frame" in fields(self.destination.template)
        if total > 1 and not has_files_of_their_own and self.encodings.of(source).format.holds_frames(plays):
            return iter([Frame(source.path, held=total, plays=plays)])
        return (Frame(source.path, number, total, plays=plays) for number in range(total))

    def _images(self, source: Source) -> Iterator[tuple[Frame, Image]]:
        """Yield the frames to filter, with their images; one that stands for several with each of theirs."""
        if self.all_frames:
            header, images = read_header(source), iter_frames(source)
        else:
            image = read_image(source)
            header, images = image.header, iter([image])
        split = self._split(source, header)
        if split.is_batch:
            images = chain.from_iterable(image.split() for image in images)
        frames = self._frames(source, split)
        repeated = chain.from_iterable(repeat(frame, frame.held) for frame in frames)
        yield from zip(repeated, images, strict=True)

    def _split(self, source: Source, header: Header) -> Header:
        """Return the header of an image; of each image of an array with batch axes, if pictures are made of it."""
        return header.split if len(header.shape) > 3 and not self.encodings.of(source).format.is_array else header

    def _output(self, frame: Frame, request: Filter, header: Header, encoding: Encoding) -> Output:
        plan = plan_filter(request, header, self.appearance, encoding.format)
        paths = self._map_paths(encoding, frame, request, plan.output.maps)
        return Output(frame, plan, paths)


def _maps(request: Filter, channels: int) -> int:
    """Return the number of maps of an image with so many channels."""
    return request.requests[0].convolution.output_channels(channels)
