"""Run apply and grad on an .npy larger than memory: ``python -m benchmarks.large [--gigabytes N] [--folder FOLDER]``.

Prints seconds, gigabytes read and written per second, and the peak memory besides mapped files. Makes the array in the
folder, which needs three times the size of the array, and removes it.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.commands import CONVCLI
from convcli.arrays import Array

KERNEL = "[[1,2,3],[4,5,7],[0,1,-2]]"
WIDTH = 40_000
HEADING = "| type | command | seconds | GB/s | memory, MB |\n| --- | --- | --- | --- | --- |"


class Spent(NamedTuple):
    """The seconds that a process took, and the peak of its own memory in bytes, as sampled."""

    seconds: float
    memory: int


def main() -> None:
    """Run each command on an array of each type, and print one line of Markdown per run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--types", default="float32,uint8")
    asked = parser.parse_args()
    print(HEADING)
    with TemporaryDirectory(dir=asked.folder) as folder:
        for dtype in asked.types.split(","):
            V = _made(Path(folder) / "V.npy", np.dtype(dtype), int(asked.gigabytes * 1e9))
            for command in (
                ["apply", "-f", "npy", "-o", "Z.npy", *_range(V)],
                ["grad", "--wrt", "kernel,bias", "-f", "json"],
            ):
                spent = _spent([CONVCLI, command[0], "V.npy", "-k", KERNEL, *command[1:]], folder)
                moved = V.nbytes * (2 if command[0] == "apply" else 1)
                text = " ".join(command)
                print(
                    f"| {dtype} | {text} | {spent.seconds:.0f} | {moved / spent.seconds / 1e9:.2f} | "
                    f"{spent.memory / 2**20:.0f} |",
                    flush=True,
                )
                (Path(folder) / "Z.npy").unlink(missing_ok=True)


def _range(V: Array) -> list[str]:
    """Return the options that keep integer arrays integers."""
    return ["--range", "clip", "-q"] if V.dtype.kind == "u" else []


def _made(path: Path, dtype: np.dtype[np.generic], size: int) -> "np.memmap[Any, Any]":
    height = ceil(size / dtype.itemsize / 3 / WIDTH)
    V = np.lib.format.open_memmap(path, "w+", dtype, (3, height, WIDTH))
    rng = np.random.default_rng(0)
    for channel in V:
        for top in range(0, height, 1000):
            rows = channel[top : top + 1000]
            rows[:] = (
                rng.random(rows.shape, np.float32) if dtype.kind == "f" else rng.integers(0, 256, rows.shape, np.uint8)
            )
    V.flush()
    return V


def _spent(command: Sequence[str], folder: str) -> Spent:
    start, most = time.perf_counter(), 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, _own_memory(process.pid))
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")
    return Spent(time.perf_counter() - start, most)


def _own_memory(pid: int) -> int:
    """Return the bytes of a process that belong to no file; Linux counts in units of 1024."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    main()
