"""Stop the program on Ctrl-C, SIGTERM and SIGHUP, and if a mapped file becomes shorter."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from convcli.cli.tracebacks import wants_tracebacks
from convcli.errors import as_convcli_error

# Windows has no SIGHUP.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(BaseException):
    """Raised in the main thread when a signal asks the program to stop.

    It is not a KeyboardInterrupt, because some libraries catch that.

    number: the signal's number.  at_once: whether it is the second signal, so that the program waits for nothing.
    """

    def __init__(self, number: int, *, at_once: bool = False) -> None:
        super().__init__(number)
        self.number, self.at_once = number, at_once


class Stop(Event):
    """An event that is set when no more work may begin; ``number`` is the signal that set it, if one did."""

    number: int | None = None


def raise_on_signals() -> None:
    """Make signals raise Stopped, except those that are ignored, as under nohup or in a script's background."""
    _on_signals(_stop)
    report = sys.unraisablehook

    def leave_or_report(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, Stopped):
            os._exit(128 + unraisable.exc_value.number)
        if "in thread started by" in (unraisable.err_msg or ""):
            _leave("cannot start a thread: not enough memory: use smaller `jobs` and `threads`")
        if wants_tracebacks() or not isinstance(unraisable.exc_value, Exception):
            report(unraisable)
        else:
            from convcli.cli.messages import message_of, say

            say("warning", message_of(as_convcli_error(unraisable.exc_value)))

    # While Python deletes an object, or joins threads at exit, it cannot raise Stopped: it would report it, and go on.
    # For a thread that had no memory to begin it would wait for ever.
    sys.unraisablehook = leave_or_report


@contextmanager
def finishing_work() -> Iterator[Stop]:
    """Yield an event. Within this context, the first signal only sets the event, and a second one raises Stopped."""
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


# Callbacks of ctypes, which must not be deleted while the system may call them.
_KEPT: list[object] = []


def explain_lost_pages() -> None:
    """Make the program print an error and exit with code 1 when a mapped file becomes shorter while it is read.

    The pages beyond its new end do not exist any more, and reading them raises SIGBUS. A handler set by Python's signal
    module would never run, because the failing instruction is repeated before Python runs handlers. The system calls
    this one directly, and it does not return.
    """
    if not hasattr(signal, "SIGBUS"):
        return
    import ctypes

    def leave(number: int) -> None:
        _leave("a mapped input (.npy or TIFF) became shorter while it was read: run again on a copy")

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(leave)
    _KEPT.append(handler)
    set_handler = ctypes.CDLL(None).signal
    set_handler.argtypes = (ctypes.c_int, ctypes.c_void_p)
    set_handler(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    _on_signals(_stop_at_once)
    raise Stopped(number)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    raise Stopped(number, at_once=True)


def _leave(message: str) -> None:
    """Print an error, and end the process without waiting for anything."""
    try:
        from convcli.cli.messages import say

        say("error", message)
    finally:
        os._exit(1)
