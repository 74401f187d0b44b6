"""Disks that are full, read-only or removed; limits on files and threads: one line, and no incomplete file."""

import errno
import hashlib
import os
import re
import resource
import shlex
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from in_process import exit_code
from photographs import photographs
from support.command_line import save_picture, shell
from support.folders import files_in
from support.rights import shell_with_mounts

from convcli.files import large_arrays
from convcli.files.memory import Memory

SIZE = 64 << 10
# Every kind of output, each larger than SIZE.
COMMANDS = [
    "apply V.png -k [[1]] -o out/Z.png",
    "apply V.png -k [[1]] -o out/Z.jpg",
    "apply V.png -k [[1]] -o out/Z.tif",
    "apply V.png -k [[1]] -o out/Z.webp",
    "apply V.npy -k box -o out/Z.npy",
    "apply V.npy -k box -k sobel-x --combine magnitude -o out/Z.npy",
    "grad V.npy -k box -o out/g.npz",
    "grad V.npy -k box --wrt input -o out/g.npy",
    "grad V.npy -k box -o out/g.csv",
    "grad V.npy -k box -o out/g.json",
    "grad V.npy -k box -f text --full -o out/g.txt",
    "grad V.npy -k noise.npy --step 0.1 -o out/g.json",
    "matrix --input-shape 1,25,25 -k noise.npy -o out/M.npz",
    "matrix --input-shape 1,17,17 -k noise.npy -o out/M.mtx",
    "matrix --input-shape 1,17,17 -k noise.npy -o out/M.json",
    "kernels noise.npy --json -o out/k.json",
]
each_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    save_picture(tmp_path / "V.png", random.integers(0, 256, (3, 300, 400), np.uint8))
    np.save(tmp_path / "V.npy", random.random((3, 100, 120)))
    np.save(tmp_path / "noise.npy", random.random((61, 61)))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


SMALL_DISK = f"mount -t tmpfs -o size={SIZE} tmpfs out"
# What is left in the folder, and what the command said.
LEFT = "; code=$?; (cd out && find . -type f -exec sha256sum {} + | sort -k2); exit $code"


def run_mounted(mount, command, folder):
    """Return what a command says, its exit code, and the checksum of each file that it leaves in out/."""
    result = shell_with_mounts(f"{mount} && convcli {command}{LEFT}", folder)
    return result.err, result.code, dict(reversed(line.split("  ./")) for line in result.out.decode().splitlines())


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command, monkeypatch):
    return exit_code(shlex.split(command), monkeypatch, os.open(os.devnull, os.O_WRONLY))


def assert_refused(command, reason, monkeypatch, capsys):
    """Assert that the command prints one line, exits with 1 and leaves no file."""
    name = command.split()[-1]
    code, err = run(f"{command} --quiet", monkeypatch), capsys.readouterr().err
    assert re.fullmatch(rf"convcli: error: cannot write ({name}|the image as \w+): {reason}\n", err), err
    assert (code, files_in(Path("out"))) == (1, {})


@pytest.mark.slow
@each_command
def test_a_small_disk(command, folder):
    err, code, left = run_mounted(SMALL_DISK, f"{command} --quiet", folder)
    name = command.split()[-1]
    assert re.fullmatch(rf"convcli: error: cannot write ({name}|the image as \w+): No space left on device\n", err), err
    assert (code, left) == (1, {})


@each_command
def test_a_limit_on_file_sizes(command, folder, monkeypatch, capsys):
    """The limit of ulimit -f, which needs no privileges."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, before[1]))
    try:
        assert_refused(command, "File too large", monkeypatch, capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_existing_file_survives_a_full_disk(folder):
    (folder / "old").write_bytes(b"old")
    command = "apply V.png -k [[1]] -o out/Z.png --overwrite"
    err, code, left = run_mounted(f"{SMALL_DISK} && cp old out/Z.png", command, folder)
    assert err == "convcli: error: cannot write out/Z.png: No space left on device\n"
    assert (code, left) == (1, {"Z.png": checksum(folder / "old")})


def test_a_batch_writes_the_files_that_fit(folder):
    np.save(folder / "small.npy", np.ones((1, 9, 9)))
    assert shell("convcli apply small.npy -k box -o out/{stem}.npy", folder).code == 0
    expected = checksum(folder / "out" / "small.npy")
    err, code, left = run_mounted(SMALL_DISK, "apply V.npy small.npy -k box -o out/{stem}.npy", folder)
    failed = "cannot write out/V.npy: No space left on device\n"
    assert (err, code, left) == (f"convcli: error: {failed}", 1, {"small.npy": expected})


@pytest.mark.parametrize(
    "command", ["grad V.npy -k box -G normal:1 -o out/g.npz", "apply V.png -k box --linear -f npy -o out/Z.npy"]
)
def test_a_full_temporary_folder(command, folder, monkeypatch, capsys):
    """Arrays that are too large for memory are kept in the temporary folder."""

    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(large_arrays, "SMALL", 1 << 10)
    monkeypatch.setattr(large_arrays, "available_memory", lambda: Memory(1 << 12, "the test"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "temporary"))
    (folder / "temporary").mkdir()
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert run(command, monkeypatch) == 1
    kept = r"cannot keep \S+ \wB in \S+/temporary: No space left on device; set TMPDIR to a folder with enough space"
    assert re.fullmatch(f"convcli: error: {kept}\n", capsys.readouterr().err)
    assert files_in(folder / "out") == {}


@pytest.mark.parametrize("name", ["V.png", "new/V.png", "there.png"])
def test_a_read_only_disk(name, folder):
    (folder / "out" / "there.png").write_bytes(b"old")
    mount = "mount --bind out out && mount -o remount,ro,bind out"
    command = f"apply V.png -k box --overwrite -o out/{name.replace('V', '{stem}')}"
    err, code, left = run_mounted(mount, command, folder)
    assert err == f"convcli: error: cannot write out/{name}: Read-only file system\n"
    assert (code, left) == (1, {"there.png": checksum(folder / "out" / "there.png")})
    assert files_in(folder / "out") == {"there.png": b"old"}


def test_a_thread_that_cannot_be_started(folder, monkeypatch, capsys):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run("apply V.npy noise.npy -k box -o out/{stem}.tif -j 2 -q", monkeypatch) == 1
    assert capsys.readouterr().err == (
        "convcli: error: cannot start a thread: use smaller --jobs and --threads, or raise the limit (ulimit -u)\n"
    )
    assert files_in(folder / "out") == {}


@pytest.mark.slow
def test_few_open_files(tmp_path):
    """The limits are enough for some files, but not for eight: failures are reported, and each output is complete."""
    photographs(tmp_path, 30)
    command = "convcli apply a/* b/* -k box -q -f png"
    assert shell(f"{command} -o all/", tmp_path).code == 0
    whole, done = files_in(tmp_path / "all"), []
    for limit in range(9, 20, 2):
        result = shell(f"ulimit -n {limit}; PYTHONWARNINGS= exec {command} -j 8 -o some{limit}/", tmp_path)
        some = files_in(tmp_path / f"some{limit}")
        each = result.err.splitlines()
        expected = re.compile(r"convcli: error: cannot (read|write|open|load|start) .*Too many open files.*")
        assert [line for line in each if not expected.fullmatch(line)] == []
        if len(some) < 30 and each:
            assert f"{len(some)} written, {30 - len(some)} failed" in result.result
        assert (result.code, some) == (int(len(some) < 30), {name: whole[name] for name in some})
        done.append(len(some))
    assert min(done) < 30, "no limit was too low"
    assert sum(done) > 0, "every limit was too low"


def test_a_removed_current_folder(tmp_path):
    photographs(tmp_path, 1)
    gone = "mkdir gone; cd gone; rmdir $PWD; convcli apply ../a/000.jpg -k box"
    result = shell(gone, tmp_path)
    expected = "convcli: error: cannot find the folder of 000.box.jpg: the current folder has been removed\n"
    assert (result.code, result.err) == (1, expected)
    command = gone.replace("..", str(tmp_path))
    assert shell(f"{command} -o {tmp_path}/a.png", tmp_path).code == 0
    assert (tmp_path / "a.png").exists()


def test_with_no_streams_no_home_and_no_locale(tmp_path):
    photographs(tmp_path, 1)
    (tmp_path / "a" / "000.jpg").rename(tmp_path / "grün 漢.jpg")
    python = "PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C PATH=$PATH"
    result = shell(f"env -i {python} convcli apply 'grün 漢.jpg' -k box <&- >&- 2>&-", tmp_path)
    assert (result.code, result.out, result.err) == (0, b"", "")
    assert (tmp_path / "grün 漢.box.jpg").read_bytes().startswith(b"\xff\xd8")
