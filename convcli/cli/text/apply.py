"""The texts of ``convcli apply``: the outcome of an image, and the outputs that a dry run lists."""

from typing import TYPE_CHECKING

from convcli.apply.outcomes import Outcome, OutputRecord
from convcli.cli.messages import Messages, message_of
from convcli.errors import ConvcliError, UnexpectedError
from convcli.files.memory import format_size
from convcli.files.source import Source
from convcli.text import in_one_line

if TYPE_CHECKING:
    from convcli.apply.dry_run import OutputForecast


def tell_outcome(outcome: Outcome, messages: Messages) -> None:
    """Print what was lost or converted between an image and its outputs."""
    messages.tell_conversion(outcome.source.name, outcome.warnings, outcome.notes)
    for record in outcome.outputs:
        messages.note(f"{record.output}: {_record_text(record)}")
        messages.tell_conversion(record.output, record.warnings, record.notes)
    if outcome.skipped:
        messages.note(f"{outcome.source.name}: skipped: outputs already exist")


def failure_text(source: Source, error: ConvcliError) -> str:
    """Return an image's error, with the image's name. Errors about files, and unexpected ones, contain it already."""
    message = message_of(error)
    return message if isinstance(error, OSError | UnexpectedError) else f"{source.name}: {message}"


def forecast_line(output: "OutputForecast") -> str:
    """Return the line of a dry run about one output."""
    what, size = _shape_text(output.shape, output.dtype), format_size(output.bytes)
    line = f"{output.input} -> {output.output}: {what}, {size}{', skipped' * output.skipped}"
    return f"{in_one_line(line)}\n"


def _record_text(record: OutputRecord) -> str:
    pads = f"pads {record.pads} filled with {record.edge}"
    return f"{_shape_text(record.shape, record.dtype)}, {pads}, by {record.algorithm}"


def _shape_text(shape: tuple[int, ...], dtype: str) -> str:
    return f"{'x'.join(map(str, shape))} {dtype}"
