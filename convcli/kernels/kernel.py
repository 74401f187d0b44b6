"""What a kernel is: weights, and the little that travels with them."""

from typing import NamedTuple

from convcli.arrays import FloatArray
from convcli.errors import KernelError
from convcli.geometry.options import KERNEL_RANKS, RANKS_IN_WORDS


class Kernel(NamedTuple):
    """A named kernel.

    weights: float64, of a rank in ``convcli.geometry.options.KERNEL_RANKS``.
    bias: float64, ``()`` for a 2-D kernel, else ``(C_out,)`` or untied ``(C_out, OH, OW)``; None is no bias.
    factors: for a preset of low rank, pairs ``(u, v)`` of a column ``(kh,)`` and a row ``(kw,)`` with
    ``weights == sum of outer(u, v)``; empty where no structure is known.
    """

    name: str
    weights: FloatArray
    bias: FloatArray | None = None
    groups: int = 1
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()


def require_kernel_shape(shape: tuple[int, ...]) -> None:
    """Raise KernelError unless weights can have this shape: not empty, and of a rank in KERNEL_RANKS."""
    if 0 in shape:
        raise KernelError(f"expected at least one weight, given shape {shape}")
    if len(shape) not in KERNEL_RANKS:
        raise KernelError(f"expected weights of {RANKS_IN_WORDS}; given rank {len(shape)}")
