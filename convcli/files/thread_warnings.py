"""Catch the warnings of libraries while a thread reads a file, and leave all other warnings alone.

Before Python 3.14 the filters and the hook of ``warnings`` belong to the process. ``warnings.catch_warnings`` saves
and restores them, so in threads it can drop a filter that another thread has added meanwhile, or bring back one that
another thread has removed. This module saves nothing. While any thread catches, one additional filter, hook and log
handler are in place, which act only in threads that catch; afterwards exactly these are removed.
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
    """Yield a list that gets every warning of this thread as one line; of nested lists, only the inner one gets it.

    Warnings that the program's filters ignore or raise stay ignored or raised, unless they come from LIBRARIES.
    """
    outer, messages = _caught(), list[str]()
    with _CATCHING:
        _THREAD.messages = messages
        try:
            yield messages
        finally:
            _THREAD.messages = outer


@contextmanager
def drop_thread_warnings(library: str, text: str) -> Iterator[None]:
    """Drop each warning of this thread that contains a text, and log the others as the library's."""
    with catch_thread_warnings() as messages:
        yield
    for message in messages:
        if text not in message:
            logging.getLogger(library).warning(message)


def _caught() -> list[str] | None:
    """Return the list that gets this thread's warnings; None if the thread does not catch."""
    messages: list[str] | None = getattr(_THREAD, "messages", None)
    return messages


def _catch(message: str) -> bool:
    """Add a warning to this thread's list, if it catches; return whether it does."""
    messages = _caught()
    if messages is None:
        return False
    messages.append(" ".join(message.split()))
    return True


class _InCatchingThreads(type):
    """The metaclass of ``_Caught``, which makes it a base class of the caught categories in threads that catch."""

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
        # If a catch_warnings elsewhere restored older filters, this one is missing, or is in the list more than once.
        for entry in [entry for entry in warnings.filters if entry[2] is _Caught]:
            warnings.filters.remove(entry)  # type: ignore[attr-defined]


class _Hook:
    """The hook in place of ``warnings.showwarning``: it passes on the warnings of threads that do not catch."""

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
    """A handler that catches the log records of threads that catch, and changes nothing for other threads."""

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
