"""Change the state of the process for several threads at the same time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class SharedChange:
    """A change that lasts while any thread is inside: the first to enter makes it, the last to leave undoes it.

    If each thread made and undid the change itself, one thread could restore the state that another had changed.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._threads_inside = 0
        self._in_force: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._threads_inside == 0:
                self._in_force = self._change()
                self._in_force.__enter__()
            self._threads_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads_inside -= 1
            if self._threads_inside == 0 and self._in_force is not None:
                self._in_force.__exit__(None, None, None)
