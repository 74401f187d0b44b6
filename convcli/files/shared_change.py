"""Changes to the whole process that several threads may need at the same time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class SharedChange:
    """A change that lasts while any thread is within: the first to enter makes it, the last to leave undoes it.

    If each thread made and undid the change itself, one could restore what another had changed.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._threads_within = 0
        self._made: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._threads_within == 0:
                self._made = self._change()
                self._made.__enter__()
            self._threads_within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads_within -= 1
            if self._threads_within == 0 and self._made is not None:
                self._made.__exit__(None, None, None)
