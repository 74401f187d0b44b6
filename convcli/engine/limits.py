"""The sizes from which transforms, threads and bands are worth their overhead."""

from typing import NamedTuple

from convcli.engine.costs import CACHE


class Limits(NamedTuple):
    """The sizes from which a method is worth its overhead. Tests use smaller ones, so that small arrays need it too.

    transform_taps: the fewest taps for Fourier transforms; for smaller kernels, matrix products are faster, and exact.
    transform_channels: the fewest channels per group for Winograd transforms; with fewer, its products are too small.
    threads: the fewest seconds of work for several threads; for less work, waking the threads takes longer.
    window: the most bytes of a window whose taps are computed together; taps of larger windows are computed one by one.
    band: the most bytes of a band, counting the input and weights that a worker gets and the output that it returns.
    Workers wait longer for larger bands; smaller ones take longer to send than to compute.
    long: the fewest seconds of one thread from which a plan is compared with some that take more memory, or compute the
    kernel in parts.  part: the fewest taps of a part's rows and columns.
    compiled: whether ``auto`` may choose compiled loops.  inputs: the number of inputs of a command, which share the
    start of such loops; 0 in a program that calls functions, where the start depends on what it has loaded.
    """

    transform_taps: int = 25
    transform_channels: int = 16
    threads: float = 2e-4
    window: int = CACHE
    band: int = 8 << 20
    long: float = 1.0
    part: int = 32
    compiled: bool = True
    inputs: int = 0


LIMITS = Limits()
