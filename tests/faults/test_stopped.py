"""Ctrl-C, SIGTERM and SIGHUP: files in progress are finished or undone, and the exit code is 128 plus the signal."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from photographs import photographs
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT
from support.folders import files_in

from convcli.apply.concurrency import map_in_order
from convcli.cli.stopping import SIGNALS, Stopped, finishing_work, raise_on_signals

each_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
BATCH = ("apply", "photos/*/*", "-k", "[[0,1],[2,-2]]", "-o", "out/", "-j", "2", "--range", "offset")
IGNORED = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def handlers(monkeypatch):
    """Restore the signal handlers."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@each_signal
def test_the_first_signal_is_raised_and_the_second_ends_at_once(number, handlers):
    raise_on_signals()
    with pytest.raises(Stopped) as first:
        signal.raise_signal(number)
    with pytest.raises(Stopped) as second:
        signal.raise_signal(number)
    assert [(each.value.number, each.value.at_once) for each in (first, second)] == [(number, False), (number, True)]


@each_signal
def test_in_a_batch_the_second_signal_is_raised(number, handlers):
    with finishing_work() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert (stop.is_set(), stop.number) == (True, number)
        with pytest.raises(Stopped) as second:
            signal.raise_signal(signal.SIGTERM)
        assert (second.value.number, second.value.at_once) == (signal.SIGTERM, True)
    assert {each: signal.getsignal(each) for each in SIGNALS} == handlers


DELETED = """
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

deleted = Deleted()
del deleted
print("went on")
"""
AT_EXIT = """
threading.Thread(target=lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.3))).start()
"""


@pytest.mark.parametrize("script", [DELETED, AT_EXIT], ids=["while an object is deleted", "while threads are joined"])
def test_a_signal_where_python_cannot_raise(script):
    begin = "import os, signal, threading, time\nfrom convcli.cli import stopping\nstopping.raise_on_signals()\n"
    done = subprocess.run([sys.executable, "-c", begin + script], capture_output=True, env=ENVIRONMENT, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, b"", b"")


CLUMSY = """
import sys

class Clumsy:
    def __del__(self):
        raise ValueError("too late")

clumsy = Clumsy()
del clumsy
"""


@pytest.mark.parametrize("wanted", ["", "1"])
def test_an_error_while_an_object_is_deleted_is_one_line(wanted):
    script = f"from convcli.cli import stopping\nstopping.raise_on_signals()\n{CLUMSY}"
    environment = ENVIRONMENT | {"CONVCLI_TRACEBACK": wanted}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, timeout=TIMEOUT)
    line = b"convcli: warning: unexpected ValueError: too late; please report it, with what CONVCLI_TRACEBACK=1 shows\n"
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"Traceback" in done.stderr if wanted else done.stderr == line


def test_an_ignored_signal_stays_ignored(handlers):
    IGNORED()
    raise_on_signals()
    with finishing_work() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_an_immediate_stop_waits_for_no_file():
    """An item that blocks, such as a FIFO to which nobody writes, would delay the end for ever."""
    blocked, stop = threading.Event(), threading.Event()

    def work(item):
        if item == 2:
            raise Stopped(signal.SIGTERM, at_once=True)
        return item == 0 or blocked.wait(TIMEOUT)

    try:
        results = map_in_order(work, [0, 1, 2], 2, stop)
        assert next(results)
        results.close()
        assert not blocked.is_set()
    finally:
        blocked.set()


@contextmanager
def running(*arguments, cwd, **options):
    """Run the program in a process."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | options
    with subprocess.Popen(
        [str(CONVCLI), *map(str, arguments)], cwd=cwd, env=ENVIRONMENT, text=True, **given
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def outputs(folder):
    return os.listdir(folder / "out") if (folder / "out").exists() else []


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGHUP, 2)])
def test_a_stopped_batch_finishes_the_files_in_progress(number, jobs, tmp_path):
    photographs(tmp_path / "photos", 120, (90, 90))
    with running(*BATCH, f"-j{jobs}", cwd=tmp_path) as process:
        await_(lambda: len(outputs(tmp_path)) > 5)
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)
    done = len(outputs(tmp_path))
    line = f"convcli: interrupted: {done} of 120 files are done: use --skip-existing to resume"
    assert (process.returncode, err.splitlines()[-1]) == (128 + number, line)
    assert set(outputs(tmp_path)) <= {path.name for path in (tmp_path / "photos").rglob("*.*")}


def test_without_a_terminal_nohup_keeps_it_running(tmp_path):
    photographs(tmp_path / "photos", 60)
    with running(*BATCH, "-q", cwd=tmp_path, preexec_fn=IGNORED) as process:
        await_(lambda: outputs(tmp_path))
        process.send_signal(signal.SIGHUP)
        assert (process.wait(TIMEOUT), process.stderr.read()) == (0, "")
    assert len(outputs(tmp_path)) == 60


def test_a_signal_while_a_large_array_is_computed(tmp_path):
    np.save(tmp_path / "V.npy", np.zeros((3, 1500, 1500), np.float32))
    before = files_in(tmp_path)
    command = ("apply", "V.npy", "-k", "disk:20", "--algorithm", "direct", "-o", "Z.npy")
    with running(*command, cwd=tmp_path) as process:
        await_(lambda: maps_something(process, tmp_path))
        process.send_signal(signal.SIGTERM)
        assert (process.wait(TIMEOUT), process.stderr.read()) == (143, "")
    assert files_in(tmp_path) == before


def maps_something(process, folder):
    with open(f"/proc/{process.pid}/maps") as maps:
        return f"{folder}/#" in maps.read()


@pytest.mark.parametrize("where", ["-", "fifo"])
def test_a_signal_while_waiting_for_input(where, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR)
    with running("apply", where, "-k", "box", "-o", "a.png", cwd=tmp_path, stdin=writer) as process:
        os.write(writer, b"[")
        await_(lambda: is_read(writer))
        # Until it waits for more: Python checks for signals when a read ends, not when it starts.
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert (process.wait(TIMEOUT), process.stderr.read()) == (143, "")
    os.close(writer)
    assert os.listdir(tmp_path) == ["fifo"]


def is_read(pipe):
    """Return whether the pipe is empty."""
    return not any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, None], ids=["SIGTERM", "gone"])
def test_a_terminal_gets_its_cursor_back_and_may_close(number, tmp_path):
    photographs(tmp_path / "photos", 120, (150, 150))
    ours, theirs = pty.openpty()
    take = partial(fcntl.ioctl, 2, termios.TIOCSCTTY, 0)
    with running(*BATCH, cwd=tmp_path, stderr=theirs, start_new_session=True, preexec_fn=take) as process:
        os.close(theirs)
        shown = b""
        while not (b"/120" in shown and len(outputs(tmp_path)) > 5):
            shown += read_now(ours)
        if number:
            process.send_signal(number)
            while more := read_now(ours):
                shown += more
        os.close(ours)
        code = process.wait(TIMEOUT)
    assert code == 128 + (number or signal.SIGHUP)
    assert number is None or shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1
    assert set(outputs(tmp_path)) <= {path.name for path in (tmp_path / "photos").rglob("*.*")}


def read_now(terminal):
    """Return what the terminal receives within a second; nothing if the other side has closed it."""
    try:
        return os.read(terminal, 65536) if select.select([terminal], [], [], 1)[0] else b""
    except OSError:
        return b""
