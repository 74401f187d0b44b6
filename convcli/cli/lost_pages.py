"""One line where the system would end the program without a word: a mapped file that another one makes shorter.

Its pages are then gone, and reading them is SIGBUS. A handler in Python never runs, for the instruction that failed is
tried again and again before it could; one that is called in its place does not come back.
"""

import ctypes
import os
import signal

from convcli.cli.streams import say


def explain_lost_pages() -> None:
    """From now on, say what happened and leave with exit code 1; where there is no such signal, nothing happens."""
    if hasattr(signal, "SIGBUS"):
        set_handler = ctypes.CDLL(None).signal
        set_handler.argtypes = (ctypes.c_int, ctypes.c_void_p)
        set_handler(signal.SIGBUS, ctypes.cast(_HANDLER, ctypes.c_void_p))


def _leave(number: int) -> None:
    try:
        say("error", "an input that is mapped, .npy or TIFF, became shorter while it was read: run it again on a copy")
    finally:
        os._exit(1)


# The system has no hold on it.
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)(_leave)
