"""Work on many files at once, in one process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that may wait for an earlier one, for each job: a large file among small ones holds nobody up.
AHEAD = 16


def in_order(work: Callable[[Item], Result], items: Iterable[Item], jobs: int, stop: Event) -> Iterator[Result]:
    """What ``work`` returns for each item, in the items' order, from so many threads; from this one if it is one.

    Once ``stop`` is set nothing more is begun, and what is under way is still finished and given.
    """
    if jobs == 1:
        for item in items:
            yield from _unless(stop, work, item)
        return
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="convcli-file")
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for item in items:
            if stop.is_set():
                break
            waiting.append(pool.submit(_unless, stop, work, item))
            while waiting and (waiting[0].done() or len(waiting) == AHEAD * jobs):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        # After an error, or when nobody asks for more, nothing is begun either, and nothing is waited for.
        pool.shutdown(wait=False, cancel_futures=True)


def _unless(stop: Event, work: Callable[[Item], Result], item: Item) -> list[Result]:
    """The result, or nothing."""
    return [] if stop.is_set() else [work(item)]
