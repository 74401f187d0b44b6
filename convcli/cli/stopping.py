"""What stops the program from outside: Ctrl-C, SIGTERM, and SIGHUP from a terminal that goes."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

# Not every system has the last.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(BaseException):
    """Raised by a signal, wherever the main thread is.

    No KeyboardInterrupt, of which libraries make what they like.
    at_once: whether it is the second, so that nothing is to be waited for.
    """

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(number)
        self.number, self.at_once = number, at_once


class Stop(Event):
    """Set where nothing more is to be begun: by a signal, whose number it then has, or for another reason."""

    number: int | None = None


def heed_signals() -> None:
    """Let signals raise Stopped; those that are ignored, as by nohup or in a script's background, stay so."""
    _on_signals(_stop)
    report = sys.unraisablehook

    def leave_or_report(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, Stopped):
            os._exit(128 + unraisable.exc_value.number)
        report(unraisable)

    # Where Python cannot raise, as while an object is deleted or threads are joined at exit, it would go on instead.
    sys.unraisablehook = leave_or_report


@contextmanager
def finishing_what_is_begun() -> Iterator[Stop]:
    """Within, the first signal only sets what is given, and a second one raises Stopped."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def set_stop(number: int, frame: FrameType | None) -> None:
        _on_signals(_stop_at_once)
        stop.number = number
        stop.set()

    _on_signals(set_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    _on_signals(_stop_at_once)
    raise Stopped(number)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    raise Stopped(number, at_once=True)
