"""Clusters that die, freeze or have certificates: one line in bounded time, no incomplete file and no process left."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import dask
import pytest
from photographs import photographs
from support.command_line import CONVCLI, ENVIRONMENT, TIMEOUT, convcli
from support.folders import files_in
from support.worker_tasks import double, double_slowly, wait
from test_cluster import DASK, SCRIPTS, address, await_workers, scheduler

from convcli.engine.cluster import open_cluster
from convcli.engine.patience import Patience
from convcli.errors import ClusterError, OptionError

BATCH = ("apply", "a/*", "b/*", "-k", "[[0,1],[2,-2]]", "-k", "gaussian:3", "--range", "offset", "-q")


# How long a scheduler may take to answer in these tests, and a worker, which gives a sign of life every half second.
PATIENCE = Patience(start=2, answer=3)
NOT_ANSWERED = "has not answered for 3 seconds"


@contextmanager
def frozen(*processes):
    """Stop processes, whose connections stay open: they only do not answer."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


class TestFrozen:
    """Real processes that SIGSTOP stops, at each moment of a run."""

    @pytest.mark.slow
    def test_a_scheduler_before_the_connection(self, tmp_path):
        complaint = (
            r"^cannot reach a Dask scheduler at tcp://127.0.0.1:\d+: it has not answered for 2 seconds; "
            r"is it running\? start one with: dask scheduler$"
        )
        with (
            scheduler(tmp_path, workers=1) as (process, _),
            frozen(process),
            pytest.raises(ClusterError, match=complaint),
            open_cluster(address(tmp_path), PATIENCE),
        ):
            pass

    @pytest.mark.slow
    def test_a_scheduler_during_the_run(self, tmp_path):
        complaint = rf"^the scheduler at tcp://127.0.0.1:\d+ {NOT_ANSWERED}: see its log, and run this again$"
        with (
            scheduler(tmp_path, workers=1) as (process, _),
            open_cluster(address(tmp_path), PATIENCE) as cluster,
        ):
            results = cluster.map(double_slowly, range(1000))
            next(results)
            with frozen(process), pytest.raises(ClusterError, match=complaint):
                list(results)

    @pytest.mark.slow
    def test_a_scheduler_when_the_run_ends(self, tmp_path):
        """All results are there: a scheduler that does not say goodbye is no error."""
        with (
            scheduler(tmp_path, workers=1) as (process, _),
            ExitStack() as stack,
            open_cluster(address(tmp_path), PATIENCE) as cluster,
        ):
            assert list(cluster.map(double, range(3))) == [0, 2, 4]
            stack.enter_context(frozen(process))

    @pytest.mark.slow
    @pytest.mark.parametrize("others", [0, 1])
    def test_a_worker_before_the_connection(self, others, tmp_path):
        with scheduler(tmp_path, workers=1 + others) as (_, workers):
            with open_cluster(address(tmp_path), PATIENCE) as cluster:
                await_workers(cluster, 1 + others)
            complaint = (
                rf"^the worker tcp://127.0.0.1:\d+ {NOT_ANSWERED}: resume or end what is frozen, and run this again$"
            )
            with (
                frozen(workers[0]),
                pytest.raises(ClusterError, match=complaint),
                open_cluster(address(tmp_path), PATIENCE),
            ):
                pass

    @pytest.mark.slow
    @pytest.mark.parametrize("others", [0, 1])
    def test_a_worker_during_the_run(self, others, tmp_path):
        complaint = (
            rf"^the worker tcp://127.0.0.1:\d+ {NOT_ANSWERED}: resume or end what is frozen, and run this again$"
        )
        with (
            scheduler(tmp_path, workers=1 + others) as (_, workers),
            open_cluster(address(tmp_path), PATIENCE) as cluster,
        ):
            await_workers(cluster, 1 + others)
            results = cluster.map(double_slowly, range(1000))
            next(results)
            with frozen(workers[0]), pytest.raises(ClusterError, match=complaint):
                list(results)

    @pytest.mark.slow
    def test_a_worker_that_resumes_in_time(self, tmp_path):
        with (
            scheduler(tmp_path, workers=1) as (_, workers),
            open_cluster(address(tmp_path), PATIENCE) as cluster,
        ):
            results = cluster.map(double_slowly, range(40))
            next(results)
            with frozen(workers[0]):
                time.sleep(2)
            assert list(results) == [2 * number for number in range(1, 40)]

    @pytest.mark.slow
    def test_a_task_that_takes_longer_than_any_wait(self, tmp_path):
        with (
            scheduler(tmp_path, workers=1),
            open_cluster(address(tmp_path), PATIENCE) as cluster,
        ):
            assert cluster.call(wait, 8) is None

    @pytest.mark.slow
    @pytest.mark.parametrize("which", ["scheduler", "worker"])
    def test_a_batch_with_the_time_limits_that_users_have(self, which, tmp_path):
        photographs(tmp_path, 100, (100, 100))
        command = [CONVCLI, *BATCH, "-o", "there/"]
        with scheduler(tmp_path, workers=1) as (process, (worker,)):
            there = [*command, "--cluster", address(tmp_path)]
            with subprocess.Popen(there, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as run:
                await_files(tmp_path / "there", 5)
                with frozen({"scheduler": process, "worker": worker}[which]):
                    _, err = run.communicate(timeout=100)
        assert (run.returncode, err.count("\n")) == (1, 1)
        assert err.startswith(f"convcli: error: the {which} ")
        assert " has not answered for 20 seconds: " in err
        assert all(name.endswith((".jpg", ".png")) for name in files_in(tmp_path / "there"))


@pytest.mark.slow
def test_a_batch_reports_a_scheduler_that_dies(tmp_path):
    photographs(tmp_path, 100, (100, 100))
    assert convcli(*BATCH, "-o", "here/", cwd=tmp_path).code == 0
    command = [CONVCLI, *BATCH, "-o", "there/"]
    with scheduler(tmp_path, workers=2) as (process, _):
        there = [*command, "--cluster", address(tmp_path)]
        with subprocess.Popen(there, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as run:
            await_files(tmp_path / "there", 5)
            process.kill()
            _, err = run.communicate(timeout=TIMEOUT)
    assert (run.returncode, err.count("\n")) == (1, 1)
    assert err.startswith("convcli: error: lost the scheduler at tcp://127.0.0.1:")
    whole, some = files_in(tmp_path / "here"), files_in(tmp_path / "there")
    assert 5 <= len(some) < 200
    assert some == {name: whole[name] for name in some}
    assert convcli(*BATCH, "-o", "there/", "--skip-existing", cwd=tmp_path).code == 0
    assert files_in(tmp_path / "there") == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name
)
def test_processes_of_this_machine_end_with_the_run(number, tmp_path):
    photographs(tmp_path, 200, (100, 100))
    mark = f"CONVCLI_TEST={tmp_path}"
    with subprocess.Popen(
        [CONVCLI, *BATCH, "-o", "out/", "--cluster", "local:2"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT | dict([mark.split("=")]), start_new_session=True,
    ) as run:  # fmt: skip
        await_files(tmp_path / "out", 5)
        # To the whole process group, as a terminal does.
        os.killpg(run.pid, number)
        _, err = run.communicate(timeout=TIMEOUT)
    assert run.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert err == "" or number == signal.SIGKILL
    deadline = time.monotonic() + TIMEOUT
    while processes_with(mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(name.endswith((".jpg", ".png")) for name in files_in(tmp_path / "out"))


def processes_with(mark):
    """Return the processes that have the mark in their environment."""
    return [each for each in Path("/proc").glob("[0-9]*/environ") if mark.encode() in read(each)]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def await_files(folder, count):
    deadline = time.monotonic() + TIMEOUT
    while len(files_in(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "reason"), [(None, ""), ("absent.pem", ", given those that cannot be read: No such file or directory")]
)
def test_tls_without_certificates(name, reason):
    expected = "`cluster` tls://127.0.0.1:1: expected certificates in Dask's configuration, distributed.comm.tls"
    # Load the default configuration first, so that the end of the block restores it.
    import_module("distributed")
    configured = {"distributed.comm.tls.ca-file": name, "distributed.comm.tls.client.cert": name}
    with dask.config.set(configured), pytest.raises(OptionError) as error, open_cluster("tls://127.0.0.1:1"):
        pass
    assert str(error.value) == expected + reason


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the certificate")
def test_tls(tmp_path):
    photographs(tmp_path, 10)
    certificates = certified(tmp_path)
    command = ("scheduler", "--no-dashboard", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0")
    file, env = tmp_path / "scheduler.json", DASK | certificates
    with (tmp_path / "log").open("w") as log:
        words = ("worker", "--no-nanny", "--no-dashboard")
        started = [
            subprocess.Popen([SCRIPTS / "dask", *each, "--scheduler-file", file], env=env, stdout=log, stderr=log)
            for each in (command, words)
        ]
        await_scheduler(file)
        try:
            there = convcli(*BATCH, "-o", "there/", "--cluster", address(tmp_path), cwd=tmp_path, env=certificates)
        finally:
            for process in started:
                process.kill()
                process.wait()
    assert address(tmp_path).startswith("tls://")
    assert (there.code, there.err) == (0, "")
    assert convcli(*BATCH, "-o", "here/", cwd=tmp_path).code == 0
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")


def await_scheduler(file):
    deadline = time.monotonic() + TIMEOUT
    while not (file.exists() and file.read_text().endswith("}")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def certified(folder):
    """Return the environment that gives Dask a new certificate."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    subprocess.run(["openssl", *request, "-keyout", key, "-out", cert], check=True, capture_output=True)
    roles = ("CLIENT", "SCHEDULER", "WORKER")
    parts = {f"{role}__CERT": cert for role in roles} | {f"{role}__KEY": key for role in roles} | {"CA_FILE": cert}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{part}": str(path) for part, path in parts.items()}
