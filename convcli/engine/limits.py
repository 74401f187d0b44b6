"""Sizes from which something pays."""

from typing import NamedTuple

from convcli.engine.costs import CACHE


class Limits(NamedTuple):
    """Sizes from which something pays. Tests use others, so that small arrays reach what takes large ones.

    transform_taps: taps of a kernel for Fourier transforms; smaller kernels are quicker by products, and exact.
    transform_channels: channels in a group for Winograd transforms; fewer make the products too small.
    threads: seconds of work for several threads; below that, waking them takes longer than they save.
    window: bytes of one window whose taps are computed together; taps further apart are computed one by one.
    band: bytes of input and output in a band, which a cluster's worker gets and returns. Workers wait for larger bands;
    smaller ones take longer to hand out than to compute.
    """

    transform_taps: int = 25
    transform_channels: int = 16
    threads: float = 2e-4
    window: int = CACHE
    band: int = 8 << 20


LIMITS = Limits()
