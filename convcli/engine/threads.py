"""Compute tiles on several threads, each with its own scratch memory, while each call of BLAS uses one thread."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from convcli.engine.scratch import Scratch
from convcli.files.forks import at_fork
from convcli.files.shared_change import SharedChange

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")


def each(items: Sequence[Item], work: Callable[[Item, Scratch], None], *, threads: int) -> None:
    """Call ``work`` for every item, on this thread and ``threads - 1`` others, which take the items in order.

    NumPy's warnings about infinities and NaN are off.
    """
    workers = min(threads, len(items))
    remaining = deque(items)
    # Also for a single item: with more threads BLAS adds in another order, and rounds differently.
    with BLAS_ON_ONE_THREAD:
        others = [_pool(workers - 1).submit(_work_through, remaining, work) for _ in range(workers - 1)]
        try:
            _work_through(remaining, work)
        finally:
            # Wait for the other threads, so that none still writes after this returns.
            failures = [other.exception() for other in others if not other.cancel()]
    for failure in filter(None, failures):
        raise failure


def describe_blas() -> list[dict[str, Any]]:
    """Return threadpoolctl's description of each BLAS library in this process: its version, kernel and threads."""
    return [library.info() for library in _blas_libraries()]


def _work_through(remaining: deque[Item], work: Callable[[Item, Scratch], None]) -> None:
    scratch = _own_scratch()
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for item in _taken(remaining):
                scratch.clear()
                work(item, scratch)
    except BaseException:
        # After an error or Ctrl-C no thread begins another item.
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


class OrderedQueue(Generic[Item]):
    """A queue that several threads fill with numbered items, and that passes them to ``take`` in numerical order."""

    def __init__(self, take: Callable[[Item], None]) -> None:
        self._take = take
        self._waiting: dict[int, Item] = {}
        self._next = 0
        self._lock = threading.Lock()

    def put(self, number: int, item: Item) -> None:
        """Pass on this item and those that wait for it, or keep it until its turn."""
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
    """Return a pool of threads that later calls reuse: starting them takes as long as convolving a small image."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(workers, thread_name_prefix="convcli")


# A forked child has none of its parent's threads.
at_fork(in_child=_pool.cache_clear)


@contextmanager
def _blas_on_one_thread() -> Iterator[None]:
    """Limit every BLAS library to one thread, and restore its number of threads afterwards."""
    from threadpoolctl import OpenBLASController  # type: ignore[import-untyped]

    before = [(library, library.get_num_threads()) for library in _blas_libraries()]
    for library, _ in before:
        library.set_num_threads(1)
    try:
        yield
    finally:
        # threadpoolctl lets only the thread that set OpenBLAS's limit change it, which may have been another thread.
        # Clear that rule before, and afterwards, so that the program's other threads can change the limit too.
        OpenBLASController.clear_controlling_thread(force=True)
        for library, threads in before:
            library.set_num_threads(threads)
        OpenBLASController.clear_controlling_thread(force=True)


# ``with BLAS_ON_ONE_THREAD:`` limits BLAS to one thread in the whole process.
BLAS_ON_ONE_THREAD = SharedChange(_blas_on_one_thread)


@cache
def _blas_libraries() -> list[Any]:
    """Return the controllers of the BLAS libraries in this process; finding them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]
