"""The workers of a Dask scheduler, on this machine or others.

If a worker is lost, another worker repeats its tasks.
"""

import pickle
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from convcli.engine.dask_connection import DaskConnection, dask_connection
from convcli.engine.patience import Patience
from convcli.errors import ClusterError
from convcli.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future


@contextmanager
def dask_workers(address: str, patience: Patience) -> Iterator["DaskWorkers"]:
    """Connect with the workers of the scheduler at ``tcp://HOST:PORT``, until the context ends.

    Raises ClusterError if no scheduler or no worker answers, or if a worker has another version of convcli.
    """
    with dask_connection(address, patience) as connection:
        workers = DaskWorkers(connection)
        workers.require_version()
        yield workers


class DaskWorkers:
    """The workers of a scheduler."""

    def __init__(self, connection: DaskConnection) -> None:
        self._scheduler = connection

    def require_version(self) -> None:
        """Raise ClusterError unless there is a worker, and all workers have this version of convcli."""
        self._await_worker()
        for worker, version in self._versions().items():
            if isinstance(version, Exception):
                raise ClusterError(f"the worker {worker} cannot import convcli ({version}): install {__version__}")
            if version != __version__:
                raise ClusterError(
                    f"the worker {worker} has convcli {version}, but this is {__version__}: install {__version__} there"
                )

    def _await_worker(self) -> None:
        try:
            self._scheduler.ask_for(self._scheduler.patience.start, lambda client: client.wait_for_workers(1))
        except TimeoutError:
            if not self._signs():
                raise ClusterError(f"{self._scheduler.address} has no workers: {self._how_to_start}") from None

    def _versions(self) -> dict[str, str | Exception]:
        before = self._signs()
        try:
            versions: dict[str, str | Exception] = self._scheduler.ask_for(
                self._scheduler.patience.answer,
                lambda client: client.run(resolve_name, "convcli:__version__", on_error="return"),
            )
            return versions
        except TimeoutError:
            raise self._frozen(_silent(before, self._signs()) or before.keys()) from None

    @property
    def threads(self) -> int:
        """The number of tasks that are computed at the same time."""
        return sum(self._scheduler.ask(lambda client: client.nthreads()).values())

    def start(self, work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
        """Start a task, and return the function that waits for its result."""
        # Pickle here, because Dask would search the item for its own tasks.
        task = pickle.dumps((work, item), pickle.HIGHEST_PROTOCOL)

        async def submit(client: "Client") -> "Future[Any]":
            return client.submit(_run, task, pure=False)

        return partial(self._result, self._scheduler.ask(submit))

    def _result(self, future: "Future[Any]") -> Any:
        """Return the result, and wait for it as long as the worker that computes or holds it gives signs of life."""
        from distributed import KilledWorker

        result = self._scheduler.begin(lambda client: future.result())
        signs: dict[str, float] = {}
        try:
            while True:
                try:
                    with self._scheduler.lost_scheduler():
                        return result.result(self._scheduler.patience.answer)
                except TimeoutError:
                    signs = self._require_signs(future, signs)
        except KilledWorker as error:
            raise ClusterError(
                f"{error.allowed_failures + 1} workers of {self._scheduler.address} died of the same task, the last at "
                f"{error.last_worker.address}: their logs say why; give them more memory, or use a smaller `memory`"
            ) from None
        finally:
            result.cancel()

    def _require_signs(self, future: "Future[Any]", before: dict[str, float]) -> dict[str, float]:
        """Return each worker's last sign of life; raise ClusterError if the task waits for workers that gave none."""
        now = self._signs()
        if not now:
            raise ClusterError(f"{self._scheduler.address} has no workers left: {self._how_to_start}")
        concerned = self._workers_of(future) or set(now)
        if concerned <= _silent(before, now):
            raise self._frozen(concerned)
        return now

    def _workers_of(self, future: "Future[Any]") -> set[str]:
        """Return the workers that compute a task or hold its result; none while the task waits for a worker."""
        computing = self._scheduler.ask(lambda client: client.processing())
        holding = self._scheduler.ask(lambda client: client.who_has([future]))
        return {worker for worker, keys in computing.items() if future.key in keys}.union(*holding.values())

    def _signs(self) -> dict[str, float]:
        """Return the time of each worker's last sign of life, by the scheduler's clock."""
        found = self._scheduler.ask(lambda client: client.scheduler.identity(n_workers=-1))
        return {worker: each["last_seen"] for worker, each in found["workers"].items()}

    def _frozen(self, workers: Collection[str]) -> ClusterError:
        first, *others = sorted(workers)
        named = f"the worker {first} has" if not others else f"{len(workers)} workers, among them {first}, have"
        seconds = f"{self._scheduler.patience.answer:g} seconds"
        return ClusterError(f"{named} not answered for {seconds}: resume or end what is frozen, and run this again")

    @property
    def _how_to_start(self) -> str:
        return f"start one with: dask worker {self._scheduler.address}"


def _run(task: bytes) -> Any:
    work, item = pickle.loads(task)
    return work(item)


def _silent(before: dict[str, float], now: dict[str, float]) -> set[str]:
    """Return the workers that have given no sign of life between two times."""
    return {worker for worker, sign in now.items() if before.get(worker) == sign}
