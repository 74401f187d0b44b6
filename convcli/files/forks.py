"""Renew in a forked child what it cannot use as it is.

``os.fork`` copies the memory of all threads, but of the threads only the one that forks: in the child, nobody releases
the locks that others held, and nobody does the work that was left to them.
"""

import os
from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import TypeVar

Hook = Callable[[], object]
T = TypeVar("T")


def at_fork(*, in_child: Hook, before: Hook = bool, in_parent: Hook = bool) -> None:
    """Call these functions from now on: before each fork, and then in the parent and in the child."""
    # Windows has no fork.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def renewing_locks(cls: type[T]) -> type[T]:
    """Renew in a forked child the locks of the class's cached properties, which only Python 3.11 has."""

    def renew() -> None:
        for each in vars(cls).values():
            if isinstance(each, cached_property):
                each.lock = RLock()  # type: ignore[attr-defined]

    at_fork(in_child=renew)
    return cls
