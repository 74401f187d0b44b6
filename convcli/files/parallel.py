"""Count the processors, and take the results of parallel work in the order in which it was started."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Future = TypeVar("Future")


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(futures: Iterable[Future], ahead: int) -> Iterator[Future]:
    """Yield futures in their order, and keep ``ahead`` of them started, including the one that was yielded last.

    futures: an iterable that starts a future each time it is advanced.
    """
    remaining = iter(futures)
    started = deque(islice(remaining, ahead))
    while started:
        yield started.popleft()
        started.extend(islice(remaining, 1))
