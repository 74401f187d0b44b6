"""What convcli does without the names that only Linux, or only POSIX systems, have.

Nothing here runs on macOS or Windows: names that they do not have are deleted before convcli is imported.
"""

import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import psutil
import pytest
from support.command_line import ENVIRONMENT, TIMEOUT

from convcli.files import memory
from convcli.files.memory import Memory, available_memory
from convcli.files.whole_files import IfExists, write_atomically

NO_MACOS = {
    "os": "O_TMPFILE getxattr listxattr memfd_create posix_fallocate removexattr sched_getaffinity setxattr",
    "signal": "SIGPWR SIGRTMIN SIGSTKFLT",
}
NO_WINDOWS = {
    "os": NO_MACOS["os"]
    + " O_CLOEXEC fchmod fchown fork forkpty getpgrp getuid geteuid mkfifo register_at_fork sysconf tcgetpgrp",
    "signal": NO_MACOS["signal"] + " SIGALRM SIGBUS SIGHUP SIGPIPE SIGUSR1 pthread_sigmask setitimer sigwait",
}
POSIX_MODULES = ["fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"]
SYSTEMS = {"macOS": (NO_MACOS, []), "Windows": (NO_WINDOWS, POSIX_MODULES)}

# On Linux, asyncio of Python 3.12 and newer needs sysconf while it is imported.
SCRIPT = """
import asyncio, os, signal, sys
names, modules, commands = {!r}
for module, absent in names.items():
    for name in absent.split():
        delattr(sys.modules[module], name)
sys.modules.update(dict.fromkeys([*modules, "distributed"]))
from convcli.cli import main
for command in commands:
    sys.argv[1:] = command.split()
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, command
"""
COMMANDS = [
    "apply [[1,2],[3,4]] -k box:2 -o Z.npy -q --cluster local:1",
    "apply sample:camera -k sobel-x -o Z.png -q",
    "apply sample:camera -k identity -o Z.png -q --overwrite --threads 2",
    "grad Z.png -k box:3 --wrt dK -o dK.npz -q",
]


@pytest.mark.parametrize("system", SYSTEMS)
def test_commands_run_without_names_that_a_system_does_not_have(system, tmp_path):
    names, modules = SYSTEMS[system]
    script = SCRIPT.format((names, modules, COMMANDS))
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Z.npy", "Z.png", "dK.npz"]
    assert np.load(BytesIO((tmp_path / "Z.npy").read_bytes())).shape == (2, 2)


def test_a_file_is_closed_before_it_replaces_another(tmp_path, monkeypatch):
    """Windows renames no open file."""
    path, replace = tmp_path / "a.bin", os.replace
    path.write_bytes(b"old")

    def replace_closed(source, target):
        assert source not in {each.path for each in psutil.Process().open_files()}
        replace(source, target)

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "replace", replace_closed)
    with write_atomically(path, IfExists.REPLACE) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Take away the folders in which Linux says how much memory there is."""
    for name in ("CGROUPS", "MEMINFO", "PROC"):
        monkeypatch.setattr(memory, name, tmp_path / "absent")


def test_without_proc_psutil_knows_the_free_memory(elsewhere, monkeypatch):
    free = psutil.virtual_memory()._replace(available=12345)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert available_memory() == Memory(12345, "the free memory of the machine")


def test_without_psutil_it_is_the_memory_of_the_machine(elsewhere, monkeypatch):
    total = psutil.virtual_memory().total
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert available_memory() == Memory(total, "the machine's memory")
