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
    begun = _until(stop, items)
    if jobs == 1:
        yield from map(work, begun)
        return
    with ThreadPoolExecutor(jobs, thread_name_prefix="convcli-file") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in begun:
                waiting.append(pool.submit(work, item))
                if len(waiting) == AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                future = waiting.popleft()
                if not (stop.is_set() and future.cancel()):
                    yield future.result()
        finally:
            # After an error, or when nobody asks for more, nothing is begun either.
            for future in waiting:
                future.cancel()


def _until(stop: Event, items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        if stop.is_set():
            return
        yield item
