"""Work on the machines of a Dask cluster.

Workers only compute. A task carries all that it reads, and what it returns is all that it does: one that is lost with
its worker is done again by another, and no machine needs another's files.
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
from typing import TYPE_CHECKING, Any, TypeVar

from convcli.engine.ordered import in_order
from convcli.errors import ClusterError, ConvcliError, FileError, OptionError
from convcli.files.file_bytes import read_file
from convcli.text import integer
from convcli.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
FORMS = "tcp://HOST:PORT, local:N or file:SCHEDULER.json"
# That local:N starts.
MOST_WORKERS = 256
# Seconds for a scheduler to answer, and for a first worker to come.
PATIENCE = 5
# Seconds without workers after which no more are waited for.
WITHOUT_WORKERS = 20
# Seconds for a scheduler that did answer to do so again.
WITHOUT_ANSWER = 20
# Tasks for each thread: one at work, and others on their way to it and back.
TASKS_OF_A_THREAD = 3


class Cluster:
    """The workers of a scheduler."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client, self._address = client, address

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``work`` of each item, in their order; few items more are taken than results are given.

        Work, items and results are pickled. A ConvcliError, as all that work should raise, is raised here.
        Raises ClusterError where the scheduler is lost, or one worker after the other.
        """
        for future in in_order((self._start(work, item) for item in items), self.tasks_at_once):
            yield self._result(future)

    def call(self, work: Callable[[Item], Result], item: Item) -> Result:
        """``work`` of one item, as ``map`` does it. May be called by several threads."""
        (result,) = self.map(work, [item])
        return result

    def _start(self, work: Callable[[Item], Any], item: Item) -> "Future[Any]":
        # Pickled here, because Dask would search the item for tasks of its own.
        return self._client.submit(_run, pickle.dumps((work, item), pickle.HIGHEST_PROTOCOL), pure=False)

    @property
    def tasks_at_once(self) -> int:
        """As many as keep every worker busy."""
        return TASKS_OF_A_THREAD * max(1, self._threads())

    def _threads(self) -> int:
        try:
            with self._lost_scheduler():
                # Called by itself it waits for ever.
                found = self._client.sync(self._client.nthreads, callback_timeout=WITHOUT_ANSWER)
        except TimeoutError:
            raise ClusterError(
                f"the scheduler at {self._address} has not answered for {WITHOUT_ANSWER} seconds: see its log, "
                "and run this again"
            ) from None
        return sum(found.values())

    def _result(self, future: "Future[Any]") -> Any:
        """What it comes to, waited for as long as there is somebody to compute it."""
        from distributed import KilledWorker

        while True:
            try:
                with self._lost_scheduler():
                    return future.result(timeout=WITHOUT_WORKERS)
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
def open_cluster(words: str) -> Iterator[Cluster]:
    """The cluster that ``tcp://HOST:PORT``, ``file:SCHEDULER.json`` or ``local:N`` stand for, closed in the end.

    ``local:N`` starts N worker processes on this machine. No words: the address in DASK_SCHEDULER_ADDRESS.
    Raises OptionError for other words, and ClusterError where no scheduler or no worker answers, or where one has
    another version of convcli.
    """
    local = _local_workers(words)
    address = "" if local else _address(words)
    _quieten()
    with _local_cluster(local) if local else _client(address) as client:
        _require_workers(client, address)
        yield Cluster(client, words or address)


def _local_workers(words: str) -> int:
    """How many ``local:N`` starts; 0 for other words."""
    if not words.startswith("local:"):
        return 0
    try:
        count = integer(words.removeprefix("local:"))
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_WORKERS:
        raise OptionError(f"expected local:N with N from 1 to {MOST_WORKERS}, given {words!r}", option="cluster")
    return count


def _address(words: str) -> str:
    """The scheduler's own address, ``tcp://HOST:PORT``."""
    if words.startswith("file:"):
        return _address_in(words.removeprefix("file:"))
    named = words or os.environ.get(ADDRESS_VARIABLE, "")
    if not named:
        raise OptionError(
            f"expected {FORMS}, or such an address in {ADDRESS_VARIABLE}, which is not set", option="cluster"
        )
    if not re.fullmatch(r"((tcp|tls)://)?(\[[\da-fA-F:.]+\]|[^\s:/\[\]]+):[1-9]\d*", named):
        source = "" if words else f" in {ADDRESS_VARIABLE}"
        raise OptionError(f"expected {FORMS}, given {named!r}{source}", option="cluster")
    return named


def _address_in(name: str) -> str:
    """The address in a file that ``dask scheduler --scheduler-file`` writes."""
    try:
        return str(json.loads(read_file(name))["address"])
    except (ValueError, TypeError, KeyError, RecursionError):
        expected = "expected what dask scheduler --scheduler-file writes, JSON with an address"
        raise FileError(f"{name}: {expected}") from None


def _quieten() -> None:
    """Import Dask, and keep what it logs off stderr: what goes wrong is raised here, in one line."""
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError:
        raise OptionError("`cluster` needs Dask: pip install 'convcli[dask]'") from None
    for name in ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Tasks carry their bands, so that they outlive the worker that had them.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})


@contextmanager
def _local_cluster(workers: int) -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    with _deaf_to_signals(), _starting(workers):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Dask's own port may be taken, and would be open to others.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL + 1,
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
    """Processes that are started within do not get what a terminal sends to all of them: they are ours to stop.

    A signal that comes meanwhile waits for us.
    """
    # Where multiprocessing starts it for the first of them, it unblocks signals.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _client(address: str) -> "Iterator[Client]":
    from distributed import Client

    if address.startswith("tls:"):
        _require_certificates(address)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ImportError, TypeError, RuntimeError, ValueError) as error:
        start = "is it running? start one with: dask scheduler"
        raise ClusterError(f"cannot reach a Dask scheduler at {address}: {_first_line(error)}; {start}") from None
    with client:
        yield client


def _require_certificates(address: str) -> None:
    """Raise unless Dask has them: it would take seconds to find that it has none, and print how it came to that."""
    from distributed.security import Security

    expected = f"`cluster` {address}: expected certificates in Dask's configuration, distributed.comm.tls"
    try:
        found = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise OptionError(f"{expected}, given those that cannot be read: {error.strerror or error}") from None
    if not found:
        raise OptionError(expected)


def _require_workers(client: "Client", address: str) -> None:
    """Raise unless there is a worker, and scheduler and workers have this version of convcli."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
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
