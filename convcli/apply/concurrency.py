"""Process several files in parallel, in the threads of one process."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from convcli.files.parallel import in_order

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results per job that may wait for an earlier one, so that a large file does not hold up small ones.
AHEAD = 16


def map_in_order(work: Callable[[Item], Result], items: Iterable[Item], jobs: int, stop: Event) -> Iterator[Result]:
    """Yield the result of ``work`` for each item, in order, from ``jobs`` threads; one job runs in this thread.

    Once ``stop`` is set, no further item is started; those in progress are finished, and their results are yielded.
    """
    if jobs == 1:
        for item in items:
            yield from _unless_stopped(stop, work, item)
        return
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="convcli-file")

    def start() -> Iterator[Future[list[Result]]]:
        for item in items:
            if stop.is_set():
                return
            yield pool.submit(_unless_stopped, stop, work, item)

    try:
        for future in in_order(start(), AHEAD * jobs):
            yield from future.result()
    finally:
        # After an error, or if the caller takes no more results, no item is started and none is waited for.
        pool.shutdown(wait=False, cancel_futures=True)


def _unless_stopped(stop: Event, work: Callable[[Item], Result], item: Item) -> list[Result]:
    """Return a list of the result, or an empty one if ``stop`` is set."""
    return [] if stop.is_set() else [work(item)]
