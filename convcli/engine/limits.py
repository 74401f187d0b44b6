"""Sizes from which something pays."""

from typing import NamedTuple

from convcli.engine.costs import CACHE


class Limits(NamedTuple):
    """Sizes from which something pays. Tests use others, so that small arrays reach what takes large ones.

    transform_taps: the fewest taps for Fourier transforms; smaller kernels are quicker by products, and exact.
    transform_channels: the fewest channels per group for Winograd transforms; fewer make the products too small.
    threads: the fewest seconds of work for several threads; waking them takes longer than to compute less.
    window: the most bytes of a window whose taps are computed together; taps of larger windows are computed one by one.
    band: the most bytes of input and output in a band, which a cluster's worker gets and returns. Workers wait longer
    for larger bands; smaller ones take longer to send than to compute.
    """

    transform_taps: int = 25
    transform_channels: int = 16
    threads: float = 2e-4
    window: int = CACHE
    band: int = 8 << 20


LIMITS = Limits()
