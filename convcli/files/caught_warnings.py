"""What picture libraries warn of, caught for the picture that it is about, with several decoded at once."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

# Whose warnings are about the picture at hand.
LIBRARIES = r"PIL\.|tifffile|imagecodecs"


class _Catcher:
    """Python's warnings have one hook and one list of filters for all threads: they are changed by the first thread
    that catches, and put back by the last. What other threads warn of meanwhile goes where it would have gone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catching = 0
        self._own = threading.local()

    @contextmanager
    def caught(self) -> Iterator[list[str]]:
        """Within, the list gets what is warned of in this thread, each in one line; what is within another's, not."""
        with self._lock:
            if self._catching == 0:
                self._change()
            self._catching += 1
        around, messages = getattr(self._own, "messages", None), list[str]()
        self._own.messages = messages
        try:
            yield messages
        finally:
            self._own.messages = around
            with self._lock:
                self._catching -= 1
                if self._catching == 0:
                    self._changes.__exit__(None, None, None)

    def _change(self) -> None:
        self._changes = warnings.catch_warnings()
        self._changes.__enter__()
        self._show_others = warnings.showwarning
        warnings.showwarning = self._show
        for category in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("always", category=category, module=LIBRARIES)
        # Pillow warns of half of what it refuses.
        warnings.filterwarnings("ignore", "Image size .* exceeds limit", RuntimeWarning, LIBRARIES)

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not self.take(str(message)):
            self._show_others(message, category, filename, lineno, file, line)

    def take(self, message: str) -> bool:
        """Whether this thread catches."""
        messages: list[str] | None = getattr(self._own, "messages", None)
        if messages is not None:
            messages.append(" ".join(message.split()))
        return messages is not None


_CATCHER = _Catcher()
caught_warnings = _CATCHER.caught


class _LogCatcher(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _CATCHER.take(record.getMessage())


_LOG_CATCHER = _LogCatcher(logging.WARNING)


for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(_LOG_CATCHER)
