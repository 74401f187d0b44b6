"""Save outputs: each file is closed, and gets its name, once it holds all its frames."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from convcli.apply.filtering import FilteredImage, FilterPlan, apply_filter
from convcli.apply.outputs import Output
from convcli.errors import OptionError
from convcli.files.large_arrays import large_empty
from convcli.files.npy_files import is_mappable, map_npy
from convcli.files.output_names import Destination
from convcli.pictures.formats import Coding
from convcli.pictures.image import Image
from convcli.pictures.writing import FrameWriter


class OutputFiles:
    """The files of one image's outputs; a context, at whose end files that still lack frames disappear."""

    def __init__(self, destination: Destination, coding: Coding) -> None:
        self._destination, self._coding = destination, coding
        self._open: dict[Path, _OpenFile] = {}
        self._contexts = ExitStack()

    def __enter__(self) -> "OutputFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._contexts.__exit__(kind, error, traceback)

    def wanted(self, outputs: Sequence[Output]) -> list[Output]:
        """Return the outputs of a frame that are to be written, not skipped.

        Raises FileError if an output may not have its name, before any of them is written.
        """
        for output in outputs:
            if not self._is_open(output):
                self._destination.refuse_existing(output.paths)
        return [output for output in outputs if self._is_open(output) or not self._destination.skips(output.paths)]

    def save(self, output: Output, image: Image) -> FilteredImage:
        """Filter an image and save its maps; the maps of an array format are computed in the file itself."""
        if output.plan.format.is_array:
            (path,) = output.paths
            with self._destination.open(path) as stream:
                return _save_array(stream, output.plan, image)
        filtered = apply_filter(output.plan, image)
        for path, maps in output.files.items():
            if output.frame.held > 1:
                self._add_frame(path, output, filtered, maps)
            else:
                with self._destination.open(path) as stream:
                    filtered.write_picture(stream, maps, self._coding)
        return filtered

    def require_complete(self) -> None:
        """Raise OptionError if a file lacks frames, because frames differ in the number of their maps."""
        for path, file in self._open.items():
            missing, total = file.writer.missing, file.writer.total
            raise OptionError(
                f"{path} would lack {missing} of {total} frames: add {{frame}} and {{map}} to the name, because the "
                "frames have different numbers of maps"
            )

    def _is_open(self, output: Output) -> bool:
        return output.paths[0] in self._open

    def _add_frame(self, path: Path, output: Output, filtered: FilteredImage, maps: slice) -> None:
        if path not in self._open:
            self._open[path] = self._opened(path, output)
        file = self._open[path]
        filtered.add_frame(file.writer, maps, self._coding)
        if not file.writer.missing:
            del self._open[path]
            file.context.close()

    def _opened(self, path: Path, output: Output) -> "_OpenFile":
        context = self._contexts.enter_context(ExitStack())
        stream = context.enter_context(self._destination.open(path))
        return _OpenFile(context, FrameWriter(stream, output.plan.format, output.frame.held, output.frame.plays))


class _OpenFile(NamedTuple):
    """A file that waits for frames. context: closes it and gives it its name."""

    context: ExitStack
    writer: FrameWriter


def _save_array(stream: BinaryIO, plan: FilterPlan, image: Image) -> FilteredImage:
    # Tiles of Z are computed channel-major.
    into_file = plan.format.is_mapped and plan.output.layout.is_channel_major and is_mappable(stream)
    empty = partial(map_npy, stream) if into_file else large_empty
    filtered = apply_filter(plan, image, empty)
    if not into_file:
        filtered.write_array(stream)
    return filtered
