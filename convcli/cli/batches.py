"""Images through a batch, one or thousands: what is said of each, and what they come to."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from types import FrameType

import typer

from convcli.batch import Batch
from convcli.cli import render
from convcli.cli.options import Talk
from convcli.cli.progress import progress
from convcli.cli.streams import say
from convcli.concurrency import in_order
from convcli.engine.threads import available_threads
from convcli.errors import OptionError
from convcli.inputs import Source
from convcli.request import Request


def jobs_for(asked: int, files: int) -> int:
    """Files at once: as many as were asked for, 0 for one a processor, and no more than there are."""
    if asked < 0:
        raise OptionError(f"jobs: expected a number of files at once, or 0 for one a processor, given {asked}")
    return max(1, min(asked or available_threads(), files))


def sharing_threads(request: Request, jobs: int) -> Request:
    """The request with its share of the threads, when so many files are filtered at once."""
    threads = request.execution.threads or available_threads()
    return request._replace(execution=replace(request.execution, threads=max(1, threads // jobs)))


def run_one(batch: Batch, source: Source, talk: Talk, *, as_json: bool) -> None:
    """An image alone: what is wrong with it is what is wrong with the request."""
    outcome = batch.process(source)
    render.show_outcome(outcome, talk, as_json=as_json)
    if outcome.error:
        raise outcome.error


def run_all(batch: Batch, sources: Sequence[Source], jobs: int, talk: Talk, *, as_json: bool, fail_fast: bool) -> None:
    """Each of many images; one that fails is named, and the rest go on."""
    done = failed = 0
    failed_fast = False
    with stopping_on_interrupt() as stop, progress(len(sources), talk) as bar:
        for outcome in in_order(batch.process, sources, jobs, stop):
            render.show_outcome(outcome, talk, as_json=as_json)
            if outcome.error:
                say("error", render.failure_in_words(outcome))
                failed_fast |= fail_fast
            if failed_fast:
                stop.set()
            failed += outcome.error is not None
            done += outcome.error is None
            bar.advance(outcome.pixels)
    if failed:
        begun = f"; {len(sources) - done - failed} were not begun" if failed_fast else ""
        say("error", f"{failed} of {len(sources)} files failed{begun}")
    if done + failed < len(sources) and not failed_fast:
        talk.tell("interrupted", f"{done} of {len(sources)} files are done; --skip-existing goes on with the others")
        raise KeyboardInterrupt
    if failed:
        raise typer.Exit(1)


@contextmanager
def stopping_on_interrupt() -> Iterator[Event]:
    """An event that the first Ctrl-C sets; a second one is as always."""
    stop = Event()
    before = signal.getsignal(signal.SIGINT)

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    # Where it is ignored, as in a script's background, it stays so.
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, set_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
