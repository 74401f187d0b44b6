"""Two processes that write the same names into one folder: each file is complete, and comes from one of the two."""

import fcntl
import json
import subprocess
import termios
import time
from collections import Counter

import pytest
from photographs import photographs
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT
from support.folders import files_in

FILES = 60
KERNELS = (b"[[1,2],[3,-5]]", b"[[0,1],[0,0]]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("two")
    photographs(path, FILES)
    return path


def both(folder, out, *options):
    """Return exit codes, JSON and errors of two runs that start together, with two kernels and the same names."""
    command = ("-k", "-", "-o", f"{out}/{{stem}}.png", "-j", "2", "--json", "-q", *options)
    started = [begin(command, folder, stdin=subprocess.PIPE) for _ in KERNELS]
    for process in started:
        wait_for_kernel(process)
    for process, kernel in zip(started, KERNELS, strict=True):
        process.stdin.write(kernel[1:])
        process.stdin.close()
    lines, errors = (
        [getattr(process, name).read().splitlines() for process in started] for name in ("stdout", "stderr")
    )
    codes = [process.wait(TIMEOUT) for process in started]
    for process in started:
        process.stdout.close()
        process.stderr.close()
    return codes, [[json.loads(line) for line in each] for each in lines], errors


def begin(command, folder, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen([CONVCLI, "apply", "a/*", "b/*", *command], cwd=folder, env=ENVIRONMENT, **streams)


def wait_for_kernel(process):
    """Wait until the process reads the first letter of the kernel, after everything that precedes it."""
    process.stdin.write(KERNELS[0][:1])
    process.stdin.flush()
    while any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))):
        time.sleep(0.001)


@pytest.fixture(scope="module")
def alone(folder):
    """Return what each process leaves when it runs alone."""
    left = []
    for number, kernel in enumerate(KERNELS):
        with begin(("-k", kernel, "-o", f"alone{number}/{{stem}}.png", "-q"), folder) as process:
            assert process.wait(TIMEOUT) == 0
        left.append(files_in(folder / f"alone{number}"))
    return left


def written(lines):
    return [line["output"].rpartition("/")[2] for line in lines if line["output"] and not line["error"]]


@pytest.mark.slow
def test_one_process_wins_each_name_and_the_other_reports_it(folder, alone):
    codes, lines, errors = both(folder, "out")
    found, winners = files_in(folder / "out"), [written(each) for each in lines]
    assert Counter(winners[0] + winners[1]) == Counter(found.keys()) == Counter(alone[0].keys())
    for won, mine, other in zip(winners, alone, reversed(alone), strict=True):
        assert all(found[name] == mine[name] != other[name] for name in won)
    for code, won, said in zip(codes, winners, errors, strict=True):
        assert (code, not said) == ((0, True) if len(won) == FILES else (1, False))
        assert all(b"exists: use --overwrite" in line or b" failed in " in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--overwrite", "--skip-existing"])
def test_overwriting_and_skipping_accept_either_file(option, folder, alone):
    codes, _, errors = both(folder, f"out{option}", option)
    found = files_in(folder / f"out{option}")
    assert (codes, errors) == ([0, 0], [[], []])
    assert found.keys() == alone[0].keys()
    assert all(data in (alone[0][name], alone[1][name]) for name, data in found.items())
