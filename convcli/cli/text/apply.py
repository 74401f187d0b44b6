"""The texts of ``convcli apply``: the outcome of an image or a batch, and the outputs that a dry run lists."""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from convcli.apply.outcomes import Outcome, OutputRecord
from convcli.apply.pixels import percent_text
from convcli.arrays import channels_of
from convcli.cli.messages import Messages, message_of
from convcli.errors import ConvcliError, UnexpectedError
from convcli.files.memory import format_size
from convcli.files.source import Source
from convcli.text import in_one_line

if TYPE_CHECKING:
    from convcli.apply.dry_run import OutputForecast


def tell_outcome(outcome: Outcome, messages: Messages, *, warn: bool = True) -> None:
    """Print what was converted between an image and its outputs, and with ``warn`` also what was lost or remarked."""
    messages.tell_conversion(outcome.source.name, outcome.warnings if warn else (), outcome.notes)
    if warn and not messages.verbose:
        for remark in outcome.remarks:
            messages.tell("note", f"{outcome.source.name}: {remark}")
    for record in outcome.outputs:
        messages.note(f"{record.output}: {_record_text(record)}")
        messages.tell_conversion(record.output, record.warnings if warn else (), record.notes)
    if outcome.skipped:
        messages.note(f"{outcome.source.name}: skipped: outputs already exist")


def written_text(outputs: Sequence[OutputRecord]) -> str:
    """Return what was written for one image, as in "wrote edges.png, 512x512 RGB"."""
    first = f"{outputs[0].output}, {_picture_text(outputs[0])}"
    return f"wrote {first}" if len(outputs) == 1 else f"wrote {len(outputs)} files, the first of them {first}"


class BatchSummary:
    """The summary of a batch: what was written, skipped or failed, and one line per kind of loss."""

    def __init__(self) -> None:
        self.written = self.skipped = self.failed = 0
        self._images = self._outputs = self._clipped = 0
        self._worst: OutputRecord | None = None
        self._losses: dict[str, _Kind] = {}
        self._remarks: dict[str, _Kind] = {}
        self._began = perf_counter()

    def add(self, outcome: Outcome) -> None:
        """Count an image and its losses."""
        self.failed += outcome.error is not None
        self.skipped += outcome.skipped
        self.written += outcome.error is None and not outcome.skipped
        self._images += bool(outcome.outputs)
        self._outputs += len(outcome.outputs)
        for warning in outcome.warnings:
            _count(self._losses, warning, outcome.source.name)
        for remark in outcome.remarks:
            _count(self._remarks, remark, outcome.source.name)
        for record in outcome.outputs:
            self._add_record(record)

    def warnings(self) -> Iterator[str]:
        """Yield a line per kind of loss."""
        yield from _lines(self._losses)
        if self._worst:
            share = f"worst {percent_text(100 * self._worst.clipped_share)} in {self._worst.output}"
            yield f"clipped in {self._clipped} of {self._outputs} files, {share}"

    def notes(self) -> Iterator[str]:
        """Yield a line per kind of remark."""
        return _lines(self._remarks)

    def result(self, not_started: int) -> str:
        """Return the numbers of images, as in "28 written, 2 skipped, 1 failed in 3.1 s".

        If images have several files each, both are counted: "36 files written from 9 images".
        """
        several = f" files written from {self._images:,} image{'s' * (self._images != 1)}"
        parts = [f"{self._outputs:,}{several if self._outputs > self._images else ' written'}"]
        counts = {"skipped": self.skipped, "failed": self.failed, "not started": not_started}
        parts += [f"{count:,} {name}" for name, count in counts.items() if count]
        return f"{', '.join(parts)} in {perf_counter() - self._began:.1f} s"

    def _add_record(self, record: OutputRecord) -> None:
        for loss in record.losses:
            _count(self._losses, loss, record.output)
        # The counts of clipped numbers differ from file to file: one line for all says which file is the worst.
        if record.clipped:
            self._clipped += 1
            self._worst = max(self._worst or record, record, key=lambda each: each.clipped_share)


class _Kind(NamedTuple):
    """The number of files with one kind of loss or remark, and the name of the first."""

    files: int
    first: str


def _count(kinds: dict[str, _Kind], text: str, name: str) -> None:
    """Count a file whose loss or remark has this text."""
    files, first = kinds.get(text, _Kind(0, name))
    kinds[text] = _Kind(files + 1, first)


def _lines(kinds: dict[str, _Kind]) -> Iterator[str]:
    for text, kind in kinds.items():
        where = f"in {kind.files} files, the first of them {kind.first}" if kind.files > 1 else f"in {kind.first}"
        yield f"{text} ({where})"


def failure_text(source: Source, error: ConvcliError) -> str:
    """Return an image's error, with the image's name. Errors about files, and unexpected ones, contain it already."""
    message = message_of(error)
    return message if isinstance(error, OSError | UnexpectedError) else f"{source.name}: {message}"


def forecast_line(output: "OutputForecast") -> str:
    """Return the line of a dry run about one output."""
    what, size = _shape_text(output.shape, output.dtype) + _frames_text(output.frames), format_size(output.bytes)
    line = f"{output.input} -> {output.output}: {what}, {size}{', skipped' * output.skipped}"
    return f"{in_one_line(line)}\n"


def _record_text(record: OutputRecord) -> str:
    pads = f"pads {record.pads} filled with {record.edge}"
    return f"{_shape_text(record.shape, record.dtype)}, {pads}, by {record.algorithm}"


def _picture_text(record: OutputRecord) -> str:
    channels, (rows, columns) = channels_of(record.shape), record.shape[-2:]
    if record.is_array or channels not in (1, 3):
        return _shape_text(record.shape, record.dtype)
    depth = {"uint8": "", "uint16": "16-bit "}.get(record.dtype, f"{record.dtype} ")
    colours = "gray" if channels == 1 else "RGB"
    return f"{columns}x{rows} {depth}{colours}{' and alpha' * record.alpha}{_frames_text(record.frames)}"


def _frames_text(frames: int) -> str:
    return f", {frames} frames" if frames > 1 else ""


def _shape_text(shape: tuple[int, ...], dtype: str) -> str:
    return f"{'x'.join(map(str, shape))} {dtype}"
