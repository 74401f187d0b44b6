"""What became of each image of a batch."""

from functools import reduce
from math import prod
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from convcli.apply.filtering import Filtered
from convcli.apply.pixels import Tally
from convcli.arrays import finite_or_none
from convcli.errors import ConvcliError
from convcli.files.source import Source
from convcli.pictures.image import Image


class Written(NamedTuple):
    """One output file, and the span of its finite numbers before they became pixels; None if there were none.

    milliseconds: since the output before it, or since reading began.  warnings, notes: what was lost on the way.
    """

    input: str
    frame: int
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
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of one image: what was written, and what went wrong after that, if anything did.

    pixels: of its frames, in one channel.  warnings, notes: of reading them.
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
    form: dict[str, Any] = {name: None for name in Written._fields if name not in ("warnings", "notes")}
    form |= {"skipped": False, "error": None}
    entries = [{name: value for name, value in each._asdict().items() if name in form} for each in outcome.written]
    if outcome.error or outcome.skipped:
        error = str(outcome.error) if outcome.error else None
        entries.append({"input": outcome.source.name, "skipped": outcome.skipped, "error": error})
    return [form | entry for entry in entries]


class Report:
    """An outcome in the making: what was read and written so far, and how long each took."""

    def __init__(self, source: Source) -> None:
        self._so_far = Outcome(source)
        self._last = perf_counter()

    def read(self, image: Image) -> None:
        """One frame of the image."""
        self._so_far = self._so_far._replace(
            pixels=self._so_far.pixels + prod(image.pixels.shape[-2:]),
            warnings=_united(self._so_far.warnings, image.warnings),
            notes=_united(self._so_far.notes, image.notes),
        )

    def wrote(self, frame: int, kernel: str, filtered: Filtered, files: dict[Path, slice]) -> None:
        """What a kernel made of a frame: the files, and which of the maps each holds."""
        written = [self._written(frame, kernel, filtered, str(name), part) for name, part in files.items()]
        told = written[0]._replace(warnings=filtered.warnings, notes=filtered.notes)
        self._so_far = self._so_far._replace(written=(*self._so_far.written, told, *written[1:]))

    def outcome(self, error: ConvcliError | None = None, *, skipped: bool = False) -> Outcome:
        """What it came to."""
        return self._so_far._replace(error=error, skipped=skipped)

    def _written(self, frame: int, kernel: str, filtered: Filtered, name: str, part: slice) -> Written:
        values, tally = filtered.maps.values[part], reduce(Tally.merged, filtered.maps.tallies[part])
        return Written(
            input=self._so_far.source.name,
            frame=frame,
            output=name,
            kernel=kernel,
            pads=filtered.geometry.pads,
            shape=values.shape,
            dtype=str(values.dtype),
            minimum=finite_or_none(tally.low),
            maximum=finite_or_none(tally.high),
            clipped=tally.clipped,
            milliseconds=self._lap(),
            algorithm=filtered.algorithm,
        )

    def _lap(self) -> float:
        """Milliseconds since it was last asked, to a microsecond."""
        last, self._last = self._last, perf_counter()
        return round(1e3 * (self._last - last), 3)


def _united(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(some + others))
