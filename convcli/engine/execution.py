"""How a convolution is executed: the algorithm, the threads, the memory, and a cluster."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from convcli.engine.algorithms import CONVOLUTIONS
from convcli.engine.interface import Estimate
from convcli.engine.limits import LIMITS, Limits
from convcli.errors import OptionError
from convcli.files.parallel import available_threads
from convcli.text import choice, quoted

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster

AUTO = "auto"
# Bytes of workspace per thread, by default; and the most where more saves much time, per thread and for all threads.
MEMORY = 16 << 20
MOST_MEMORY = 256 << 20
MOST_TOGETHER = 1 << 30


class Watch(Protocol):
    """An observer that is told how far the work is, in estimated seconds. Several threads may call it at once."""

    def begin(self, seconds: float) -> None:
        """Learn that work begins, which is estimated to take so many seconds."""

    def advance(self, seconds: float) -> None:
        """Learn that a tile is finished, which was estimated to take so many seconds."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a convolution is executed.

    Parameters
    ----------
    algorithm
        ``auto`` for the fastest, or a name in ``convcli.engine.CONVOLUTIONS``.
    threads
        Number of threads; by default one per processor.
    memory
        Bytes of workspace per thread, besides input and output. By default 16 MB, and up to 256 MB (1 GB for all
        threads) where that saves more than a second. With another limit the algorithm may be another, which rounds
        differently.
    cluster
        The cluster whose workers compute the tiles, each on one thread. The results have the same bits as without one.
    watch
        Is told before a plan runs how long it will take, and after each tile how far it is; by default nothing is.
    limits
        The sizes from which transforms, threads and bands are used.

    Raises
    ------
    OptionError
        The algorithm is unknown, or a number is not positive.

    Examples
    --------
    >>> Execution("direct", threads=1).algorithm
    'direct'
    """

    algorithm: str = AUTO
    threads: int | None = None
    memory: int | None = None
    cluster: "Cluster | None" = None
    watch: Watch | None = None
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        choice("algorithm", self.algorithm, (AUTO, *CONVOLUTIONS))
        for name, count in (("threads", self.threads), ("memory", self.memory)):
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
                raise OptionError(f"expected an integer of at least 1, given {quoted(count)}", option=name)
        if self.cluster:
            # Workers may have loaded other code than this process, or cannot compile any.
            object.__setattr__(self, "limits", self.limits._replace(compiled=False))

    def seconds_for(self, estimate: Estimate) -> float:
        """Return the estimated seconds until all threads, or all workers of the cluster, are done."""
        return estimate.seconds / (self.cluster.tasks_at_once if self.cluster else self.threads_for(estimate))

    @property
    def share(self) -> int:
        """Bytes of workspace per thread that any plan may take."""
        return self.memory or MEMORY

    @property
    def memories(self) -> tuple[int, ...]:
        """Bytes of workspace per thread that a plan may take if it saves time."""
        return (self.memory,) if self.memory else (MEMORY, MOST_MEMORY)

    def threads_for(self, estimate: Estimate) -> int:
        """Return the number of threads that are worth starting for the estimated work, and that fit into memory."""
        if estimate.seconds <= self.limits.threads:
            return 1
        threads = self.threads or available_threads()
        return threads if estimate.workspace <= self.share else min(threads, MOST_TOGETHER // estimate.workspace)

    def announced(self, seconds: float) -> "Execution":
        """Announce work of so many seconds, and return the execution of its parts, which are not announced again."""
        if self.watch is None:
            return self
        self.watch.begin(seconds)
        return replace(self, watch=_Announced(self.watch))


class _Announced:
    """The watch of a part of work that has been announced as a whole."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def begin(self, seconds: float) -> None:
        """Say nothing."""

    def advance(self, seconds: float) -> None:
        """Say that a tile is finished."""
        self._watch.advance(seconds)


AUTOMATIC = Execution()
