"""Print the table of ratios, or the rows that contain a text: ``python -m benchmarks [--write] [TEXT ...]``.

``--write`` writes the whole table into docs/performance.md, and some of its rows into README.md.
"""

import sys
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from statistics import geometric_mean, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks import peers
from benchmarks.commands import command_rows
from benchmarks.race import race
from benchmarks.readme import readme_table
from benchmarks.rows import Row, rows
from benchmarks.tables import measured_on, replace_table

ROOT = Path(__file__).parent.parent
HEADING = (
    "| row | convcli, ms | peers, ms | peer / convcli | of sgemm | of copying |\n| --- | --- | --- | --- | --- | --- |"
)


class Rates(NamedTuple):
    """Rates per second, on as many threads as the contestants: float32 multiply-adds, and bytes copied."""

    products: float
    copied: float


def main(arguments: list[str]) -> None:
    """Race each row and print it as a line of Markdown."""
    write, texts = "--write" in arguments, [text for text in arguments if text != "--write"]
    found = _rates()
    head = _head(found)
    print(f"{head}\n\n{HEADING}")
    lines: list[str] = []
    gradients: list[float] = []
    with TemporaryDirectory() as folder:
        for row in chain(rows(), command_rows(folder)):
            if not texts or any(text in row.name for text in texts):
                times = race({"ours": row.ours, **row.others})
                lines.append(_line(row, times, found))
                print(lines[-1], flush=True)
                gradients += _ratios(times) if row.name.startswith("layer") and not row.name.endswith("Z") else []
    if gradients:
        lines.append(f"| layers: dV and dK, geometric mean | - | - | {geometric_mean(gradients):.2f} | - | - |")
        print(lines[-1])
    if write:
        replace_table(ROOT / "docs" / "performance.md", "benchmarks", [head, "", HEADING, *lines])
        replace_table(ROOT / "README.md", "benchmarks", readme_table([head, "", HEADING, *lines]))


def _head(found: Rates) -> str:
    return (
        f"{measured_on(peers.versions())} Not installed: {', '.join(peers.MISSING) or 'none'}. sgemm does "
        f"{found.products / 1e9:.0f} billion multiply-adds per second, copying {found.copied / 1e9:.1f} GB/s "
        "(read and written)."
    )


def _rates() -> Rates:
    square = np.ones((2048, 2048), np.float32)
    large, copy = np.ones((2, 25_000_000), np.float32)
    return Rates(
        2048**3 / _seconds(lambda: square @ square), 2 * large.nbytes / _seconds(lambda: np.copyto(copy, large))
    )


def _seconds(run: Callable[[], object]) -> float:
    return median(_once(run) for _ in range(9))


def _once(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _ratios(times: Mapping[str, float]) -> list[float]:
    """Return each peer's time divided by convcli's."""
    return [seconds / times["ours"] for name, seconds in times.items() if name != "ours"]


def _line(row: Row, times: Mapping[str, float], found: Rates) -> str:
    ours = times["ours"]
    theirs = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in times.items() if name != "ours")
    ratios = ", ".join(f"{ratio:.2f}" for ratio in _ratios(times))
    fractions = (_share(row.multiplications / found.products, ours), _share(row.moved / found.copied, ours))
    return f"| {row.name} | {ours * 1e3:.1f} | {theirs} | {ratios} | {' | '.join(fractions)} |"


def _share(least: float, seconds: float) -> str:
    """Return how close a time comes to the least possible time."""
    return f"{least / seconds:.0%}" if least else "-"


if __name__ == "__main__":
    main(sys.argv[1:])
