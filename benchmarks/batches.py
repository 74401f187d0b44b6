"""Compare whole processes on batches of files: ``python -m benchmarks.batches [--rounds N] [--write]``.

This takes some minutes. ``--write`` writes the table into docs/performance.md.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import PIL.Image

from benchmarks import peers
from benchmarks.commands import CONVCLI, SAMPLES, photograph
from benchmarks.tables import measured_on, replace_table
from convcli.files.parallel import available_threads

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
HEADING = "| batch | program | seconds | program / convcli | peak MB per process |\n| --- | --- | --- | --- | --- |"
SHARPEN = np.array(
    [[-1, -1, -1, -1, -1], [-1, 2, 2, 2, -1], [-1, 2, 1, 2, -1], [-1, 2, 2, 2, -1], [-1, -1, -1, -1, -1]]
)


WEIGHTS = ",".join(map(str, SHARPEN.ravel()))
MAGICK = f"-define convolve:scale=1 -convolve {WEIGHTS} {peers.MAGICK_OPTIONS}"


class Spent(NamedTuple):
    """The seconds that a process took, and the peak memory in bytes of it and each of its children."""

    seconds: float
    memory: int


class Contest(NamedTuple):
    """A batch of files, and the command of each program, which runs in the folder of the files."""

    name: str
    folder: str
    commands: Mapping[str, Sequence[str]]


def main() -> None:
    """Race each batch and print its lines of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = [measured_on(peers.command_versions()), "", HEADING]
    print(*lines, sep="\n")
    with TemporaryDirectory() as folder:
        for contest in _contests(folder):
            found = _lines(contest, asked.rounds)
            print(*found, sep="\n", flush=True)
            lines += found
    if asked.write:
        replace_table(PAGE, "benchmarks.batches", lines)


def _contests(folder: str) -> Iterator[Contest]:
    large, small = f"{folder}/large", f"{folder}/small"
    _copies(photograph(folder), large, 12)
    yield Contest("12 JPEGs of 12 megapixels, 5x5", large, {"convcli": _ours(), **_peers(large)})
    with PIL.Image.open(SAMPLES / "astronaut.png") as sample:
        sample.convert("RGB").save(f"{folder}/small.jpg", quality=92)
    _copies(f"{folder}/small.jpg", small, 1000)
    yield Contest("1000 JPEGs of 512x512, 5x5", small, {"convcli": _ours(), **_one_process_per_file()})


def _copies(path: str, folder: str, count: int) -> None:
    os.makedirs(f"{folder}/out")
    for number in range(count):
        os.link(path, f"{folder}/{number:04}.jpg")


def _ours() -> list[str]:
    kernel = repr(SHARPEN.tolist())
    return [CONVCLI, "apply", "*.jpg", "-k", kernel, "-o", "out/{stem}.jpg", "-j", "0", "--overwrite", "-q"]


def _peers(folder: str) -> dict[str, list[str]]:
    mask = peers.write_mask(SHARPEN, f"{folder}/mask.mat")
    saved = f"out/FILE{peers.VIPS_OPTIONS}"
    vips = f"ls *.jpg | xargs -P {available_threads()} -I FILE vips conv FILE {saved} {mask}"
    files = sorted(path.name for path in Path(folder).glob("*.jpg"))
    found = {
        "OpenCV, a pool of threads": peers.opencv_batch(SHARPEN.astype(float), files),
        "libvips, xargs -P": _script(vips),
        "libvips in integers, xargs -P": _script(f"{vips} --precision integer"),
        "ImageMagick mogrify": _script(f"mogrify -path out {MAGICK} *.jpg"),
        "GraphicsMagick mogrify": _script(
            f"gm mogrify -output-directory out -convolve {WEIGHTS} {peers.MAGICK_OPTIONS} *.jpg"
        ),
    }
    return {name: command for name, command in found.items() if name.replace(",", "").split()[0] not in peers.MISSING}


def _one_process_per_file() -> dict[str, list[str]]:
    convert = f"convert $file {MAGICK} out/$file"
    found = {"ImageMagick, one process per file": _script(f"for file in *.jpg; do {convert}; done")}
    return {} if "ImageMagick" in peers.MISSING else found


def _script(text: str) -> list[str]:
    return ["bash", "-euc", text]


def _lines(contest: Contest, rounds: int) -> list[str]:
    spent: dict[str, list[Spent]] = {name: [] for name in contest.commands}
    for _ in range(rounds):
        for name, command in contest.commands.items():
            spent[name].append(_spent(command, contest.folder))
    seconds = {name: median(each.seconds for each in found) for name, found in spent.items()}
    memory = {name: median(each.memory for each in found) for name, found in spent.items()}
    return [
        f"| {contest.name} | {name} | {seconds[name]:.1f} | {seconds[name] / seconds['convcli']:.2f} | "
        f"{memory[name] / 2**20:.0f} |"
        for name in spent
    ]


# A process starts with the memory of its parent, so this parent is small.
LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _spent(command: Sequence[str], folder: str) -> Spent:
    launcher = [sys.executable, "-c", LAUNCHER, *command]
    seconds, kilobytes = subprocess.run(launcher, cwd=folder, check=True, capture_output=True).stdout.split()
    return Spent(float(seconds), int(kilobytes) * 1024)


if __name__ == "__main__":
    main()
