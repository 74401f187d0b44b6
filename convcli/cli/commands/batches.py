"""Images through a batch, one or thousands: what is said of each, and what they come to."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from convcli.apply.batch import Batch
from convcli.apply.concurrency import map_in_order
from convcli.apply.dry_run import forecast_outputs
from convcli.apply.outcomes import Outcome
from convcli.cli import output as render
from convcli.cli.options import Talk
from convcli.cli.progress import progress
from convcli.cli.stopping import Stopped, finishing_what_is_begun
from convcli.cli.streams import is_terminal, say
from convcli.convolution.request import Request
from convcli.engine.threads import available_threads
from convcli.errors import ConvcliError, OptionError
from convcli.files.memory import format_size
from convcli.files.source import Source

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster

# What is done with each image.
Process = Callable[[Source], Outcome]


def worker(batch: Batch, cluster: "Cluster | None", asked: int, files: int) -> tuple[Process, int]:
    """What processes each of so many files, and how many at once: here, or on a cluster."""
    jobs = _jobs(asked, files, cluster)

    def with_its_share(request: Request) -> Request:
        threads = request.execution.threads or available_threads()
        return request.executed(threads=max(1, threads // jobs), cluster=cluster)

    ours = replace(batch, requests=[request.each(with_its_share) for request in batch.requests])
    if cluster is None or batch.show:
        return ours.process, jobs
    from convcli.apply.remote import process_remotely

    return partial(process_remotely, cluster, ours), jobs


def _jobs(asked: int, files: int, cluster: "Cluster | None") -> int:
    """Files at once: as many as were asked for, 0 for one a processor, here or on a cluster; no more than there are."""
    if asked < 0:
        raise OptionError(f"expected a number of files at once, or 0 for one a processor, given {asked}", option="jobs")
    processors = cluster.tasks_at_once if cluster else available_threads()
    return max(1, min(asked or processors, files))


def run_one(process: Process, source: Source, talk: Talk, *, as_json: bool) -> None:
    """An image alone: what is wrong with it is what is wrong with the request."""
    outcome = process(source)
    render.show_outcome(outcome, talk, as_json=as_json)
    if outcome.error:
        raise outcome.error


def run_all(
    process: Process, sources: Sequence[Source], jobs: int, talk: Talk, *, as_json: bool, fail_fast: bool
) -> None:
    """Each of many images; one that fails is named, and the rest go on."""
    done = failed = 0
    with finishing_what_is_begun() as stop, progress(len(sources), talk, crowded=as_json and is_terminal()) as bar:

        def process_or_stop(source: Source) -> Outcome:
            outcome = process(source)
            if fail_fast and outcome.error:
                stop.set()
            return outcome

        for outcome in map_in_order(process_or_stop, sources, jobs, stop):
            render.show_outcome(outcome, talk, as_json=as_json)
            if outcome.error:
                say("error", render.failure_in_words(outcome.source, outcome.error))
            failed += outcome.error is not None
            done += outcome.error is None
            bar.advance(outcome.pixels)
    not_begun = len(sources) - done - failed
    if stop.number and not_begun:
        talk.tell("interrupted", f"{done} of {len(sources)} files are done; `skip_existing` goes on with the others")
        raise Stopped(stop.number)
    _conclude(failed, len(sources), not_begun)


def run_dry(batch: Batch, sources: Sequence[Source], talk: Talk, *, as_json: bool) -> None:
    """What would be written of each image, and how much it comes to."""
    failed = outputs = size = 0
    for source in sources:
        try:
            found = forecast_outputs(batch, source)
        except ConvcliError as error:
            say("error", render.failure_in_words(source, error))
            failed += 1
            continue
        render.show_dry_run(found, as_json=as_json)
        outputs += sum(not each.skipped for each in found)
        size += sum(each.bytes for each in found if not each.skipped)
    talk.tell("dry run", f"{outputs} outputs, {format_size(size)} before compression; nothing was written")
    _conclude(failed, len(sources))


def _conclude(failed: int, files: int, not_begun: int = 0) -> None:
    if failed:
        rest = f"; {not_begun} were not begun" if not_begun else ""
        say("error", f"{failed} of {files} files failed{rest}")
        raise typer.Exit(1)
