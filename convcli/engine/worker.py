"""A worker process of ``local:N``, which computes what its parent sends, one task at a time.

Tasks arrive on stdin and results leave on stdout. Each is a pickle inside a pickle: an inner one that cannot be
read does not affect the next. None between the results is a sign of life.
"""

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

# Seconds between two signs of life.
BEAT = 1.0

Send = Callable[[bytes | None], None]


def serve() -> None:
    """Compute until the parent closes stdin, or is gone."""
    send = _sender()
    # Before the first task, so that the parent knows that this process has started.
    send(None)
    threading.Thread(target=_beat, args=[send], daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        while True:
            send(_result(pickle.load(sys.stdin.buffer)))


def _sender() -> Send:
    """Return the function that sends a message to the parent, for several threads."""
    stream = os.fdopen(os.dup(1), "wb")
    # What a library prints must not come between messages.
    os.dup2(2, 1)
    one_at_a_time = threading.Lock()

    def send(message: bytes | None) -> None:
        with one_at_a_time:
            pickle.dump(message, stream)
            stream.flush()

    return send


def _beat(send: Send) -> NoReturn:
    try:
        while True:
            time.sleep(BEAT)
            send(None)
    except OSError:
        # The parent is gone, so that the result is not needed.
        os._exit(1)


def _result(task: bytes) -> bytes:
    """Return the pickle of True and what the work returns, or of False and the exception that it raises."""
    try:
        work, item = pickle.loads(task)
        return pickle.dumps((True, work(item)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps((False, error))
