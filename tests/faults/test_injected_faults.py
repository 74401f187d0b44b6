"""The Nth system call of each kind fails, for every N of a run of each command.

Afterwards outputs are complete or absent, inputs are untouched, the exit code is not 0 unless every output is complete,
and stderr has one line. Without --soak a share of the calls is tried, another one with each seed.
"""

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from injection import CALLS, Injection, Run, is_available
from photographs import TEMPORARY
from support.command_line import save_picture
from support.folders import files_in

OVER = "--overwrite"
COMMANDS = [
    "apply a.png -k box -o out/Z.png",
    "apply a.png -k gaussian:1 -o out/Z.jpg",
    "apply b.tif -k box -o out/Z.tif --threads 2",
    "apply c.npy -k k.json -o out/Z.npy",
    f"apply a.png -k box -o out/old.png {OVER}",
    f"apply c.npy -k box -o out/old.npy {OVER}",
    "apply a.png b.tif c.npy -k box -k blur -o new/{stem}.{kernel}.png -j 1 --white 255",
    "apply a.png b.tif c.npy -k box -o new/ -j 2 --json",
    "apply a.png -k box -o -",
    "grad c.npy -k k.json -o out/g.npz",
    "grad c.npy -k k.json -o out/g.json",
    f"grad c.npy -k k.json --step 0.1 -o out/old.json {OVER}",
    "grad c.npy -k k.json -f csv",
    "matrix c.npy -k k.json -o out/M.npz",
    "matrix c.npy -k k.json -o out/M.mtx",
    "explain c.npy -k k.json --at 0,1,1 --json",
    "check c.npy -k k.json",
    "plan b.tif -k box --json",
    "kernels gaussian:2 -o out/k.json --json",
    "kernels",
]
OUTPUTS = ("out", "new")
UNAVAILABLE = "needs Linux on x86-64 whose kernel hands over system calls to a seccomp supervisor"
# Without --soak, one in so many calls of a run whose modules are loaded, and so many of another.
SHARE = 10
LOADING = 10
STDERR = 2
LINE = re.compile(r"convcli: (error|warning): [^\n]+\n")


@pytest.fixture(scope="module")
def injection():
    if not is_available():
        pytest.skip(UNAVAILABLE)
    with Injection() as found:
        yield found


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Return a folder with inputs and older outputs, which is copied for each run."""
    folder, draw = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    V = draw.integers(0, 256, (3, 30, 40), np.uint8)
    save_picture(folder / "a.png", V)
    save_picture(folder / "b.tif", V, compression="tiff_lzw")
    np.save(folder / "c.npy", draw.integers(0, 200, (1, 7, 8)).astype(np.float64))
    (folder / "k.json").write_text("[[0,1],[2,-4]]")
    (folder / "out").mkdir()
    for name in ("old.png", "old.npy", "old.json"):
        (folder / "out" / name).write_bytes(b"older")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_call_that_fails(command, injection, template, tmp_path, seed, soak, tried):
    arguments = command.split()
    whole, done = run(injection, arguments, template, tmp_path)
    assert (whole.code, whole.err) == (0, "")
    points = points_of(whole)
    share = random.Random(f"{seed} {command}").sample(points, min(len(points), max(1, len(points) * soak // SHARE)))
    assert faults(injection, arguments, template, tmp_path, (whole, done), share) == []
    tried(len(share))


@pytest.mark.slow
@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[2]])
def test_a_call_that_fails_while_modules_load(command, template, tmp_path, seed, soak, tried):
    """Also a run that loads its modules, as every process does; that is 1,600 calls more."""
    if not is_available():
        pytest.skip(UNAVAILABLE)
    arguments = command.split()
    with Injection(loaded=False) as injection:
        whole, done = run(injection, arguments, template, tmp_path)
        share = random.Random(f"{seed} {command}").sample(points_of(whole), LOADING * soak)
        assert faults(injection, arguments, template, tmp_path, (whole, done), share) == []
    tried(len(share))


def points_of(whole: Run) -> list[tuple[str, int]]:
    """Return each kind of call with each number that the run made."""
    return [(kind, number) for kind in CALLS for number in range(1, whole.calls.get(kind, 0) + 1)]


def faults(injection, arguments, template, folder, undisturbed, points) -> list[str]:
    """Return what is wrong after each of these calls has failed."""
    before, found = files_in(template), []
    for kind, number in points:
        broken, left = run(injection, arguments, template, folder, kind, number)
        if wrong := [*complaints(broken, left, undisturbed, before)]:
            found.append(f"{kind} {number}: {', '.join(wrong)}: {broken.code} {broken.err!r}")
    return found


def run(injection, arguments, template, folder, kind="", number=0) -> tuple[Run, dict[str, bytes]]:
    """Return what comes of a run in a copy of the template, and the files that it leaves."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work)
    result = injection.run(arguments, work, kind, number)
    return result, files_in(work)


def complaints(broken: Run, left: dict[str, bytes], undisturbed, before: dict[str, bytes]) -> Iterator[str]:
    """Yield what is wrong after a call has failed."""
    whole, done = undisturbed
    temporary = {name for name in left if TEMPORARY.fullmatch(Path(name).name)}
    named = {name: data for name, data in left.items() if name not in temporary}
    if not all(Path(name).name in broken.err for name in temporary):
        yield f"left {temporary} without a word"
    yield from (f"changed {name}" for name, data in named.items() if data not in (done.get(name), before.get(name)))
    yield from (f"removed {name}" for name in before.keys() - named.keys())
    if broken.code not in (0, 1, 2):
        yield "wrong exit code"
    if broken.code == 0 and (named, shown(broken)) != (done, shown(whole)):
        yield "success without all outputs"
    # A line that cannot be written is lost.
    if broken.failed != STDERR:
        yield from wrong_words(broken)


def wrong_words(broken: Run) -> Iterator[str]:
    lines = broken.err.splitlines(keepends=True)
    yield from (f"said {line!r}" for line in lines if not LINE.fullmatch(line))
    errors = [line for line in lines if line.startswith("convcli: error")]
    # A batch also counts its failures.
    most = 4 if errors and re.search(r" failed in [\d.]+ s$", errors[-1]) else 1
    if not min(broken.code, 1) <= len(errors) <= most * broken.code:
        yield "wrong number of lines"


def shown(run: Run) -> str:
    """Return stdout without the milliseconds that each file took."""
    return re.sub(r'"milliseconds": [\d.]+', "", run.out.decode("latin-1"))
