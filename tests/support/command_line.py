"""Run the program as its users do: as a process, with real files, pipes and exit codes.

``convcli`` forks a process that has imported the program; the other functions start a new interpreter for each command.

They run the console script next to the interpreter instead of the function that it calls, because a pipeline needs a
``convcli`` on its PATH; it also tests the declaration of the script.
"""

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from support.warm_process import WarmProcess

SCRIPTS = Path(sys.executable).parent
CONVCLI = SCRIPTS / "convcli"
SAMPLES = Path(__file__).parents[2] / "sample_images"
TIMEOUT = 60

# Variables that set colour and width; tests set them themselves.
_TASTES = {
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "PY_COLORS",
    "GITHUB_ACTIONS",
}
# The program keeps its bytecode, as it does for users: hundreds of processes start a third faster.
_SLOWING = {"PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in _TASTES | _SLOWING} | {
    "PATH": os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", os.defpath)]),
    "TERM": "xterm-256color",
    # A warning inside the program is an error, as in the tests.
    "PYTHONWARNINGS": "error",
    # NumPy starts faster without threads, and tests of this size do not need them.
    "OPENBLAS_NUM_THREADS": "1",
}

WARM = WarmProcess(ENVIRONMENT, TIMEOUT)
# Whether every command starts a new interpreter, as it does for users: that takes three times as long.
COLD = "CONVCLI_TESTS_COLD" in os.environ


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a process.

    err: the lines on stderr, without those that say what was written.  result: these lines.
    """

    code: int
    out: bytes
    err: str
    result: str = field(default="", compare=False)


def convcli(
    *arguments: str | Path, cwd: Path, stdin: bytes | int = subprocess.DEVNULL, env: dict[str, str] | None = None
) -> Result:
    """Run the program. stdin: bytes for a pipe, or an open file. env: variables, which make a new interpreter start."""
    command = [str(CONVCLI), *map(str, arguments)]
    if COLD or env:
        return run_command(command, cwd, stdin, env or {})
    return _result(WARM.run(command, cwd, stdin))


def shell(script: str, cwd: Path) -> Result:
    """Run a bash script that fails if any part of a pipeline fails; ``convcli`` is on its PATH."""
    return run_command(["bash", "-c", f"set -o pipefail; {script}"], cwd, subprocess.DEVNULL, {})


def run_line(line: str, cwd: Path) -> Result:
    """Run a line of a page that starts with ``convcli``, in a shell only if one has to expand it."""
    return shell(line, cwd) if set("$|><;&") & set(line) else convcli(*shlex.split(line)[1:], cwd=cwd)


def run_command(command: list[str], cwd: Path, stdin: bytes | int, env: dict[str, str]) -> Result:
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT | env, capture_output=True, timeout=TIMEOUT, **given)
    return _result(done)


def _result(done: subprocess.CompletedProcess[bytes]) -> Result:
    return Result(done.returncode, done.stdout, *without_results(done.stderr.decode()))


# What is said about the outputs of apply once they are written, and about a batch that takes more than a second.
RESULTS = re.compile(
    r"^convcli: (?:wrote .*|(?:error: )?[\d,]+ (?:files )?written.* in [\d.]+ s|progress: [\d,]+ of .*)\n", re.MULTILINE
)


def without_results(err: str) -> tuple[str, str]:
    """Return stderr without the lines that say what was written, or how far a batch is, and these lines."""
    return RESULTS.sub("", err), "".join(RESULTS.findall(err))


def terminal(
    *arguments: str | Path,
    cwd: Path,
    size: tuple[int, int] = (24, 80),
    answer: Callable[[bytes], bytes] | None = None,
    typed: bytes = b"",
    **env: str,
) -> tuple[int, str, str]:
    """Return the exit code, what a terminal of this size at stdout receives, and stderr.

    answer: the reply of the terminal to what it receives; the terminal is then also stdin and the controlling terminal.
    typed: input that is typed ahead.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    os.write(ours, typed)
    command = [str(CONVCLI), *map(str, arguments)]
    if not (answer or COLD):
        with ThreadPoolExecutor(1) as pool:
            received = pool.submit(lambda: b"".join(_sent(ours, None)))
            done = WARM.run(command, cwd, subprocess.DEVNULL, stdout=theirs, env=env)
        os.close(ours)
        return done.returncode, received.result().decode(), _result(done).err
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL}
    if answer:
        given = {"stdin": theirs, "start_new_session": True, "preexec_fn": _take_terminal}
    with subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT | env, stdout=theirs, stderr=subprocess.PIPE, **given
    ) as process:
        os.close(theirs)
        shown = b"".join(_sent(ours, answer))
        err = process.stderr.read().decode() if process.stderr else ""
    os.close(ours)
    return process.returncode, shown.decode(), without_results(err)[0]


def terminal_at_stderr(*arguments: str | Path, cwd: Path) -> tuple[int, str]:
    """Return the exit code, and what a terminal at stderr receives."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [str(CONVCLI), *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b"".join(_sent(ours, None))
    os.close(ours)
    return process.returncode, shown.decode()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _sent(descriptor: int, answer: Callable[[bytes], bytes] | None) -> Iterable[bytes]:
    while data := _read_terminal(descriptor):
        yield data
        if answer:
            os.write(descriptor, answer(data))


def _read_terminal(descriptor: int) -> bytes:
    """Return the next bytes; none if the other side has closed it, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def succeed(*arguments: str | Path, cwd: Path, stdin: bytes | int = subprocess.DEVNULL) -> bytes:
    """Run the program, check that it prints nothing on stderr, and return its stdout."""
    result = convcli(*arguments, cwd=cwd, stdin=stdin)
    assert (result.code, result.err) == (0, ""), result
    return result.out


def with_samples(folder: Path) -> Path:
    """Return the folder with the sample images and a bank in it, so that commands from the README run there."""
    (folder / "sample_images").symlink_to(SAMPLES)
    shutil.copy(SAMPLES / "bank.json", folder)
    return folder


def json_lines(out: bytes) -> list[Any]:
    """Return the value of each line of JSON."""
    return [json.loads(line) for line in out.decode().splitlines()]


def pixels(picture: Path | bytes) -> Any:
    """Return the pixels of a picture file as Pillow reads them: (H, W), or (C, H, W) if there are several channels."""
    with PIL.Image.open(BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        array = np.asarray(image)
    return array if array.ndim == 2 else array.transpose(2, 0, 1)


def array(data: bytes) -> Any:
    """Return the array in the bytes of an .npy."""
    return np.load(BytesIO(data), allow_pickle=False)


def npy(values: Any) -> bytes:
    """Return the bytes of an .npy."""
    stream = BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def save_picture(path: Path, channels: Any, **options: Any) -> Any:
    """Save (C, H, W) as a picture with Pillow's options, and return it."""
    bands = [PIL.Image.fromarray(channel) for channel in channels]
    mode = {1: bands[0].mode, 3: "RGB", 4: "RGBA"}[len(bands)]
    picture = bands[0] if len(bands) == 1 else PIL.Image.merge(mode, bands)
    picture.save(path, **options)
    return channels
