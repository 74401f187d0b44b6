"""``python -m benchmarks [WORD ...]``: print the table of ratios, or the rows whose names hold one of the words."""

import sys

from benchmarks import peers
from benchmarks.race import race
from benchmarks.rows import Row, rows
from convcli.engine.calibration import MACHINE
from convcli.engine.threads import available_threads


def main(words: list[str]) -> None:
    """Race each row and print it as a line of Markdown."""
    print(f"{available_threads()} threads each; cost model of {MACHINE}; not installed: {peers.MISSING or 'none'}\n")
    print("| row | ours, ms | peer, ms | peer's time / ours |\n| --- | --- | --- | --- |")
    for row in rows():
        if not words or any(word in row.name for word in words):
            print(_line(row), flush=True)


def _line(row: Row) -> str:
    times = race({"ours": row.ours, **row.others})
    ours = times.pop("ours")
    theirs = ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in times.items())
    ratios = ", ".join(f"{seconds / ours:.2f}" for seconds in times.values())
    return f"| {row.name} | {ours * 1e3:.1f} | {theirs} | {ratios} |"


if __name__ == "__main__":
    main(sys.argv[1:])
