"""Print the outcome of each image of ``convcli apply``, and the outputs that it would have."""

from convcli.apply.dry_run import OutputForecast
from convcli.apply.outcomes import Outcome, OutputRecord
from convcli.cli.messages import Messages, message_of
from convcli.errors import ConvcliError
from convcli.files.memory import format_size
from convcli.files.source import Source
from convcli.text import in_one_line


def tell_outcome(outcome: Outcome, messages: Messages) -> None:
    """Report what was lost or converted on the way from one image to its outputs."""
    messages.tell_conversion(outcome.source.name, outcome.warnings, outcome.notes)
    for record in outcome.outputs:
        messages.note(f"{record.output}: {_record_text(record)}")
        messages.tell_conversion(record.output, record.warnings, record.notes)
    if outcome.skipped:
        messages.note(f"{outcome.source.name}: skipped: outputs already exist")


def failure_text(source: Source, error: ConvcliError) -> str:
    """Return what was wrong with an image; errors about files name the image already."""
    message = message_of(error)
    return message if isinstance(error, OSError) else f"{source.name}: {message}"


def forecast_line(output: OutputForecast) -> str:
    """Return a line about an output that a batch would write."""
    what, size = _shape_text(output.shape, output.dtype), format_size(output.bytes)
    line = f"{output.input} -> {output.output}: {what}, {size}{', skipped' * output.skipped}"
    return f"{in_one_line(line)}\n"


def _record_text(record: OutputRecord) -> str:
    return f"{_shape_text(record.shape, record.dtype)}, pads {record.pads}, by {record.algorithm}"


def _shape_text(shape: tuple[int, ...], dtype: str) -> str:
    return f"{'x'.join(map(str, shape))} {dtype}"
