"""Forecast the outputs of a batch from the headers of its images."""

from pathlib import Path
from typing import NamedTuple

from convcli.apply.batch import Batch
from convcli.apply.outputs import Output
from convcli.files.source import Source
from convcli.pictures.reading import read_header


class OutputForecast(NamedTuple):
    """An output file that a batch would write.

    frame: the frame, or the first of those that it holds.  frames: how many it holds.
    shape: the shape of a frame's maps.  bytes: the size of its pixels with alpha, before compression.
    skipped: whether it exists already and would be skipped.
    """

    input: str
    frame: int
    frames: int
    output: str
    kernel: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    skipped: bool


def forecast_outputs(batch: Batch, source: Source) -> list[OutputForecast]:
    """Return the files that would be written for one image; all frames are assumed to be like the first.

    Raises the errors of ``read_header`` and of ``Batch.outputs``.
    """
    outputs = batch.outputs(source, read_header(source))
    return [_forecast(batch, source, output, path) for output in outputs for path in output.paths]


def _forecast(batch: Batch, source: Source, output: Output, path: Path) -> OutputForecast:
    spec = output.plan.output
    maps, (rows, columns) = spec.maps // len(output.paths), spec.shape[-2:]
    return OutputForecast(
        input=source.name,
        frame=output.frame.number,
        frames=output.frame.held,
        output=str(path),
        kernel=output.plan.request.name,
        shape=spec.stored_shape if len(output.paths) == 1 else (maps, rows, columns),
        dtype=str(spec.dtype),
        bytes=output.frame.held * rows * columns * (maps + spec.alpha) * spec.dtype.itemsize,
        skipped=batch.destination.skips(output.paths),
    )
