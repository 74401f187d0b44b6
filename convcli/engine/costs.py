"""What operations cost, in seconds, and the estimate that algorithms make of them.

The constants are rough rates of one core of a 2020s server (a float32 multiply or add over arrays in cache,
a float copied between them, a multiply-add inside BLAS, a NumPy call): they rank algorithms, no more.
"""

from dataclasses import dataclass

ARITHMETIC = 3.5e-10
COPY = 4e-10
PRODUCT = 2e-11
CALL = 1.5e-6


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an algorithm would take: seconds inside NumPy's loops, and how many NumPy calls."""

    seconds: float
    calls: int

    @property
    def total(self) -> float:
        """Seconds, calls included."""
        return self.seconds + self.calls * CALL
