"""The program run on thousands of files, in one process of its own, that may crash, hang or run out of memory.

    python trial.py FOLDER SEED COUNT KIND

Each run goes through the program's own ``main``, with what it says caught where C libraries say it too. The file that
is tried lies in FOLDER, so that it is still there if the process is not.
"""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import corpus
from command_line import ENVIRONMENT
from damage import damaged

# Of one run; what hangs is killed by it.
SECONDS = 20
# Beyond what the program takes by itself: a picture of the pixels that are allowed, its maps, and their copies.
PIXELS = 1_000_000
MEMORY = 400 << 20

COMMANDS = (
    "apply {file} -k [[1,0],[0,2]] -o out/Z.npy --overwrite",
    "apply {file} -k box -o out/ --all-frames --overwrite",
    "apply {file} -k sobel-x --gray --unit --range abs -o out/Z.png --overwrite",
    "apply - -k box -o out/Z.tif --overwrite",
    "apply {file} -k gaussian:1 --linear --gray --unit --range minmax -o out/Z.png --overwrite",
    "apply {file} -k outline --alpha premultiply --unit --range offset -o out/Z.png --overwrite",
    "plan {file} -k box --json",
    "grad {file} -k [[1]] --wrt kernel,bias",
    "grad [[1,2],[3,4]] -k [[1]] -G {file} --wrt kernel",
    "grad {file} -k box -G mse:{file} -o out/g.npz --overwrite",
    "explain {file} -k [[1,2]] --at 0,0,0",
    "apply [[1,2],[3,4]] -k {file} --bias {file} -o out/Z.npy --overwrite",
)


class Found(NamedTuple):
    """What a trial came to.

    runs: how many files were tried.  read: how many of them could be read.  bytes: the most memory that was taken.
    seconds: of processor.  faults: what was wrong, with the command and the file.
    """

    runs: int
    read: int
    bytes: int
    seconds: float
    faults: list[str]


def try_out(folder: Path, seed: int, count: int, kind: str) -> Found:
    """Run the trial in a process of its own; that it was killed is a fault."""
    command = [sys.executable, __file__, str(folder), str(seed), str(count), kind]
    modules = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = ENVIRONMENT | {"PYTHONPATH": modules}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 0:
        return Found(**json.loads(done.stdout))
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr
    return Found(0, 0, 0, 0, [f"{how}: {(folder / 'command').read_text()}; the file is {folder / 'file'}"])


def main() -> None:
    folder, seed, count, kind = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    os.chdir(folder)
    Path("out").mkdir()
    seeds, draw, run = list(corpus.KINDS[kind]().values()), random.Random(seed), _Program()
    read, faults = 0, []
    for number in range(count):
        data = damaged(draw.choice(seeds), draw.choice(seeds), draw)
        words = draw.choice(COMMANDS)
        fault, code = run(words, data)
        read += code == 0
        if fault:
            Path(f"fault-{number}").write_bytes(data)
            faults.append(f"{words.format(file=f'fault-{number}')}: {fault}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = Found(count, read, usage.ru_maxrss << 10, usage.ru_utime + usage.ru_stime, faults)
    print(json.dumps(found._asdict()))


class _Program:
    """The program, whose modules are loaded and whose memory is limited from the first run on."""

    def __init__(self) -> None:
        import typer.main

        from convcli.cli import main, sources

        # To make the commands anew would take three times as long as to run one.
        typer.main.get_command = cache(typer.main.get_command)
        self._main, self._forget_stdin = main, sources._stdin.cache_clear
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        self("apply {file} -k box -o out/Z.png --overwrite", b"P5 1 1 255 a")
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (taken + MEMORY, taken + MEMORY))

    def __call__(self, words: str, data: bytes) -> tuple[str, int]:
        """What was wrong with a run, if anything, and its exit code."""
        Path("command").write_text(words)
        Path("file").write_bytes(data)
        code, out, err = self._run([*words.format(file="file").split(), "--max-pixels", str(PIXELS)])
        return " ".join(complaints(code, out, err, several="--all-frames" in words or words.count("{file}") > 1)), code

    def _run(self, words: list[str]) -> tuple[int, str, str]:
        self._forget_stdin()
        sys.argv = ["convcli", *words]
        with _Caught() as caught:
            signal.alarm(SECONDS)
            try:
                self._main()
                code: Any = 0
            except SystemExit as exit:
                code = exit.code
            except Exception:
                code = 1
                traceback.print_exc()
            finally:
                signal.alarm(0)
        return int(code or 0), *caught.said()


class _Caught:
    """Descriptors 1 and 2 go to files, and 0 comes from the file at hand."""

    def __enter__(self) -> "_Caught":
        self._kept = [os.dup(descriptor) for descriptor in range(3)]
        for descriptor, name in enumerate(("file", "stdout", "stderr")):
            opened = os.open(name, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
            os.close(opened)
        sys.stdin, sys.stderr = open(0, closefd=False), open(2, "w", closefd=False)
        return self

    def __exit__(self, *error: object) -> None:
        sys.stdout.flush()
        # What main has made of it.
        os.close(sys.stderr.fileno())
        for descriptor, kept in enumerate(self._kept):
            os.dup2(kept, descriptor)
            os.close(kept)

    def said(self) -> tuple[str, str]:
        return Path("stdout").read_text(errors="replace"), Path("stderr").read_text(errors="replace")


def complaints(code: int, out: str, err: str, *, several: bool) -> list[str]:
    """What is not as promised. What could be read may be warned of first; of several, those before may be made."""
    lines, found = err.splitlines(), []
    if code not in (0, 1, 2):
        found.append(f"exit code {code}.")
    warned, failed = lines[: -1 if code else None], lines[-1:] if code else []
    if code and not re.match(r"convcli: error: \S", "".join(failed)):
        found.append(f"expected one line: {err!r}.")
    if not all(re.match(r"convcli: (warning|loss): \S", line) for line in warned):
        found.append(f"expected warnings: {err!r}.")
    if code and out:
        found.append(f"stdout: {out[:100]!r}.")
    if "not enough memory" in err or "Unable to allocate" in err:
        found.append(f"asked for memory: {err!r}.")
    left = [path.name for path in Path("out").iterdir() if (code and not several) or path.name.startswith(".")]
    if left:
        found.append(f"left {left}.")
    for path in Path("out").iterdir():
        path.unlink()
    return found


if __name__ == "__main__":
    main()
