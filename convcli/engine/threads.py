"""Tiles on several threads, each with its own scratch memory, and BLAS held at one thread for each."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from convcli.engine.scratch import Scratch

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")


def available_threads() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(items: Sequence[Item], work: Callable[[Item, Scratch], None], *, threads: int) -> None:
    """Do ``work`` for every item, the calling thread among the workers; they take items in order.

    Infinities and NaN pass through arithmetic without a warning.
    """
    workers = min(threads, len(items))
    remaining = deque(items)
    # Always one thread, for a lone item too: with more, BLAS rounds in another order.
    with BLAS.held():
        others = [_pool(workers - 1).submit(_work_through, remaining, work) for _ in range(workers - 1)]
        try:
            _work_through(remaining, work)
        finally:
            # Nobody writes on once this has returned.
            failures = [other.exception() for other in others if not other.cancel()]
    for failure in filter(None, failures):
        raise failure


def _work_through(remaining: deque[Item], work: Callable[[Item, Scratch], None]) -> None:
    scratch = _own_scratch()
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for item in _taken(remaining):
                scratch.clear()
                work(item, scratch)
    except BaseException:
        # After an error or Ctrl-C nothing more is begun, by any thread.
        remaining.clear()
        raise
    finally:
        scratch.give_back()


def _taken(remaining: deque[Item]) -> Iterator[Item]:
    """Yield items from the front until none is left. Threads may share a deque, but not an iterator."""
    while True:
        try:
            item = remaining.popleft()
        except IndexError:
            return
        yield item


class InOrder(Generic[Item]):
    """Hands numbered things on in the order of their numbers, whichever thread brings them first."""

    def __init__(self, take: Callable[[Item], None]) -> None:
        self._take = take
        self._waiting: dict[int, Item] = {}
        self._next = 0
        self._lock = threading.Lock()

    def bring(self, number: int, item: Item) -> None:
        """Hand this one on, and those that waited for it; or keep it until its turn."""
        with self._lock:
            self._waiting[number] = item
            while self._next in self._waiting:
                self._take(self._waiting.pop(self._next))
                self._next += 1


_OWN = threading.local()


def _own_scratch() -> Scratch:
    if not hasattr(_OWN, "scratch"):
        _OWN.scratch = Scratch()
    scratch: Scratch = _OWN.scratch
    return scratch


@lru_cache(maxsize=1)
def _pool(workers: int) -> "ThreadPoolExecutor":
    """Threads that stay: starting them takes as long as a small image."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(workers, thread_name_prefix="convcli")


if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


class _BlasLimit:
    """Holds BLAS to one thread until the last of the calls that want it so has ended.

    Each on its own would give back what it found, which may be another's limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limit: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, BLAS takes one thread."""
        with self._lock:
            if self._holders == 0:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._give_back()

    def _give_back(self) -> None:
        from threadpoolctl import OpenBLASController  # type: ignore[import-untyped]

        # OpenBLAS obeys the thread that set its limit, which may have been another one, and only until it is freed.
        OpenBLASController.clear_controlling_thread(force=True)
        self._limit.restore_original_limits()
        OpenBLASController.clear_controlling_thread(force=True)


BLAS = _BlasLimit()


@cache
def _controller() -> Any:
    """Looking for the libraries takes milliseconds; numpy has loaded its BLAS by now."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
