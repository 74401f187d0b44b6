"""Print the table of ratios, or the rows that contain a text: ``python -m benchmarks [--write] [TEXT ...]``.

``core`` is convcli without compiled loops; ``fast`` is convcli with them, where Numba is installed. Their code is
loaded in the first round, which is not counted.

``--write`` writes the whole table into docs/performance.md, and some of its rows into README.md.
"""

import sys
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import peers
from benchmarks.commands import command_rows
from benchmarks.contestants import IS_FAST_INSTALLED, assume_loaded
from benchmarks.race import race
from benchmarks.readme import readme_table
from benchmarks.results import HEADING, Result, mean_lines
from benchmarks.rows import Row, rows
from benchmarks.tables import forced_kernel, measured_on, replace_table

ROOT = Path(__file__).parent.parent
CORE, FAST = "core", "fast"


def main(arguments: list[str]) -> None:
    """Race each row and print it as a line of Markdown."""
    write, texts = "--write" in arguments, [text for text in arguments if text != "--write"]
    if warning := forced_kernel():
        print(warning, file=sys.stderr)
    assume_loaded()
    head = f"{measured_on(peers.versions())} Not installed: {', '.join(peers.MISSING) or 'none'}."
    print(head, "", *HEADING, sep="\n")
    results: list[Result] = []
    with TemporaryDirectory() as folder:
        for row in chain(rows(), command_rows(folder)):
            if not texts or any(text in row.name for text in texts):
                results.append(_result(row))
                print(results[-1].line, flush=True)
    means = list(mean_lines(results))
    print(*means, sep="\n")
    if write:
        table = [head, "", *HEADING, *(result.line for result in results), *means]
        replace_table(ROOT / "docs" / "performance.md", "benchmarks", table)
        replace_table(ROOT / "README.md", "benchmarks", readme_table(table))


def _result(row: Row) -> Result:
    ours = {CORE: row.core, FAST: row.fast} if IS_FAST_INSTALLED else {CORE: row.core}
    times = race({**ours, **row.others})
    return Result(row.name, times.pop(CORE), times.pop(FAST, None), times)


if __name__ == "__main__":
    main(sys.argv[1:])
