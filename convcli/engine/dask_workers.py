"""The workers of a Dask scheduler, on this machine or others.

If a worker is lost, another worker repeats its tasks. Dask's client is used asynchronously, in an event loop that runs
in a thread of its own, because that allows a time limit for every wait.
"""

import asyncio
import concurrent.futures
import logging
import pickle
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pkgutil import resolve_name
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from convcli.engine.patience import Patience
from convcli.errors import ClusterError, ConvcliError, OptionError
from convcli.files.shared_change import SharedChange
from convcli.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

Answer = TypeVar("Answer")

LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")
SILENT = logging.CRITICAL + 1
# The most seconds to wait for the end of an event loop.
_END = 5.0


@contextmanager
def dask_workers(address: str, patience: Patience) -> Iterator["DaskWorkers"]:
    """Connect with the scheduler at ``tcp://HOST:PORT``, and close the connection at the end.

    Raises ClusterError if no scheduler or no worker answers, or if a worker has another version of convcli.
    """
    _require_dask()
    if address.startswith("tls:"):
        _require_certificates(address)
    with _QUIET, _event_loop() as loop:
        client = _connected(loop, address, patience)
        workers = DaskWorkers(loop, client, address, patience)
        try:
            workers.require_version()
            yield workers
        finally:
            # The scheduler may be gone, or frozen.
            with suppress(OSError):
                _ask(loop, client.close, patience.start)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise OptionError("`cluster` needs Dask: pip install 'convcli[dask]'") from None


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

    thread = Thread(target=lambda: asyncio.run(run()), name="convcli-cluster", daemon=True)
    thread.start()
    loop, done = found.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(_END)


def _ask(loop: asyncio.AbstractEventLoop, question: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
    """Return the answer to a question that is asked in the event loop. Raises TimeoutError if it takes longer."""

    async def answer() -> Answer:
        async with asyncio.timeout(seconds):
            return await question()

    return asyncio.run_coroutine_threadsafe(answer(), loop).result()


def _connected(loop: asyncio.AbstractEventLoop, address: str, patience: Patience) -> "Client":
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
        return _ask(loop, connect, patience.start)
    except TimeoutError:
        reason = f"it has not answered for {patience.start:g} seconds"
    except (OSError, ImportError, TypeError, RuntimeError, ValueError) as error:
        reason = _first_line(error)
    start = "is it running? start one with: dask scheduler"
    raise ClusterError(f"cannot reach a Dask scheduler at {address}: {reason}; {start}")


class DaskWorkers:
    """The workers of a scheduler."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: "Client", address: str, patience: Patience) -> None:
        self._loop, self._client, self._address, self._patience = loop, client, address, patience

    @property
    def threads(self) -> int:
        """The number of tasks that are computed at the same time."""
        return sum(self._ask(self._client.nthreads).values())

    def start(self, work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
        """Start a task, and return the function that waits for its result."""
        # Pickle here, because Dask would search the item for its own tasks.
        task = pickle.dumps((work, item), pickle.HIGHEST_PROTOCOL)
        with self._lost_scheduler():
            return partial(self._result, self._client.submit(_run, task, pure=False))

    def _result(self, future: "Future[Any]") -> Any:
        """Return the result, and wait for it as long as the worker that computes or holds it gives signs of life."""
        from distributed import KilledWorker

        result = asyncio.run_coroutine_threadsafe(_result_of(future), self._loop)
        signs: dict[str, float] = {}
        try:
            while True:
                try:
                    with self._lost_scheduler():
                        return result.result(self._patience.answer)
                except TimeoutError:
                    signs = self._require_signs(future, signs)
        except KilledWorker as error:
            raise ClusterError(
                f"{error.allowed_failures + 1} workers of {self._address} died of the same task, the last at "
                f"{error.last_worker.address}: their logs say why; give them more memory, or use a smaller `memory`"
            ) from None
        finally:
            result.cancel()

    def _require_signs(self, future: "Future[Any]", before: dict[str, float]) -> dict[str, float]:
        """Return each worker's last sign of life; raise ClusterError if the task waits for workers that gave none."""
        now = self._signs()
        if not now:
            raise ClusterError(f"{self._address} has no workers left: {self._how_to_start}")
        computing, holding = self._ask(self._client.processing), self._ask(partial(self._client.who_has, [future]))
        its_own = {worker for worker, keys in computing.items() if future.key in keys}.union(*holding.values())
        concerned = its_own or set(now)
        if concerned <= _silent(before, now):
            raise self._frozen(concerned)
        return now

    def require_version(self) -> None:
        """Raise ClusterError unless there is a worker, and all workers have this version of convcli."""
        self._await_worker()
        before = self._signs()
        asked = partial(self._client.run, resolve_name, "convcli:__version__", on_error="return")
        try:
            with self._lost_scheduler():
                found = _ask(self._loop, asked, self._patience.answer)
        except TimeoutError:
            raise self._frozen(_silent(before, self._signs()) or before.keys()) from None
        for worker, version in found.items():
            if isinstance(version, Exception):
                raise ClusterError(f"the worker {worker} cannot import convcli ({version}): install {__version__}")
            if version != __version__:
                raise ClusterError(
                    f"the worker {worker} has convcli {version}, but this is {__version__}: install {__version__} there"
                )

    def _await_worker(self) -> None:
        try:
            with self._lost_scheduler():
                # In its event loop, every method of the client returns an awaitable.
                wait: Any = partial(self._client.wait_for_workers, 1)
                _ask(self._loop, wait, self._patience.start)
        except TimeoutError:
            if not self._signs():
                raise ClusterError(f"{self._address} has no workers: {self._how_to_start}") from None

    @property
    def _how_to_start(self) -> str:
        return f"start one with: dask worker {self._address}"

    def _signs(self) -> dict[str, float]:
        """Return the time of each worker's last sign of life, by the scheduler's clock."""
        scheduler: Any = self._client.scheduler
        found = self._ask(partial(scheduler.identity, n_workers=-1))
        return {worker: each["last_seen"] for worker, each in found["workers"].items()}

    def _frozen(self, workers: Collection[str]) -> ClusterError:
        first, *others = sorted(workers)
        named = f"the worker {first} has" if not others else f"{len(workers)} workers, among them {first}, have"
        seconds = f"{self._patience.answer:g} seconds"
        return ClusterError(f"{named} not answered for {seconds}: resume or end what is frozen, and run this again")

    def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """Return the scheduler's answer."""
        try:
            with self._lost_scheduler():
                return _ask(self._loop, question, self._patience.answer)
        except TimeoutError:
            silence = f"has not answered for {self._patience.answer:g} seconds"
            raise ClusterError(f"the scheduler at {self._address} {silence}: see its log, and run this again") from None

    @contextmanager
    def _lost_scheduler(self) -> Iterator[None]:
        try:
            yield
        except (ConvcliError, TimeoutError):
            raise
        except (OSError, asyncio.CancelledError, concurrent.futures.CancelledError):
            raise ClusterError(f"lost the scheduler at {self._address}: see its log, and run this again") from None


async def _result_of(future: "Future[Any]") -> Any:
    return await future


def _run(task: bytes) -> Any:
    work, item = pickle.loads(task)
    return work(item)


def _silent(before: dict[str, float], now: dict[str, float]) -> set[str]:
    """Return the workers that have given no sign of life between two times."""
    return {worker for worker, sign in now.items() if before.get(worker) == sign}


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
