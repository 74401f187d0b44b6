"""The connection with a Dask scheduler, in which every question has an end.

The client is asynchronous: it runs in an event loop of its own, in a thread, and each of its methods returns an
awaitable there, which can be given up.
"""

import asyncio
import concurrent.futures
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from convcli.engine.patience import Patience
from convcli.errors import ClusterError, ConvcliError, OptionError, reason_of
from convcli.extras import install_command
from convcli.files.shared_change import SharedChange

if TYPE_CHECKING:
    from distributed import Client

LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")
SILENT = logging.CRITICAL + 1
# The most seconds to wait for the end of a client and of its event loop.
_END = 5.0

# Calls a method of the client in its event loop. Any, because Dask annotates what methods return in other threads.
Question = Callable[[Any], Awaitable[Any]]


@contextmanager
def dask_connection(address: str, patience: Patience) -> Iterator["DaskConnection"]:
    """Connect with the scheduler at ``tcp://HOST:PORT``, and close the connection when the context ends.

    Meanwhile Dask logs nothing. Raises ClusterError if no scheduler answers.
    """
    _require_dask()
    if address.startswith("tls:"):
        _require_certificates(address)
    with _QUIET, _event_loop() as loop:
        client = _client(loop, address, patience)
        try:
            yield DaskConnection(loop, client, address, patience)
        finally:
            # The scheduler may be gone, or frozen.
            with suppress(OSError):
                _run_in(loop, client.close, _END)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise OptionError(f"`cluster` needs Dask: {install_command('dask')}") from None


def _require_certificates(address: str) -> None:
    """Raise OptionError unless Dask has certificates. Without them, Dask would print a traceback, after seconds."""
    from distributed.security import Security

    expected = f"`cluster` {address}: expected certificates in Dask's configuration, distributed.comm.tls"
    try:
        found = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise OptionError(f"{expected}, given those that cannot be read: {error.strerror or error}") from None
    if not found:
        raise OptionError(expected)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs off stderr: errors are raised here, in one line."""
    import dask

    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        # Tasks are large, because they carry their bands, so that another worker can repeat them.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_QUIET = SharedChange(_quiet)


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread."""
    found: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = concurrent.futures.Future()

    async def run() -> None:
        done = asyncio.Event()
        found.set_result((asyncio.get_running_loop(), done))
        await done.wait()

    def run_or_report() -> None:
        try:
            asyncio.run(run())
        except OSError as error:
            if found.done():
                raise
            found.set_exception(ClusterError(f"cannot connect with a Dask scheduler: {reason_of(error)}"))

    thread = Thread(target=run_or_report, name="convcli-cluster", daemon=True)
    thread.start()
    loop, done = found.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(_END)


def _run_in(loop: asyncio.AbstractEventLoop, question: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """Return the answer to a question that is asked in the event loop. Raises TimeoutError if it takes longer."""

    async def answer() -> Any:
        async with asyncio.timeout(seconds):
            return await question()

    return asyncio.run_coroutine_threadsafe(answer(), loop).result()


def _client(loop: asyncio.AbstractEventLoop, address: str, patience: Patience) -> "Client":
    from distributed import Client

    async def connect() -> Client:
        client = Client(address, timeout=patience.start, asynchronous=True, set_as_default=False)
        try:
            await client
        except BaseException:
            # The client may be connected with a scheduler that does not answer.
            with suppress(OSError):
                await client.close(_END)
            raise
        return client

    try:
        client: Client = _run_in(loop, connect, patience.start)
        return client
    except TimeoutError:
        reason = f"it has not answered for {patience.start:g} seconds"
    except (OSError, ImportError, TypeError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).partition("\n")[0]
    start = "is it running? start one with: dask scheduler"
    raise ClusterError(f"cannot reach a Dask scheduler at {address}: {reason}; {start}")


class DaskConnection:
    """A connection with a scheduler. Several threads may use it at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: "Client", address: str, patience: Patience) -> None:
        self._loop, self._client = loop, client
        self.address, self.patience = address, patience

    def ask(self, question: Question) -> Any:
        """Return the scheduler's answer. Raises ClusterError if it does not answer."""
        try:
            return self.ask_for(self.patience.answer, question)
        except TimeoutError:
            silence = f"has not answered for {self.patience.answer:g} seconds"
            raise ClusterError(f"the scheduler at {self.address} {silence}: see its log, and run this again") from None

    def ask_for(self, seconds: float, question: Question) -> Any:
        """Return the answer to a question that others than the scheduler may hold up. Raises TimeoutError."""
        with self.lost_scheduler():
            return _run_in(self._loop, lambda: self._asked(question), seconds)

    def begin(self, question: Question) -> "concurrent.futures.Future[Any]":
        """Ask a question that may take any time."""
        return asyncio.run_coroutine_threadsafe(self._asked(question), self._loop)

    async def _asked(self, question: Question) -> Any:
        # After the connection is lost, the client tries to connect again, but has forgotten its tasks.
        if self._client.status != "running":
            raise ConnectionError
        return await question(self._client)

    @contextmanager
    def lost_scheduler(self) -> Iterator[None]:
        """Raise ClusterError instead of what Dask raises when the connection is lost."""
        try:
            yield
        except (ConvcliError, TimeoutError):
            raise
        except (OSError, asyncio.CancelledError, concurrent.futures.CancelledError):
            raise ClusterError(f"lost the scheduler at {self.address}: see its log, and run this again") from None
