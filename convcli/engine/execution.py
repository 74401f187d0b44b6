"""How a convolution is executed: by which algorithm, on how many threads, in how much memory."""

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
# Bytes of workspace per thread.
MEMORY = 16 << 20


@dataclass(frozen=True, slots=True)
class Execution:
    """How a convolution is executed.

    algorithm: a name in CONVOLUTIONS, or AUTO for the quickest.
    threads: how many compute; None for one per processor.
    memory: bytes of workspace per thread, besides input and output.
    cluster: its workers compute the tiles, one thread each; the result is the same to the last bit.
    limits: the sizes from which something pays.
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
        """Return the number of threads that the estimated work is worth."""
        worth = estimate.seconds > self.limits.threads
        return (self.threads or available_threads()) if worth else 1


AUTOMATIC = Execution()
