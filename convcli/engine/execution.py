"""How a convolution is executed: the algorithm, the threads, the memory, and a cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcli.engine.algorithms import CONVOLUTIONS
from convcli.engine.interface import Estimate
from convcli.engine.limits import LIMITS, Limits
from convcli.engine.threads import available_threads
from convcli.errors import OptionError
from convcli.text import choice

if TYPE_CHECKING:
    from convcli.engine.cluster import Cluster

AUTO = "auto"
# Bytes of workspace per thread, by default.
MEMORY = 16 << 20


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
        Bytes of workspace per thread, besides input and output.
    cluster
        The cluster whose workers compute the tiles, each on one thread. The results have the same bits as without one.
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
    memory: int = MEMORY
    cluster: "Cluster | None" = None
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        choice("algorithm", self.algorithm, (AUTO, *CONVOLUTIONS))
        for name, count in (("threads", self.threads), ("memory", self.memory)):
            if count is not None and (not isinstance(count, int) or count < 1):
                raise OptionError(f"expected an integer of at least 1, given {count!r}", option=name)

    def threads_for(self, estimate: Estimate) -> int:
        """Return the number of threads for the estimated work: one if starting more would take longer."""
        worth = estimate.seconds > self.limits.threads
        return (self.threads or available_threads()) if worth else 1


AUTOMATIC = Execution()
