"""Take the results of parallel work in order."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Future = TypeVar("Future")


def in_order(futures: Iterable[Future], ahead: int) -> Iterator[Future]:
    """Yield futures in their order, and keep ``ahead`` of them started: the yielded one and those after it.

    futures: starts each when it is asked for the next one.
    """
    remaining = iter(futures)
    started = deque(islice(remaining, ahead))
    while started:
        yield started.popleft()
        started.extend(islice(remaining, 1))
