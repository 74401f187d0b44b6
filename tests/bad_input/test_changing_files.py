"""Inputs that another program changes while they are read."""

import os
import subprocess
from io import BytesIO

import numpy as np
import pytest
import tifffile
from support.command_line import CONVCLI, ENVIRONMENT, convcli

SHAPE = (1, 6000, 5000)
SHORTER = "convcli: error: a mapped input (.npy or TIFF) became shorter while it was read: run again on a copy\n"


@pytest.fixture
def folder(tmp_path):
    """Make mapped files of zeros, which take no room on the disk."""
    np.lib.format.open_memmap(tmp_path / "V.npy", "w+", np.float32, SHAPE)
    tifffile.memmap(tmp_path / "V.tif", shape=SHAPE[1:], dtype=np.float32, photometric="minisblack")
    return tmp_path


def start(*arguments, cwd):
    """Start the program, and return when it has opened its input and not yet read it."""
    command = [CONVCLI, *arguments, "-v", "--threads", "1"]
    process = subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.readline().startswith("convcli: note: pads:")
    return process


@pytest.mark.parametrize("name", ["V.npy", "V.tif"])
def test_a_file_that_becomes_shorter(name, folder):
    with start("grad", name, "-k", "gaussian:3", "-o", "g.npz", cwd=folder) as process:
        os.truncate(folder / name, 4096)
        assert (process.wait(60), *process.communicate()) == (1, "", SHORTER)
    assert sorted(os.listdir(folder)) == ["V.npy", "V.tif"]


@pytest.mark.slow
def test_a_replaced_file_is_read_as_it_was_opened(folder):
    with start("grad", "V.npy", "-k", "box", "--wrt", "kernel", "-G", "normal:1", cwd=folder) as process:
        np.save(folder / "other.npy", np.ones((2, 2)))
        os.replace(folder / "other.npy", folder / "V.npy")
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert '"input": [1, 6000, 5000]' in out


def test_a_file_longer_than_its_header_says(tmp_path):
    stream = BytesIO()
    np.save(stream, np.eye(3))
    (tmp_path / "V.npy").write_bytes(stream.getvalue() + bytes(10_000))
    assert convcli("grad", "V.npy", "-k", "box", cwd=tmp_path).code == 0


@pytest.mark.parametrize("name", ["V.npy", "V.tif"])
def test_a_file_shorter_than_its_header_says(name, folder):
    os.truncate(folder / name, 1 << 20)
    result = convcli("grad", name, "-k", "box", "--wrt", "kernel", cwd=folder)
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith(f"convcli: error: cannot read {name}: ")
    assert result.err.count("\n") == 1
