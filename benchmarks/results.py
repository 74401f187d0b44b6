"""The times that a race of one row found, as lines of Markdown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import geometric_mean
from typing import NamedTuple

HEADING = (
    "| row | core, ms | fast, ms | peers, ms | peer / core | peer / fast |",
    "| --- | --- | --- | --- | --- | --- |",
)


class Result(NamedTuple):
    """The seconds of each contestant of a row.

    core: convcli without compiled loops.  fast: convcli with them; None without Numba.  peers: by their names.
    """

    name: str
    core: float
    fast: float | None
    peers: dict[str, float]

    @property
    def core_ratios(self) -> list[float]:
        """How many times as long as convcli without compiled loops each peer takes."""
        return [seconds / self.core for seconds in self.peers.values()]

    @property
    def fast_ratios(self) -> list[float]:
        """How many times as long as convcli with compiled loops each peer takes; empty without Numba."""
        return [seconds / self.fast for seconds in self.peers.values()] if self.fast else []

    @property
    def line(self) -> str:
        """The row of the table."""
        peers = ", ".join(f"{name} {_milliseconds(seconds)}" for name, seconds in self.peers.items()) or "-"
        fast = _milliseconds(self.fast) if self.fast else "-"
        cells = (self.name, _milliseconds(self.core), fast, peers, _shown(self.core_ratios), _shown(self.fast_ratios))
        return f"| {' | '.join(cells)} |"


def mean_lines(results: Sequence[Result]) -> Iterator[str]:
    """Yield the rows with the geometric means of the layers' ratios, and with the least ratio of all layers."""
    layers = [result for result in results if result.name.startswith("layer")]
    outputs = [result for result in layers if result.name.endswith(" Z")]
    gradients = [result for result in layers if not result.name.endswith(" Z")]
    kinds: tuple[tuple[str, Sequence[Result], Callable[[Iterable[float]], float]], ...] = (
        ("layers, Z: geometric mean", outputs, geometric_mean),
        ("layers, dV and dK: geometric mean", gradients, geometric_mean),
        ("layers: least", layers, min),
    )
    for name, chosen, joined in kinds:
        core = [ratio for result in chosen for ratio in result.core_ratios]
        fast = [ratio for result in chosen for ratio in result.fast_ratios]
        if core:
            yield f"| {name} | - | - | - | {joined(core):.2f} | {f'{joined(fast):.2f}' if fast else '-'} |"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}" if seconds >= 1e-3 else f"{seconds * 1e3:.3f}"


def _shown(ratios: Sequence[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios) or "-"
