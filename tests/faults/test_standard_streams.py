"""Descriptors 0, 1 and 2: closed ones are never given to an output, and what C code says last is printed."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT, convcli, shell


def python(script, *, cwd, redirect="", **env):
    """Run a Python script that may close its own streams."""
    (cwd / "script.py").write_text(script)
    command = f"exec {sys.executable} script.py {redirect}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=ENVIRONMENT | env, capture_output=True, text=True, timeout=TIMEOUT
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("devnull", [os.devnull, "/absent/null"])
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&- 2>&-", "<&- 2>&-", "2>&-", "<&-", ""])
def test_no_file_is_opened_as_a_closed_stream(closed, devnull, tmp_path):
    script = (
        f"import os; os.devnull = {devnull!r}; from convcli.cli.streams import prepare_streams\n"
        "prepare_streams(); os.write(1, b''); os.write(2, b'')\n"
        "with open('opened', 'w') as file: file.write(str(file.fileno()))"
    )
    assert python(script, cwd=tmp_path, redirect=closed) == (0, "", "")
    assert int((tmp_path / "opened").read_text()) > 2


DYING = """
import ctypes, sys
from convcli.apply import saving
from convcli.cli import main

def die(*_):
    libc = ctypes.CDLL(None)
    libc.dprintf(2, b"libx: no memory for a table\\n")
    libc.{end}

saving.apply_filter = die
sys.argv = ["convcli", "apply", "V.npy", "-k", "box", "-o", "Z.png", "-q"]
main()
"""


@pytest.mark.parametrize(("end", "code"), [("exit(7)", 7), ("abort()", -6), ("raise(2)", 130)])
def test_the_last_words_of_c_code_are_printed(end, code, tmp_path):
    np.save(tmp_path / "V.npy", np.zeros((1, 9, 9), np.uint8))
    script = DYING.format(end="raise_(2)" if end == "raise(2)" else end).replace("libc.raise_", "libc['raise']")
    assert python(script, cwd=tmp_path) == (code, "", "libx: no memory for a table\n")
    assert not (tmp_path / "Z.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [20_000, 40_000, 60_000, 80_000, 100_000, 120_000])
def test_a_run_without_memory_says_why(limit, tmp_path):
    np.save(tmp_path / "V.npy", np.zeros((3, 1200, 1200), np.float32))
    result = shell(f"(ulimit -d {limit}; exec {CONVCLI} apply V.npy -k box -o Z.npy)", tmp_path)
    assert (result.code == 0) == (result.err == ""), result
    assert (tmp_path / "Z.npy").exists() == (result.code == 0)


@pytest.mark.slow
def test_without_modules_there_is_one_line(tmp_path):
    result = shell(f"(ulimit -v 60000; exec {CONVCLI} plan --input-shape 9,9 -k box)", tmp_path)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert result.err.startswith("convcli: error: cannot ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "check V.npy -k box --kernel-grad inf.npy -q",
        "apply big.npy -k [[1]] -o z.png --range minmax -q",
        "grad V.npy -k [[1e308,1e308]] -f text",
    ],
)
def test_warnings_of_libraries_are_not_printed(command, tmp_path):
    np.save(tmp_path / "V.npy", np.ones((1, 4, 4)))
    np.save(tmp_path / "inf.npy", np.full((3, 3), np.inf))
    np.save(tmp_path / "big.npy", np.array([[[1.7e308, -1.7e308], [1, 2]]]))
    for shown in ("", "error"):
        result = convcli(*command.split(), cwd=tmp_path, env={"PYTHONWARNINGS": shown})
        assert "Warning" not in result.err


@pytest.mark.slow
def test_help_is_the_same_without_docstrings_and_without_a_width(tmp_path):
    asked = ("apply", "--help")
    expected = convcli(*asked, cwd=tmp_path)
    assert len(expected.out) > 5000
    for changed in ({"PYTHONOPTIMIZE": "2"}, {"COLUMNS": "0"}):
        assert convcli(*asked, cwd=tmp_path, env=changed) == expected
