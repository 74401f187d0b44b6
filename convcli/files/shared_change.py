"""Change the state of the process for several threads at the same time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from convcli.files.forks import at_fork


class SharedChange:
    """A change that lasts while any thread is inside: the first to enter makes it, the last to leave undoes it.

    If each thread made and undid the change itself, one thread could restore the state that another had changed.
    A fork waits until no thread is making or undoing the change. In the child, which has no other thread, the change
    lasts while the thread that forked is inside.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[Any]]) -> None:
        self._change = change
        # A handler of a signal may fork while its own thread holds the lock.
        self._lock = threading.RLock()
        # The thread of each entry.
        self._inside: list[int] = []
        self._in_force: AbstractContextManager[Any] | None = None
        at_fork(before=lambda: self._lock.acquire(), in_parent=lambda: self._lock.release(), in_child=self._renew)

    def __enter__(self) -> None:
        with self._lock:
            if self._in_force is None:
                change = self._change()
                change.__enter__()
                self._in_force = change
            self._inside.append(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        with self._lock:
            own = threading.get_ident()
            # A generator that nobody finishes leaves in the thread that collects garbage.
            self._inside.remove(own if own in self._inside else self._inside[0])
            self._undo_after_the_last()

    def _undo_after_the_last(self) -> None:
        if self._in_force is not None and not self._inside:
            undone, self._in_force = self._in_force, None
            undone.__exit__(None, None, None)

    def _renew(self) -> None:
        """Forget the lock and the threads that a forked child does not have."""
        self._lock = threading.RLock()
        own = threading.get_ident()
        self._inside = [thread for thread in self._inside if thread == own]
        self._undo_after_the_last()
