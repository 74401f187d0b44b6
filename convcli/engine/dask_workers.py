"""Compute on the machines of a Dask cluster.

Workers only compute. A task carries everything that it reads, and has no effect but its result: if its worker is lost,
another worker repeats it, and no machine needs the files of another.
"""

import json
import logging
import os
import pickle
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from convcli.engine.ordered import in_order
from convcli.errors import ClusterError, ConvcliError, FileError, OptionError
from convcli.files.file_bytes import read_file
from convcli.files.shared_change import SharedChange
from convcli.text import integer
from convcli.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
FORMS = "tcp://HOST:PORT, local:N or file:SCHEDULER.json"
# The most worker processes that local:N starts.
MOST_WORKERS = 256
# Tasks per thread of the workers: one is computed while others travel to it and back.
TASKS_PER_THREAD = 3
LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")
SILENT = logging.CRITICAL + 1


class Patience(NamedTuple):
    """How many seconds to wait.

    start: for a scheduler to answer, and for a first worker.  workers: for a result while there are no workers.
    answer: for a scheduler that answered before.
    """

    start: float = 5
    workers: float = 20
    answer: float = 20


PATIENCE = Patience()


class Cluster:
    """The workers of a scheduler."""

    def __init__(self, client: "Client", address: str, patience: Patience) -> None:
        self._client, self._address, self._patience = client, address, patience

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield what ``work`` returns for each item, in their order; take only a few items ahead.

        Work, items and results are pickled. A ConvcliError is raised here, and work should raise no other exception.
        Raises ClusterError if the scheduler is lost, or one worker after another.
        """
        for future in in_order((self._start(work, item) for item in items), self.tasks_at_once):
            yield self._result(future)

    def call(self, work: Callable[[Item], Result], item: Item) -> Result:
        """Return what ``work`` returns for one item. Several threads may call this at once."""
        (result,) = self.map(work, [item])
        return result

    def _start(self, work: Callable[[Item], Any], item: Item) -> "Future[Any]":
        # Pickle here, because Dask would search the item for its own tasks.
        return self._client.submit(_run, pickle.dumps((work, item), pickle.HIGHEST_PROTOCOL), pure=False)

    @property
    def tasks_at_once(self) -> int:
        """The number of tasks that keep every worker busy."""
        return TASKS_PER_THREAD * max(1, self._threads())

    def _threads(self) -> int:
        try:
            with self._lost_scheduler():
                # Without sync, nthreads has no timeout.
                found = self._client.sync(self._client.nthreads, callback_timeout=self._patience.answer)
        except TimeoutError:
            raise ClusterError(
                f"the scheduler at {self._address} has not answered for {self._patience.answer} seconds: see its log, "
                "and run this again"
            ) from None
        return sum(found.values())

    def _result(self, future: "Future[Any]") -> Any:
        """Return the result, and wait for it as long as there are workers."""
        from distributed import KilledWorker

        while True:
            try:
                with self._lost_scheduler():
                    return future.result(timeout=self._patience.workers)
            except TimeoutError:
                if not self._threads():
                    raise ClusterError(f"{self._address} has no workers left: {_how_to_start(self._address)}") from None
            except KilledWorker as error:
                raise ClusterError(
                    f"{error.allowed_failures + 1} workers of {self._address} died of the same task, the last at "
                    f"{error.last_worker.address}: their logs say why; give them more memory, or use a smaller `memory`"
                ) from None

    @contextmanager
    def _lost_scheduler(self) -> Iterator[None]:
        from distributed import CancelledError

        try:
            yield
        except (ConvcliError, TimeoutError):
            raise
        except (OSError, CancelledError):
            raise ClusterError(f"lost the scheduler at {self._address}: see its log, and run this again") from None


def _run(pickled: bytes) -> Any:
    work, item = pickle.loads(pickled)
    return work(item)


@contextmanager
def open_cluster(text: str, patience: Patience = PATIENCE) -> Iterator[Cluster]:
    """Open the cluster at ``tcp://HOST:PORT``, ``file:SCHEDULER.json`` or ``local:N``, and close it at the end.

    ``local:N`` starts N worker processes on this machine. Empty text stands for the address in DASK_SCHEDULER_ADDRESS.
    While the cluster is open, Dask logs nothing.
    Raises OptionError for other text, and ClusterError if no scheduler or no worker answers, or if a worker has another
    version of convcli.
    """
    local = _local_workers(text)
    address = "" if local else _address(text)
    _require_dask()
    with _QUIET, _local_cluster(local) if local else _client(address, patience) as client:
        _require_workers(client, address, patience)
        yield Cluster(client, text or address, patience)


def _local_workers(text: str) -> int:
    """Return the number of workers that ``local:N`` starts; 0 for other text."""
    if not text.startswith("local:"):
        return 0
    try:
        count = integer(text.removeprefix("local:"))
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_WORKERS:
        raise OptionError(f"expected local:N with N from 1 to {MOST_WORKERS}, given {text!r}", option="cluster")
    return count


def _address(text: str) -> str:
    """Return the scheduler's own address, ``tcp://HOST:PORT``."""
    if text.startswith("file:"):
        return _address_in(text.removeprefix("file:"))
    named = text or os.environ.get(ADDRESS_VARIABLE, "")
    if not named:
        raise OptionError(
            f"expected {FORMS}, or such an address in {ADDRESS_VARIABLE}, which is not set", option="cluster"
        )
    if not re.fullmatch(r"((tcp|tls)://)?(\[[\da-fA-F:.]+\]|[^\s:/\[\]]+):[1-9]\d*", named):
        source = "" if text else f" in {ADDRESS_VARIABLE}"
        raise OptionError(f"expected {FORMS}, given {named!r}{source}", option="cluster")
    return named


def _address_in(name: str) -> str:
    """Return the address in a file that ``dask scheduler --scheduler-file`` wrote."""
    try:
        return str(json.loads(read_file(name))["address"])
    except (ValueError, TypeError, KeyError, RecursionError):
        expected = "expected what dask scheduler --scheduler-file writes, JSON with an address"
        raise FileError(f"{name}: {expected}") from None


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise OptionError("`cluster` needs Dask: pip install 'convcli[dask]'") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs off stderr: errors are raised here, in one line."""
    import dask

    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        # Tasks carry their bands, so that they outlive their worker.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_QUIET = SharedChange(_quiet)


@contextmanager
def _local_cluster(workers: int) -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    with _deaf_to_signals(), _starting(workers):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Dask's default port may be taken, and other machines could reach it.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=SILENT,
            memory_limit=0,
        )
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def _starting(workers: int) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = _first_line(error).rstrip(".")
        raise ClusterError(
            f"cannot start {workers} worker processes: {reason}; use fewer, or raise the limits (ulimit -u, ulimit -n)"
        ) from None


@contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """Start processes that ignore the signals of the terminal, because this process stops them.

    A signal that arrives meanwhile is delivered to this process afterwards.
    """
    # If multiprocessing started the tracker itself, with the first process, it would unblock signals.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _client(address: str, patience: Patience) -> "Iterator[Client]":
    from distributed import Client

    if address.startswith("tls:"):
        _require_certificates(address)
    try:
        client = Client(address, timeout=patience.start, set_as_default=False)
    except (OSError, ImportError, TypeError, RuntimeError, ValueError) as error:
        start = "is it running? start one with: dask scheduler"
        raise ClusterError(f"cannot reach a Dask scheduler at {address}: {_first_line(error)}; {start}") from None
    with client:
        yield client


def _require_certificates(address: str) -> None:
    """Raise unless Dask has certificates: it would take seconds to notice, and print a traceback."""
    from distributed.security import Security

    expected = f"`cluster` {address}: expected certificates in Dask's configuration, distributed.comm.tls"
    try:
        found = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise OptionError(f"{expected}, given those that cannot be read: {error.strerror or error}") from None
    if not found:
        raise OptionError(expected)


def _require_workers(client: "Client", address: str, patience: Patience) -> None:
    """Raise unless there is a worker, and all workers have this version of convcli."""
    try:
        client.wait_for_workers(1, timeout=patience.start)
    except TimeoutError:
        raise ClusterError(f"{address} has no workers: {_how_to_start(address)}") from None
    asked = "convcli:__version__"
    for worker, version in client.run(resolve_name, asked, on_error="return").items():
        if isinstance(version, Exception):
            raise ClusterError(f"the worker {worker} cannot import convcli ({version}): install {__version__}")
        if version != __version__:
            raise ClusterError(f"the worker {worker} has convcli {version}, and this is {__version__}: install that")


def _how_to_start(address: str) -> str:
    return f"start one with: dask worker {address}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
