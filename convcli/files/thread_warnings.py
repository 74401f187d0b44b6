"""Catch what libraries warn of while a thread reads a file, and leave all other warnings alone.

Before Python 3.14 the filters and the hook of ``warnings`` belong to the process. ``warnings.catch_warnings`` saves
them and restores them later, so in threads it can drop what another thread has set meanwhile, or bring back what
another thread has removed. Nothing is saved here: while any thread catches, one more filter, one more hook and one more
log handler are in place, which act only in threads that catch, and afterwards exactly these are removed.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from convcli.files.shared_change import SharedChange

# The libraries that warn about the file being read.
LIBRARIES = ("PIL", "tifffile", "imagecodecs")

_MODULES = "|".join(rf"{name}(\.|$)" for name in LIBRARIES)
_THREAD = threading.local()


@contextmanager
def catch_thread_warnings() -> Iterator[list[str]]:
    """Yield a list to which every warning of this thread is added as one line; within another catch, only to the inner.

    Warnings that the program's filters ignore or raise stay ignored or raised, unless they are of LIBRARIES.
    """
    outer, messages = _caught(), list[str]()
    with _CATCHING:
        _THREAD.messages = messages
        try:
            yield messages
        finally:
            _THREAD.messages = outer


def _caught() -> list[str] | None:
    """Return the list that this thread's warnings go to, None if it does not catch."""
    messages: list[str] | None = getattr(_THREAD, "messages", None)
    return messages


def _catch(message: str) -> bool:
    """Take a warning if this thread catches; return whether it was taken."""
    messages = _caught()
    if messages is None:
        return False
    messages.append(" ".join(message.split()))
    return True


class _InCatchingThreads(type):
    """Makes ``issubclass(category, _Caught)`` true in threads that catch, for the categories that are caught."""

    def __subclasscheck__(cls, category: type) -> bool:
        return _caught() is not None and issubclass(category, (UserWarning, RuntimeWarning))


class _Caught(Warning, metaclass=_InCatchingThreads):
    """The category of the filter that shows warnings of LIBRARIES in threads that catch, and nothing in others."""


@contextmanager
def _filter_in_place() -> Iterator[None]:
    warnings.filterwarnings("always", category=_Caught, module=_MODULES)
    try:
        yield
    finally:
        # Where somebody's catch_warnings has restored older filters, ours is gone already, or is there more than once.
        for entry in [each for each in warnings.filters if each[2] is _Caught]:
            warnings.filters.remove(entry)  # type: ignore[attr-defined]


class _Hook:
    """Stands in for ``warnings.showwarning``; passes the warnings of threads that do not catch to what it replaced."""

    def __init__(self, replaced: Callable[..., Any]) -> None:
        self._replaced = replaced

    def __call__(self, message: Warning | str, *rest: Any, **named: Any) -> None:
        if not _catch(str(message)):
            self._replaced(message, *rest, **named)


@contextmanager
def _hook_in_place() -> Iterator[None]:
    replaced = warnings.showwarning
    hook = warnings.showwarning = _Hook(replaced)
    try:
        yield
    finally:
        if warnings.showwarning is hook:
            warnings.showwarning = replaced


class _LogHandler(logging.Handler):
    """Takes records of threads that catch; others go where they go without this handler."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _catch(record.getMessage()) and logging.lastResort and not logging.root.handlers:
            logging.lastResort.handle(record)


@contextmanager
def _log_handler_in_place() -> Iterator[None]:
    handler = _LogHandler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@contextmanager
def _catching() -> Iterator[None]:
    with _filter_in_place(), _hook_in_place(), _log_handler_in_place():
        yield


_CATCHING = SharedChange(_catching)
