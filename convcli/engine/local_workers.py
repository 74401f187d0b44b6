"""Worker processes of this machine.

Pipes alone connect them with this process, so that other users of the machine cannot reach them.
"""

import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from io import SEEK_END
from queue import SimpleQueue
from threading import Event, Thread
from typing import IO, Any

from convcli.engine.patience import Patience
from convcli.errors import ClusterError, reason_of

# The worker imports modules from the parent's folders, and none from the current folder.
_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from convcli.engine.worker import serve; serve()"
)
# The most seconds to wait for the end of a process that was killed.
_END = 5.0
# The most bytes to read of what a process wrote to stderr before it ended.
_LAST_WORDS = 4096


@contextmanager
def local_workers(count: int, patience: Patience) -> Iterator["LocalWorkers"]:
    """Start worker processes, and end them when the context ends.

    Raises ClusterError if they cannot be started.
    """
    with ExitStack() as stack:
        try:
            processes = [stack.enter_context(_process(patience)) for _ in range(count)]
        except OSError as error:
            limits = "use fewer, or raise the limits (ulimit -u, ulimit -n)"
            raise ClusterError(f"cannot start {count} worker processes: {reason_of(error)}; {limits}") from None
        stack.enter_context(_watch(processes))
        pool = stack.enter_context(ThreadPoolExecutor(count, thread_name_prefix="convcli-worker"))
        try:
            yield LocalWorkers(processes, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


class LocalWorkers:
    """Worker processes, and a thread for each of them, which waits for its result."""

    def __init__(self, processes: Sequence["_Process"], pool: ThreadPoolExecutor) -> None:
        self.threads, self._pool = len(processes), pool
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def start(self, work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
        """Start a task, and return the function that waits for its result."""
        return self._pool.submit(self._compute, work, item).result

    def _compute(self, work: Callable[[Any], Any], item: Any) -> Any:
        process = self._idle.get()
        try:
            succeeded, result = pickle.loads(process.answer(pickle.dumps((work, item), pickle.HIGHEST_PROTOCOL)))
        finally:
            self._idle.put(process)
        if succeeded:
            return result
        raise result


@contextmanager
def _process(patience: Patience) -> Iterator["_Process"]:
    # A file for stderr, because a pipe that is not read while the process runs would fill up.
    with tempfile.TemporaryFile() as words:
        process = _Process(patience, words)
        try:
            process.introduce()
            yield process
        finally:
            process.close()


@contextmanager
def _watch(processes: Sequence["_Process"]) -> Iterator[None]:
    """Count each process's seconds without a sign of life, and end a process after too many.

    Seconds in which this process itself is stopped, for example by Ctrl-Z, are not counted.
    """
    done = Event()

    def count() -> None:
        while not done.wait(1):
            for process in processes:
                process.count()

    thread = Thread(target=count, name="convcli-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Process:
    """A worker process, as its parent sees it."""

    def __init__(self, patience: Patience, words: IO[bytes]) -> None:
        self._patience, self._words = patience, words
        self._waiting, self._silent, self._most_silent = False, 0, patience.process
        self._frozen = False
        # A group of its own gets no signals from the terminal: this process ends it.
        self._running = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            process_group=0,
        )

    def introduce(self) -> None:
        """Send the folders of this process's modules, before the first task."""
        self._send(sys.path)

    def answer(self, task: bytes) -> bytes:
        """Send a task, and return the process's answer. Raises ClusterError if the process ends or does not answer."""
        self._silent, self._waiting = 0, True
        try:
            self._send(task)
            return self._receive()
        except (OSError, EOFError, pickle.UnpicklingError):
            raise ClusterError(self._fate()) from None
        finally:
            self._waiting = False

    def _send(self, message: Any) -> None:
        stream = self._running.stdin
        assert stream
        pickle.dump(message, stream)
        stream.flush()

    def _receive(self) -> bytes:
        stream = self._running.stdout
        assert stream
        while (message := pickle.load(stream)) is None:
            self._silent, self._most_silent = 0, self._patience.answer
        answer: bytes = message
        return answer

    def count(self) -> None:
        """Count a second, and end the process if it has been silent for too long."""
        self._silent += self._waiting
        if self._silent > self._most_silent:
            self._frozen = True
            self.kill()

    def _fate(self) -> str:
        name = f"a worker process of this machine (PID {self._running.pid})"
        if self._frozen:
            return f"{name} has not answered for {self._most_silent:g} seconds, and was ended: run this again"
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(_END)
        code = self._running.returncode
        ended = f"was ended by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        return f"{name} {ended}{self._last_words()}; use fewer processes, or a smaller `memory`"

    def _last_words(self) -> str:
        self._words.seek(max(0, self._words.seek(0, SEEK_END) - _LAST_WORDS))
        lines = self._words.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return said and f" ({said})"

    def kill(self) -> None:
        """End the process now."""
        self._running.kill()
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(_END)

    def close(self) -> None:
        """End the process, and close its pipes."""
        self.kill()
        for stream in filter(None, (self._running.stdin, self._running.stdout)):
            # What the process has not read is lost on purpose.
            with suppress(OSError):
                stream.close()
