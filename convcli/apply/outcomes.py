"""The outcome of each image of a batch: the outputs that were written, or the error."""

from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from convcli.apply.filtering import FilteredImage
from convcli.apply.outputs import Output
from convcli.apply.pixels import Clipping, all_warnings
from convcli.arrays import finite_or_none
from convcli.engine.levels import MapStatistics
from convcli.errors import ConvcliError
from convcli.files.source import Source
from convcli.pictures.image import Image


class OutputRecord(NamedTuple):
    """An output file that was written.

    range, gain: how numbers became levels, and the factor before that.
    minimum, maximum: of the maps' finite numbers before they became pixels; None if no number was finite.
    milliseconds: the time since the previous output, or since reading began.
    tiles: how many tiles each algorithm computed, and how many of them took each fallback of the plan.
    alpha: whether it has alpha.  is_array: whether it is an array, and no picture.
    frame: the frame, or the first of those that it holds.  frames: how many it holds.
    losses: the warnings, but for that of ``clipping``, which counts clipped numbers; None if numbers stay floats.
    notes: the conversions.  remarks: those among them that users see without asking.
    """

    input: str
    frame: int
    frames: int
    output: str
    kernel: str
    pads: tuple[int, int, int, int]
    edge: str
    shape: tuple[int, ...]
    alpha: bool
    dtype: str
    range: str
    gain: float
    minimum: float | None
    maximum: float | None
    clipped: int
    milliseconds: float
    algorithm: str
    tiles: dict[str, int]
    is_array: bool = False
    losses: tuple[str, ...] = ()
    clipping: Clipping | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def clipped_share(self) -> float:
        """The share of clipped numbers, from 0 to 1."""
        return self.clipped / (prod(self.shape) * self.frames)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The losses, and how many numbers were clipped."""
        return all_warnings(self.losses, self.clipping)

    def joined(self, other: "OutputRecord") -> "OutputRecord":
        """Return the record of a file that holds the frames of this record and those of the other one."""
        return self._replace(
            frames=self.frames + other.frames,
            minimum=_extreme(min, self.minimum, other.minimum),
            maximum=_extreme(max, self.maximum, other.maximum),
            clipped=self.clipped + other.clipped,
            milliseconds=round(self.milliseconds + other.milliseconds, 3),
            tiles=dict(Counter(self.tiles) + Counter(other.tiles)),
            losses=_union(self.losses, other.losses),
            clipping=self.clipping and other.clipping and self.clipping.joined(other.clipping),
            notes=_union(self.notes, other.notes),
            remarks=_union(self.remarks, other.remarks),
        )


def _extreme(choose: Callable[..., float], *numbers: float | None) -> float | None:
    known = [number for number in numbers if number is not None]
    return choose(known) if known else None


def _union(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(some + others))


class Outcome(NamedTuple):
    """The outcome of one image: the outputs that were written, and the error that ended it, if any.

    pixels: the number of pixels in one channel of all frames that were read.  warnings, notes: from reading them.
    skipped: whether all outputs existed already.
    """

    source: Source
    outputs: tuple[OutputRecord, ...] = ()
    error: ConvcliError | None = None
    pixels: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks about the image, each once."""
        return tuple(dict.fromkeys(remark for record in self.outputs for remark in record.remarks))


# The fields of a record that are for lines on stderr.
_MESSAGES = ("is_array", "losses", "clipping", "notes", "remarks")


def outcome_to_json(outcome: Outcome, text_of: Callable[[ConvcliError], str] = str) -> list[dict[str, Any]]:
    """Return an object for each output, and one without an output for an image that failed or was skipped.

    All objects have the same keys.  text_of: returns the text of an error.
    """
    form: dict[str, Any] = {name: None for name in OutputRecord._fields if name not in _MESSAGES}
    form |= {"skipped": False, "error": None}
    entries = [{name: value for name, value in record._asdict().items() if name in form} for record in outcome.outputs]
    if outcome.error or outcome.skipped:
        error = text_of(outcome.error) if outcome.error else None
        entries.append({"input": outcome.source.name, "skipped": outcome.skipped, "error": error})
    return [form | entry for entry in entries]


class OutcomeBuilder:
    """A collector of the frames read and the outputs written for one image, and of the time that each output takes."""

    def __init__(self, source: Source) -> None:
        self._so_far = Outcome(source)
        self._incomplete: dict[str, OutputRecord] = {}
        self._last = perf_counter()

    def add_frame(self, image: Image) -> None:
        """Add a frame that was read."""
        self._so_far = self._so_far._replace(
            pixels=self._so_far.pixels + prod(image.pixels.shape[-2:]),
            warnings=_union(self._so_far.warnings, image.warnings),
            notes=_union(self._so_far.notes, image.notes),
        )

    def add_output(self, output: Output, filtered: FilteredImage) -> None:
        """Add the files of an output that was written; warnings and notes go to the first of them.

        A file that holds several frames is added with the last one.
        """
        first, *others = [self._record(output, filtered, path, maps) for path, maps in output.files.items()]
        first = first._replace(losses=(*output.losses, *filtered.losses), clipping=filtered.clipping)
        first = first._replace(notes=filtered.notes, remarks=filtered.remarks)
        for record in (first, *others):
            self._add_record(record, output.frame.held)

    def outcome(self, error: ConvcliError | None = None, *, skipped: bool = False) -> Outcome:
        """Return the outcome so far, with the error that ended it."""
        return self._so_far._replace(error=error, skipped=skipped)

    def _add_record(self, record: OutputRecord, held: int) -> None:
        before = self._incomplete.pop(record.output, None)
        record = before.joined(record) if before else record
        if record.frames < held:
            self._incomplete[record.output] = record
        else:
            self._so_far = self._so_far._replace(outputs=(*self._so_far.outputs, record))

    def _record(self, output: Output, filtered: FilteredImage, path: Path, maps: slice) -> OutputRecord:
        values, statistics = filtered.maps.values[maps], MapStatistics.of_all(filtered.maps.statistics[maps])
        return OutputRecord(
            input=self._so_far.source.name,
            frame=output.frame.number,
            frames=1,
            output=str(path),
            kernel=output.plan.request.name,
            pads=output.plan.geometry.pads,
            edge=str(output.plan.geometry.edge),
            shape=output.plan.output.layout.order(values.shape),
            alpha=filtered.alpha is not None,
            dtype=str(values.dtype),
            range=output.plan.output.mode,
            gain=output.plan.output.gain,
            minimum=finite_or_none(statistics.low),
            maximum=finite_or_none(statistics.high),
            clipped=statistics.clipped,
            milliseconds=self._lap(),
            algorithm=output.plan.planned.algorithm,
            tiles=dict(filtered.tally),
            is_array=output.plan.format.is_array,
        )

    def _lap(self) -> float:
        """Return the milliseconds since the previous lap, to a microsecond."""
        last, self._last = self._last, perf_counter()
        return round(1e3 * (self._last - last), 3)
