"""A batch that is stopped or killed at any moment: outputs with a name are complete, and inputs are unchanged.

Covers every kind of output, once as new files and once over older ones.
"""

import random
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from photographs import photographs, without_temporaries
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT, convcli
from support.folders import files_in

# Half of these signals give no time to clean up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *[signal.SIGKILL] * 3)
FILES = 200
# Per seed; --soak multiplies it.
KILLS = 10
OUTPUTS = {
    "png": ("-k", "box", "-k", "sobel-x", "--range", "offset", "-o", "out/{dir}/{stem}.{kernel}.png"),
    "jpeg": ("-k", "[[0,1],[2,-2]]", "--range", "offset", "-o", "out/{kernel}/{stem}-{dir}.jpg"),
    "tiff": ("-k", "gaussian:2", "-o", "out/{dir}/{stem}.tif"),
    # Mapped and filled in place.
    "npy": ("-k", "[[0,1],[2,3]]", "-f", "npy", "-o", "out/{dir}/{stem}.{kernel}.npy"),
}


class Batch(NamedTuple):
    """A command, the files that it leaves in its folder, and the seconds that it took."""

    command: tuple[str, ...]
    left: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("kills")
    photographs(path, FILES, (80, 100))
    return path


@pytest.fixture(scope="module")
def batches(folder):
    """Run the batch of each kind of output to its end."""
    return {
        kind: run_whole(folder, ("apply", "a/*", "b/*", *words, "-j", "2", "-q")) for kind, words in OUTPUTS.items()
    }


def run_whole(folder, command):
    began = time.monotonic()
    result = convcli(*command, cwd=folder)
    seconds = time.monotonic() - began
    assert (result.code, result.err) == (0, "")
    left = files_in(folder / "out")
    empty(folder / "out")
    return Batch(command, left, seconds)


def empty(out: Path, files: dict[str, bytes] | None = None) -> None:
    """Leave only these files in the folder."""
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name, data in (files or {}).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("over", ["new", "over older"])
def test_a_kill_at_any_moment(over, folder, batches, seed, soak, tried):
    draw, leftovers = random.Random(f"{seed} {over}"), 0
    inputs = {part: files_in(folder / part) for part in "ab"}
    for _ in range(KILLS * soak // 2):
        kind, number = draw.choice(sorted(OUTPUTS)), draw.choice(SIGNALS)
        batch, after = batches[kind], draw.uniform(0, 1.05)
        before = dict.fromkeys(batch.left, b"older") if over == "over older" else {}
        going_on = "--overwrite" if before else "--skip-existing"
        empty(folder / "out", before)
        code = kill((*batch.command, *["--overwrite"][: len(before)]), folder, number, after * batch.seconds)
        story = f"{kind}, {number.name} after {after:.3f} of the time"
        found = files_in(folder / "out")
        assert_whole(found, batch.left, before, code, number, story)
        leftovers += len(found) > len(without_temporaries(found))
        finish = convcli(*batch.command, going_on, cwd=folder)
        assert (finish.code, finish.err) == (0, ""), story
        assert without_temporaries(files_in(folder / "out")) == batch.left, story
        assert {part: files_in(folder / part) for part in "ab"} == inputs, story
    # In the instant between naming and renaming; with fsync in it, every second kill left a file.
    assert leftovers <= 1 + KILLS * soak // 20
    tried(KILLS * soak // 2)


def kill(command: tuple[str, ...], folder: Path, number: signal.Signals, after: float) -> int:
    with subprocess.Popen(
        [str(CONVCLI), *command], cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(after)
        process.send_signal(number)
        return process.wait(TIMEOUT)


def assert_whole(
    found: dict[str, bytes], new: dict[str, bytes], before: dict[str, bytes], code: int, number: int, story: str
) -> None:
    """Assert that every output is complete, either new or as before, and that the exit code is right."""
    # The signal kills the interpreter if it arrives before the handlers are installed.
    assert code in (0, 128 + number, -number), story
    named = without_temporaries(found)
    # A new file gets its final name at once; each of two jobs may be renaming one that replaces another.
    assert len(found) - len(named) <= (2 if number == signal.SIGKILL and before else 0), story
    assert all(data in (new[name], before.get(name)) for name, data in named.items()), story
    assert before.keys() <= named.keys(), story
    assert code != 0 or named == new, story
