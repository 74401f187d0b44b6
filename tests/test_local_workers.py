"""``local:N``: worker processes of this machine that nobody else reaches, and whose every wait has an end."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT, shell
from support.requests import convolved, differentiated
from support.worker_tasks import (
    double,
    end_with,
    own_pid,
    print_and_double,
    raise_memory_error,
    send_itself,
    wait,
)
from test_bands import WIDE, as_bytes, numbers, request_for

from convcli.engine import Execution, Limits
from convcli.engine.cluster import open_cluster
from convcli.engine.patience import Patience
from convcli.errors import ClusterError

# Enough for a process to start on a busy machine, and for a few of its signs of life, one per second.
PATIENCE = Patience(answer=3, process=30)
WORKER = r"^a worker process of this machine \(PID \d+\) "


@pytest.fixture(scope="module")
def cluster():
    with open_cluster("local:2", PATIENCE) as found:
        yield found


def test_results_come_in_order_and_items_are_taken_as_they_are_needed(cluster):
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    results = cluster.map(double, items())
    assert next(results) == 0
    assert len(taken) < 10
    assert list(results) == [2 * number for number in range(1, 50)]


def test_many_callers_at_once(cluster):
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda number: cluster.call(double, number), range(50))) == list(range(0, 100, 2))


def test_both_processes_work(cluster):
    found = set(cluster.map(own_pid, range(50)))
    assert len(found) == 2
    assert os.getpid() not in found


def test_what_work_prints_does_not_come_between_results(cluster):
    assert list(cluster.map(print_and_double, range(4))) == [0, 2, 4, 6]


def test_errors_come_back_as_they_are(cluster):
    with pytest.raises(MemoryError, match=r"^cannot allocate 5 bytes$"):
        cluster.call(raise_memory_error, None)
    assert cluster.call(double, 4) == 8


def test_work_that_cannot_be_read_there_ends_nothing(cluster):
    namesake = type("Absent", (), {"__reduce__": lambda self: (double, ())})()
    with pytest.raises(TypeError, match=r"^double\(\) missing 1 required positional argument: 'number'$"):
        cluster.call(double, namesake)
    assert cluster.call(double, 4) == 8


@pytest.mark.slow
def test_a_silent_worker_that_computes_is_not_frozen(cluster):
    assert cluster.call(wait, PATIENCE.answer + 1.5) is None


class TestLost:
    @pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
    def test_a_worker_that_freezes(self, count):
        complaint = WORKER + "has not answered for 1.5 seconds, and was ended: run this again$"
        others = psutil.Process().children()
        with open_cluster(f"local:{count}", PATIENCE._replace(answer=1.5)) as cluster:
            found = set(psutil.Process().children()).difference(others)
            with pytest.raises(ClusterError, match=complaint):
                list(cluster.map(send_itself, ["SIGSTOP"] * 3))
        assert gone(found)

    def test_a_worker_that_is_killed(self):
        complaint = WORKER + "was ended by SIGKILL; use fewer processes, or a smaller `memory`$"
        with (
            open_cluster("local:2", PATIENCE) as cluster,
            pytest.raises(ClusterError, match=complaint),
        ):
            list(cluster.map(send_itself, ["SIGKILL"]))

    def test_the_last_words_of_a_worker(self):
        complaint = (
            WORKER + r"ended with exit code 3 \(no memory for BLAS\); use fewer processes, or a smaller `memory`$"
        )
        with (
            open_cluster("local:1", PATIENCE) as cluster,
            pytest.raises(ClusterError, match=complaint),
        ):
            cluster.call(end_with, "no memory for BLAS")

    @pytest.mark.slow
    def test_a_worker_that_never_starts(self, tmp_path, monkeypatch):
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        complaint = WORKER + "has not answered for 1 seconds, and was ended: run this again$"
        with (
            open_cluster("local:1", Patience(process=1)) as cluster,
            pytest.raises(ClusterError, match=complaint),
        ):
            cluster.call(double, 1)

    def test_a_program_that_is_not_there(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/absent/python")
        complaint = (
            "^cannot start 3 worker processes: No such file or directory; use fewer, or raise the limits "
            r"\(ulimit -u, ulimit -n\)$"
        )
        with pytest.raises(ClusterError, match=complaint), open_cluster("local:3"):
            pass

    @pytest.mark.slow
    def test_a_task_that_is_too_large_for_a_pipe_does_not_wait_for_a_frozen_worker(self):
        """To write to a process that is stopped is itself a wait."""
        with open_cluster("local:1", PATIENCE._replace(answer=1.5)) as cluster:
            os.kill(cluster.call(own_pid, None), signal.SIGSTOP)
            with pytest.raises(ClusterError, match=r"has not answered for 1\.5 seconds"):
                cluster.call(len, bytes(10_000_000))


def gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=TIMEOUT)
    return not alive


def test_workers_end_when_nothing_is_left_to_do():
    others = psutil.Process().children()
    with open_cluster("local:3", PATIENCE) as cluster:
        found = set(psutil.Process().children()).difference(others)
        assert len(found) == 3
        cluster.call(double, 1)
    assert gone(found)


@pytest.fixture
def waiting(tmp_path):
    """Yield a run of the program that waits for an image from a FIFO, and its two workers."""
    os.mkfifo(tmp_path / "in.png")
    command = [CONVCLI, "apply", "in.png", "-k", "box:3", "-o", "out.png", "--cluster", "local:2"]
    with subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        found, deadline = psutil.Process(process.pid), time.monotonic() + TIMEOUT
        while len(found.children()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield [found, *found.children()]
        process.kill()


class TestNobodyElse:
    def test_nothing_listens(self, waiting):
        """Without a socket that listens, there is nothing that a stranger could connect with."""
        for process in waiting:
            assert process.net_connections(kind="all") == []

    def test_a_scheduler_would_be_found(self):
        with socket.create_server(("127.0.0.1", 0)):
            assert psutil.Process().net_connections(kind="all")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_another_user_cannot_open_the_pipes(self, waiting):
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        for process in waiting:
            for number in os.listdir(f"/proc/{process.pid}/fd"):
                pipe = f"/proc/{process.pid}/fd/{number}"
                for command in (["cat", pipe], ["dd", "if=/dev/zero", f"of={pipe}", "count=1"]):
                    stranger = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, **nobody)
                    assert stranger.returncode == 1
                    assert "Permission denied" in stranger.stderr


def test_the_same_bytes_as_here(cluster):
    # Workers choose no compiled loops; here, earlier tests may have loaded some.
    here = request_for(WIDE, Execution("auto", 1, 600_000, limits=Limits(compiled=False)), seed=0)
    there = here._replace(execution=replace(here.execution, cluster=cluster, limits=Limits(band=20_000)))
    V, G = numbers(WIDE.V, np.float32, 0), numbers(WIDE.Z, np.float64, 3)
    assert as_bytes(convolved(there, V)) == as_bytes(convolved(here, V))
    assert as_bytes(differentiated(there, V, G)) == as_bytes(differentiated(here, V, G))


@pytest.mark.parametrize("files", [10, 14, 20])
def test_few_open_files(files, tmp_path):
    """The run succeeds or says in one line what it could not do."""
    script = f"ulimit -n {files}; exec convcli apply '[[1,2],[3,4]]' -k box:3 -o Z.npy --cluster local:2"
    result = shell(script, cwd=tmp_path)
    written = [path.name for path in tmp_path.iterdir()]
    if result.code == 0:
        assert (result.err, written) == ("", ["Z.npy"])
    else:
        assert (result.code, result.err.count("\n"), written) == (1, 1, [])
        assert result.err.startswith("convcli: error: ")


@pytest.mark.slow
def test_a_program_that_is_stopped_itself_does_not_call_its_workers_frozen(tmp_path):
    """Ctrl-Z stops the program, and not its workers."""
    script = (
        "from support.worker_tasks import double_slowly\n"
        "from convcli.engine.cluster import open_cluster\n"
        "from convcli.engine.patience import Patience\n"
        "with open_cluster('local:1', Patience(answer=2)) as cluster:\n"
        "    for number in cluster.map(double_slowly, range(60)):\n"
        "        print(number, flush=True)\n"
    )
    env = ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        process.send_signal(signal.SIGCONT)
        rest, _ = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, rest.split()) == (0, [str(2 * number) for number in range(1, 60)])
