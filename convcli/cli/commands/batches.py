"""Run a batch of one or many images; report the outcome of each image, and of the whole batch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from convcli.apply.batch import Batch
from convcli.apply.outcomes import Outcome, outcome_to_json
from convcli.cli.messages import Messages, message_of, say, tell_error, with_flags
from convcli.cli.output import print_json, print_lines
from convcli.cli.stopping import Stopped, finishing_work
from convcli.cli.streams import is_terminal
from convcli.cli.text.apply import BatchSummary, failure_text, forecast_line, tell_outcome, written_text
from convcli.convolution.request import Request
from convcli.errors import OptionError, as_convcli_error
from convcli.files.memory import format_size
from convcli.files.parallel import available_threads
from convcli.files.source import Source

if TYPE_CHECKING:
    from convcli.apply.dry_run import OutputForecast
    from convcli.engine.cluster import Cluster

# Processes one image.
Process = Callable[[Source], Outcome]


def run(
    batch: Batch,
    sources: Sequence[Source],
    wanted: int,
    cluster: "Cluster | None",
    messages: Messages,
    *,
    as_json: bool,
    fail_fast: bool,
) -> None:
    """Process one image, whose error is that of the command, or many.

    wanted: the user's number of parallel images; 0 for one per CPU.
    """
    process, jobs = _process_and_jobs(batch, cluster, wanted, len(sources))
    if len(sources) == 1:
        _run_one(process, sources[0], messages, as_json=as_json, to_stdout=batch.destination.is_stream)
    else:
        _run_all(process, sources, jobs, messages, as_json=as_json, fail_fast=fail_fast)


def _process_and_jobs(batch: Batch, cluster: "Cluster | None", wanted: int, files: int) -> tuple[Process, int]:
    """Return the function that processes an image, in this process or on a cluster, and how many to run in parallel.

    wanted: the user's number of parallel images; 0 for one per CPU.  files: the number of images.
    """
    jobs = _jobs(wanted, files, cluster)

    def with_its_share(request: Request) -> Request:
        threads = request.execution.threads or available_threads()
        limits = request.execution.limits._replace(inputs=files)
        return request.executed(threads=max(1, threads // jobs), cluster=cluster, limits=limits)

    shared = batch._replace(requests=[request.each(with_its_share) for request in batch.requests])
    if cluster is None or batch.show:
        return shared.process, jobs
    from convcli.apply.remote import process_remotely

    return partial(process_remotely, cluster, shared), jobs


def _jobs(wanted: int, files: int, cluster: "Cluster | None") -> int:
    """Return how many files to process in parallel: at most all files, and if ``wanted`` is 0 one per CPU."""
    if wanted < 0:
        raise OptionError(f"expected a number of files, or 0 for one per CPU, given {wanted}", option="jobs")
    processors = cluster.tasks_at_once if cluster else available_threads()
    return max(1, min(wanted or processors, files))


def _run_one(process: Process, source: Source, messages: Messages, *, as_json: bool, to_stdout: bool) -> None:
    """Process a single image, and raise its error, which gives the command's exit code."""
    outcome = process(source)
    _report(outcome, messages, as_json=as_json)
    if outcome.error:
        raise outcome.error
    if outcome.outputs and not to_stdout:
        messages.tell(None, written_text(outcome.outputs))


def _run_all(
    process: Process, sources: Sequence[Source], jobs: int, messages: Messages, *, as_json: bool, fail_fast: bool
) -> None:
    """Process many images. Report each that fails, continue with the others, and end with a summary of the losses."""
    from convcli.apply.concurrency import map_in_order
    from convcli.cli.progress import progress

    summary = BatchSummary()
    shared_terminal = as_json and is_terminal()
    with finishing_work() as stop, progress(len(sources), messages, shared_terminal=shared_terminal) as shown:

        def process_or_stop(source: Source) -> Outcome:
            outcome = process(source)
            if fail_fast and outcome.error:
                stop.set()
            return outcome

        for outcome in map_in_order(process_or_stop, sources, jobs, stop):
            _report(outcome, messages, as_json=as_json, warn=messages.verbose)
            if outcome.error:
                tell_error(outcome.error, failure_text(outcome.source, outcome.error))
            summary.add(outcome)
            if shown:
                shown.advance(outcome.pixels)
    done = summary.written + summary.skipped
    not_started = len(sources) - done - summary.failed
    _tell_kinds(summary, messages)
    if stop.number and not_started:
        messages.tell("interrupted", f"{done} of {len(sources)} files are done: use `skip_existing` to resume")
        raise Stopped(stop.number)
    if sources:
        _conclude(summary, not_started, messages)


def _conclude(summary: BatchSummary, not_started: int, messages: Messages) -> None:
    """Print the numbers of images; if some failed, the line is an error, and so is the exit code."""
    if summary.failed:
        say("error", summary.result(not_started))
        raise typer.Exit(1)
    messages.tell(None, summary.result(not_started))


def _tell_kinds(summary: BatchSummary, messages: Messages) -> None:
    """Print a line per kind of loss or remark, unless ``--verbose`` has printed those of each file."""
    if messages.verbose:
        return
    for warning in summary.warnings():
        messages.warn(warning)
    for note in summary.notes():
        messages.tell("note", note)


def run_dry(batch: Batch, sources: Sequence[Source], messages: Messages, *, as_json: bool) -> None:
    """Print the outputs that each image would have, and their number and total size."""
    from convcli.apply.dry_run import forecast_outputs

    failed = False
    outputs = size = 0
    for source in sources:
        try:
            found = forecast_outputs(batch, source)
        except Exception as error:
            unusable = as_convcli_error(error, source.name)
            if len(sources) == 1:
                raise unusable from unusable.__cause__
            tell_error(unusable, failure_text(source, unusable))
            failed = True
            continue
        _print_forecasts(found, as_json=as_json)
        outputs += sum(not each.skipped for each in found)
        size += sum(each.bytes for each in found if not each.skipped)
    messages.tell("dry run", f"{outputs} outputs, {format_size(size)} before compression; nothing was written")
    if failed:
        raise typer.Exit(1)


def _report(outcome: Outcome, messages: Messages, *, as_json: bool, warn: bool = True) -> None:
    tell_outcome(outcome, messages, warn=warn)
    if as_json:
        # The JSON names flags, as the messages on stderr do.
        for members in outcome_to_json(outcome, lambda error: with_flags(message_of(error))):
            print_json(members)


def _print_forecasts(forecasts: "Sequence[OutputForecast]", *, as_json: bool) -> None:
    if as_json:
        for each in forecasts:
            print_json(each._asdict())
    else:
        print_lines(map(forecast_line, forecasts))
