"""Stdout whose reader closes it after any number of bytes, or whose disk is full; stderr that nobody reads.

Output that the interpreter flushes when it exits is tested in separate processes: tests/test_cli_manners.py.
"""

import os
import random
import shlex

import numpy as np
import pytest
from in_process import exit_code, piped
from photographs import photographs
from support.command_line import CONVCLI, save_picture, shell
from support.folders import files_in

# Every command, in every format that it writes to stdout.
COMMANDS = [
    "apply V.npy -k box -o - -f npy",
    "apply V.npy -k box -o - -f png --range clip --white 255",
    "apply V.png -k box -o - -f jpeg",
    "apply V.png -k box -o - -f tiff",
    "apply V.png -k box -o - -f webp",
    "apply V.npy -k box -k sobel-x -o {stem}.{kernel}.npy --dry-run --json -q",
    "grad V.npy -k box -f json",
    "grad V.npy -k box -f csv",
    "grad V.npy -k box -f npz",
    "grad V.npy -k box -f npy --wrt input",
    "grad V.npy -k box -f png",
    "grad V.npy -k box -f text --full",
    "grad V.npy -k box --step 0.1",
    "matrix --input-shape 1,20,20 -k box -f json",
    "matrix --input-shape 1,20,20 -k box -f mtx",
    "matrix --input-shape 1,20,20 -k box -f npz",
    "matrix --input-shape 1,9,9 -k box -f png",
    "matrix --input-shape 1,20,20 -k box -f text",
    "explain V.npy -k box:31 --at 0,15,15 --all",
    "explain V.npy -k box:31 --at 0,15,15 --all --json",
    "check V.npy -k box",
    "check V.npy -k box --json",
    "plan V.npy -k box",
    "plan V.npy -k box --json",
    "kernels",
    "kernels --json",
    "kernels gaussian:9",
    "kernels gaussian:9 --json",
    "apply --help",
    "--version",
]
each_command = pytest.mark.parametrize("command", COMMANDS)
# Per seed and command, at --soak 1.
READERS = 3


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    V = np.random.default_rng(0).integers(0, 256, (3, 30, 40), np.uint8)
    np.save(tmp_path / "V.npy", V.astype(np.float32))
    save_picture(tmp_path / "V.png", V)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@each_command
def test_a_reader_that_closes_stdout_after_any_number_of_bytes(command, inputs, monkeypatch, capsys, seed, soak, tried):
    arguments, draw = shlex.split(command), random.Random(f"{seed} {command}")
    code, whole = piped(arguments, monkeypatch, 10**9)
    assert (code, capsys.readouterr().err) == (0, "")
    for _ in range(READERS * soak):
        most = draw.choice([draw.randint(0, len(whole)), draw.randint(0, 300), len(whole) - draw.randint(0, 3)])
        assert piped(arguments, monkeypatch, most) == (0, whole[:most])
        assert capsys.readouterr().err == ""
    tried(READERS * soak)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@each_command
def test_stdout_on_a_full_disk(command, inputs, monkeypatch, capsys):
    code = exit_code(shlex.split(command), monkeypatch, os.open("/dev/full", os.O_WRONLY))
    assert (code, capsys.readouterr().err) == (1, "convcli: error: cannot write <stdout>: No space left on device\n")


def test_a_batch_ends_quietly_when_nobody_reads_its_log(tmp_path):
    photographs(tmp_path / "photos", 60)
    command = "convcli apply 'photos/*/*' -k box -o out/ --json"
    result = shell(f"{command} | head -n 1; test ${{PIPESTATUS[0]}} -eq 0", tmp_path)
    assert (result.code, result.err, result.out.count(b"\n")) == (0, "", 1)
    some = files_in(tmp_path / "out")
    assert 0 < len(some) <= 60
    assert shell(f"{command} --skip-existing > log && grep -c true log", tmp_path).out == b"%d\n" % len(some)
    assert {name: data for name, data in files_in(tmp_path / "out").items() if name in some} == some


@pytest.mark.slow
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "2> >(head -c 1)"])
def test_lost_messages_stop_nothing(where, tmp_path):
    photographs(tmp_path / "photos", 10)
    command = f"{CONVCLI} apply 'photos/*/*' -k '[[0,1],[2,-9]]' -v -j 2"
    assert shell(f"{command} -o read/", tmp_path).err.count("\n") >= 10
    assert shell(f"{command} -o lost/ {where}", tmp_path).code == 0
    read = files_in(tmp_path / "read")
    assert (len(read), files_in(tmp_path / "lost")) == (10, read)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_batch_goes_on_when_nobody_reads_a_fifo(jobs, tmp_path):
    photographs(tmp_path, 5, (400, 400))
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "003.png")
    command = f"{CONVCLI} apply a/* b/* -k box -j {jobs} -o out/{{stem}}.png"
    result = shell(f"(head -c 10 < out/003.png > /dev/null) & {command}", tmp_path)
    expected = "cannot write out/003.png: Broken pipe\n"
    assert (result.code, result.err) == (1, f"convcli: error: {expected}")
    (tmp_path / "out" / "003.png").unlink()
    assert sorted(files_in(tmp_path / "out")) == ["000.png", "001.png", "002.png", "004.png"]
