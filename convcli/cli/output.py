"""The one place that writes results: to stdout or a file, as JSON, as text for people, or in a gradient's format."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.cli.flags import message_of
from convcli.cli.options import Talk
from convcli.cli.streams import STREAM, open_stdout, refuse_terminal
from convcli.errors import OptionError
from convcli.files import output_names
from convcli.files.json_writing import json_document
from convcli.files.output_names import Destination
from convcli.files.whole_files import IfExists, write_atomically

# Of a longer sum, half of them are the first and half the last.
TERMS_SHOWN = 32

# What one command shows is not imported for another: each is quick to start.
if TYPE_CHECKING:
    from convcli.apply.dry_run import OutputForecast
    from convcli.apply.filtering import FilteredImage
    from convcli.apply.outcomes import Outcome, OutputRecord
    from convcli.check.comparison import Comparison
    from convcli.check.gradcheck import Check
    from convcli.convolution.forecast import Forecast
    from convcli.drawing.thumbnails import Thumbnail
    from convcli.errors import ConvcliError
    from convcli.explain.explanation import Explanation
    from convcli.files.source import Source
    from convcli.geometry.axes import Geometry
    from convcli.geometry.edges import EdgeFill
    from convcli.grad.report import GradientReport
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.presets import Preset
    from convcli.matrix.assembly import ConvolutionMatrix


def destination_of(output: str | None, *, overwrite: bool, skip_existing: bool = False) -> Destination:
    """Return the destination that options ask for, where ``-`` is stdout."""
    if overwrite and skip_existing:
        raise OptionError("`overwrite` and `skip_existing` contradict each other: give one")
    if_exists = IfExists.REPLACE if overwrite else IfExists.SKIP if skip_existing else IfExists.FAIL
    return output_names.destination_of(output, if_exists, open_stdout if output == STREAM else write_atomically)


def geometry_in_words(geometry: "Geometry") -> str:
    """The numbers that words such as 'same' came to."""
    top, bottom, left, right = geometry.pads
    shape = "x".join(map(str, geometry.output_shape))
    return f"pads: top {top}, bottom {bottom}, left {left}, right {right}; output {shape}"


def show_outcome(outcome: "Outcome", talk: Talk, *, as_json: bool) -> None:
    """What apply made of one image: warnings and notes, and a line of JSON for each output if that was asked for."""
    word = outcome.source.name
    for warning in outcome.warnings:
        talk.warn(f"{word}: {warning}")
    for note in outcome.notes:
        talk.note(f"{word}: {note}")
    for record in outcome.outputs:
        _say_record(record, talk)
    if outcome.skipped:
        talk.note(f"{word}: skipped, for its outputs are there")
    if as_json:
        from convcli.apply.outcomes import outcome_to_json

        for entry in outcome_to_json(outcome):
            _show_json(entry)


def failure_in_words(source: "Source", error: "ConvcliError") -> str:
    """What was wrong, naming the image."""
    message = message_of(error)
    return message if isinstance(error, OSError) else f"{source.name}: {message}"


def show_dry_run(outputs: "Collection[OutputForecast]", *, as_json: bool) -> None:
    """Show the outputs that would be written for one image."""
    if as_json:
        for each in outputs:
            _show_json(each._asdict())
    else:
        from convcli.text import in_one_line

        _show_lines(f"{in_one_line(_forecast_text(each))}\n" for each in outputs)


def _forecast_text(output: "OutputForecast") -> str:
    from convcli.files.memory import format_size

    shape = "x".join(map(str, output.shape))
    size = format_size(output.bytes)
    return f"{output.input} -> {output.output}: {shape} {output.dtype}, {size}{', skipped' * output.skipped}"


def _say_record(record: "OutputRecord", talk: Talk) -> None:
    for warning in record.warnings:
        talk.warn(f"{record.output}: {warning}")
    shape = "x".join(map(str, record.shape))
    talk.note(f"{record.output}: {shape} {record.dtype}, pads {record.pads}, by {record.algorithm}")
    for note in record.notes:
        talk.note(f"{record.output}: {note}")


def show_forecast(found: "Forecast", talk: Talk, *, as_json: bool) -> None:
    """What a convolution would take."""
    from convcli.engine import MACHINE

    if as_json:
        from convcli.convolution.forecast import forecast_to_json

        _show_json(forecast_to_json(found))
    else:
        from convcli.cli.text.plan import forecast_text

        _show_text(forecast_text(found))
    talk.note(f"estimates are by the rates of {MACHINE}")


def show_explanation(found: "Explanation", edge: "EdgeFill", *, every: bool, as_json: bool) -> None:
    """A sum: its terms, or the first and last of them."""
    from convcli.explain.explanation import explanation_to_json, first_and_last

    spans = first_and_last(found.size, found.size if every else TERMS_SHOWN)
    if as_json:
        _show_json(explanation_to_json(found, spans))
    else:
        from convcli.cli.text.explain import explanation_text

        _show_lines(explanation_text(found, edge, spans))


def show_checks(checks: "Collection[Check]", *, as_json: bool) -> None:
    """Gradients held against what they must be."""
    if as_json:
        from convcli.check.gradcheck import checks_to_json

        _show_json(checks_to_json(checks))
    else:
        from convcli.cli.text.check import checks_text

        _show_text(checks_text(checks))


def show_comparisons(comparisons: "list[Comparison]", tolerance: float, *, as_json: bool) -> None:
    """Tensors from elsewhere held against ours."""
    if as_json:
        from convcli.check.comparison import comparisons_to_json

        _show_json(comparisons_to_json(comparisons, tolerance))
    else:
        from convcli.cli.text.check import comparisons_text

        _show_text(comparisons_text(comparisons))


def save_gradients(
    report: "GradientReport",
    destination: Destination,
    paths: Mapping[Path, tuple[str, ...]],
    format: str,
    talk: Talk,
    *,
    full: bool = False,
) -> None:
    """Each file with its gradients, J beside those that do not hold it; text shows what fits, or every number."""
    from convcli.grad.writers import HOLDING_LOSS

    if format not in HOLDING_LOSS:
        tell_loss(report.loss, talk)
    for path, wrt in paths.items():
        _save_gradients(report.only(wrt), destination, path, format, full=full)
        _note_saved(", ".join(wrt), destination, path, talk)


def tell_loss(loss: float | None, talk: Talk) -> None:
    """J, where it is known, beside data that does not hold it."""
    if loss is not None:
        talk.tell("loss", f"J = {loss!r}")


def preview_filtered(talk: Talk, filtered: "FilteredImage") -> None:
    """An image, a kernel and what it made of the image, as pictures."""
    from convcli.cli.text.preview import filter_thumbnails

    _preview(filter_thumbnails(filtered), talk)


def preview_gradients(report: "GradientReport", talk: Talk) -> None:
    """What gradients are of, and those that have rows and columns, as pictures."""
    from convcli.cli.text.preview import gradient_thumbnails

    _preview(gradient_thumbnails(report), talk)


def save_kernel(kernel: "Kernel", destination: Destination, path: Path, talk: Talk, *, as_json: bool) -> None:
    """A kernel as kernel JSON or as a grid."""
    if as_json:
        from convcli.kernels.json_format import kernel_to_json

        _save_lines(json_document(kernel_to_json(kernel)), destination, path)
    else:
        from convcli.cli.text.kernels import kernel_text

        _save_lines([kernel_text(kernel, plain=not destination.is_stream)], destination, path)
    _note_saved(kernel.name, destination, path, talk)


def save_presets(
    presets: "Collection[Preset]", destination: Destination, path: Path, talk: Talk, *, as_json: bool
) -> None:
    """What presets there are, as JSON or as a table."""
    if as_json:
        from convcli.kernels.presets import presets_to_json

        _save_lines(json_document(presets_to_json(presets)), destination, path)
    else:
        from convcli.cli.text.kernels import presets_text

        _save_lines([presets_text(presets, plain=not destination.is_stream)], destination, path)
    _note_saved(f"{len(presets)} presets", destination, path, talk)


def save_matrix(M: "ConvolutionMatrix", destination: Destination, path: Path, format: str, talk: Talk) -> None:
    """A convolution's matrix, in one of the formats of ``convcli.matrix.writers``."""
    from convcli.matrix.writers import BINARY, WRITERS

    if format == "text":
        from convcli.cli.text.matrix import matrix_text

        _save_lines([matrix_text(M, plain=not destination.is_stream)], destination, path)
    else:
        with _open(destination, path, binary=format in BINARY) as stream:
            WRITERS[format](M, stream)
    _note_saved(f"{M.shape[0]:,} x {M.shape[1]:,} with {len(M.data):,} nonzeros", destination, path, talk)


def _save_gradients(report: "GradientReport", destination: Destination, path: Path, format: str, *, full: bool) -> None:
    from convcli.grad.writers import BINARY, WRITERS

    if format == "text":
        from convcli.cli.text.grad import gradients_text

        _save_lines(gradients_text(report, plain=not destination.is_stream, full=full), destination, path)
    else:
        with _open(destination, path, binary=format in BINARY) as stream:
            WRITERS[format](report, stream)


def _preview(thumbnails: "list[Thumbnail]", talk: Talk) -> None:
    from convcli.cli.text.preview import obstacle, preview_text

    reason = obstacle()
    if reason:
        talk.note(f"no preview: {reason}")
    else:
        _show_text(preview_text(thumbnails))


def _save_lines(lines: Iterable[str], destination: Destination, path: Path) -> None:
    with destination.open(path) as stream:
        stream.writelines(line.encode() for line in lines)


def _open(destination: Destination, path: Path, *, binary: bool) -> AbstractContextManager[BinaryIO]:
    if destination.is_stream and binary:
        refuse_terminal()
    return destination.open(path)


def _note_saved(what: str, destination: Destination, path: Path, talk: Talk) -> None:
    if not destination.is_stream:
        talk.note(f"{path}: {what}")


def _show_json(members: Mapping[str, Any]) -> None:
    _show_lines(json_document(members))


def _show_text(text: str) -> None:
    _show_lines([text])


def _show_lines(lines: Iterable[str]) -> None:
    with open_stdout() as stream:
        stream.writelines(line.encode() for line in lines)
