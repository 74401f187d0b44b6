"""Kernels: weights with a name, a bias and groups."""

from typing import NamedTuple

from convcli.arrays import FloatArray
from convcli.errors import KernelError
from convcli.geometry.options import KERNEL_RANKS, RANKS_IN_WORDS


class Kernel(NamedTuple):
    """A named kernel.

    Attributes
    ----------
    name
        The name for messages and for names of files.
    weights
        float64: ``(kh, kw)``, ``(C_out, C_in/groups, kh, kw)`` or ``(C_out, tr, tc, C_in/groups, kh, kw)``.
    bias
        float64: ``()`` for a 2-D kernel, otherwise ``(C_out,)`` or untied ``(C_out, OH, OW)``; None for no bias.
    groups
        The number of groups.
    factors
        For a preset of low rank, pairs ``(u, v)`` of a column ``(kh,)`` and a row ``(kw,)`` with
        ``weights == sum of outer(u, v)``; empty otherwise.
    """

    name: str
    weights: FloatArray
    bias: FloatArray | None = None
    groups: int = 1
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()


def require_kernel_shape(shape: tuple[int, ...]) -> None:
    """Raise KernelError unless weights may have this shape: not empty, and of a rank in KERNEL_RANKS."""
    if 0 in shape:
        raise KernelError(f"expected at least one weight, given shape {shape}")
    if len(shape) not in KERNEL_RANKS:
        raise KernelError(f"expected weights of {RANKS_IN_WORDS}; given rank {len(shape)}")
