"""Compute on worker processes: those of a Dask cluster, or processes that are started on this machine.

Workers only compute. A task carries everything that it reads, and its only effect is its result, so that no machine
needs the files of another.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from convcli.engine.dask_workers import dask_workers
from convcli.engine.local_workers import local_workers
from convcli.engine.patience import PATIENCE, Patience
from convcli.errors import FileError, OptionError
from convcli.files.file_bytes import read_file
from convcli.files.parallel import in_order
from convcli.text import integer

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
FORMS = "tcp://HOST:PORT, local:N or file:SCHEDULER.json"
# The most worker processes that local:N starts.
MOST_WORKERS = 256
# Tasks per thread of the workers: one is computed while others travel to it and back.
TASKS_PER_THREAD = 3


class Workers(Protocol):
    """Processes that compute tasks."""

    @property
    def threads(self) -> int:
        """The number of tasks that are computed at the same time."""

    def start(self, work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
        """Start a task, and return the function that waits for its result. Several threads may call this at once."""


class Cluster:
    """The workers of a scheduler, or of this machine."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield what ``work`` returns for each item, in the items' order, with only a few items started in advance.

        Work, items and results are pickled. A ConvcliError from ``work`` is raised here. It should raise nothing else.
        Raises ClusterError if the scheduler or workers are lost, or do not answer.
        """
        for wait in in_order((self._workers.start(work, item) for item in items), self.tasks_at_once):
            yield wait()

    def call(self, work: Callable[[Item], Result], item: Item) -> Result:
        """Return what ``work`` returns for one item. Several threads may call this at once."""
        return self._workers.start(work, item)()  # type: ignore[no-any-return]

    @property
    def tasks_at_once(self) -> int:
        """The number of tasks that keep every worker busy."""
        return TASKS_PER_THREAD * max(1, self._workers.threads)


@contextmanager
def open_cluster(text: str, patience: Patience = PATIENCE) -> Iterator[Cluster]:
    """Open the cluster at ``tcp://HOST:PORT``, ``file:SCHEDULER.json`` or ``local:N``, and close it at the end.

    ``local:N`` starts N worker processes on this machine, without Dask. Empty text stands for the address in
    DASK_SCHEDULER_ADDRESS. While a Dask cluster is open, Dask logs nothing.
    Raises OptionError for other text, and ClusterError if no scheduler or no worker answers, or if a worker has another
    version of convcli.
    """
    local = _local_workers(text)
    with local_workers(local, patience) if local else dask_workers(_address(text), patience) as workers:
        yield Cluster(workers)


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
