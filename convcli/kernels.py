"""What a kernel is: weights, and the little that travels with them."""

from dataclasses import dataclass

from convcli.arrays import FloatArray

@dataclass(frozen=True)
class Kernel:
    """A named kernel.

    weights: float64, ``(kh, kw)`` or ``(C_out, C_in/groups, kh, kw)``.
    bias: float64, ``()`` for a 2-D kernel, else ``(C_out,)``; None is no bias.
    factors: for a preset of low rank, pairs ``(u, v)`` of a column ``(kh,)`` and a row ``(kw,)`` with
    ``weights == sum of outer(u, v)``; empty where no structure is known.
    """

    name: str
    weights: FloatArray
    bias: FloatArray | None = None
    groups: int = 1
    factors: tuple[tuple[FloatArray, FloatArray], ...] = ()
