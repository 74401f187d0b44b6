"""Changes to the whole process that several threads may need at the same time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any


class SharedChange:
    """A change that lasts while any thread is within: the first to enter makes it, the last to leave undoes it.

    If each thread made and undid the change itself, one could restore what another had changed.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._threads_within = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._threads_within == 0:
                self._undo.enter_context(self._change())
            self._threads_within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads_within -= 1
            if self._threads_within == 0:
                self._undo.close()
