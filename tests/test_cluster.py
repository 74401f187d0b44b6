"""A real scheduler and two workers on loopback give the same bytes as this process, even if one dies."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.algorithms import each_convolution
from support.command_line import CONVCLI, ENVIRONMENT, SCRIPTS, TIMEOUT, convcli, npy, save_picture, without_results
from support.geometries import BY_NAME, FILLS, TILED
from support.requests import convolved, differentiated, planned
from test_bands import THREE_BY_THREE, WIDE, as_bytes, numbers, request_for
from test_unshared import LOCAL

from convcli.engine import Execution, Limits
from convcli.engine.cluster import TASKS_PER_THREAD, open_cluster
from convcli.engine.limits import LIMITS
from convcli.engine.patience import Patience
from convcli.errors import ClusterError, ConvcliError, GeometryError, OptionError

# Dask's own programs may warn. Their workers import what the tests let them do.
DASK = {**ENVIRONMENT, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(Path(__file__).parent)}
COMMAND = ("-k", "[[1,2],[3,5]]", "-e", "reflect", "-o", "Z.npy")


def dask(*arguments, log):
    return subprocess.Popen([SCRIPTS / "dask", *arguments], env=DASK, stdout=log, stderr=log)


@contextmanager
def scheduler(folder, workers):
    """Start a scheduler, which writes its file into the folder, and workers; yield their processes."""
    file = folder / "scheduler.json"
    words = ("scheduler", "--no-dashboard", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
    with (folder / "log").open("w") as log:
        first = dask(*words, log=log)
        others = [worker(file, log) for _ in range(workers)]
        while not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.02)
        try:
            yield first, others
        finally:
            for process in (first, *others):
                process.kill()
                process.wait()


def worker(file, log):
    return dask("worker", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--scheduler-file", file, log=log)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cluster")
    with scheduler(path, workers=2):
        yield path


@pytest.fixture(scope="module")
def cluster(folder):
    with open_cluster(f"file:{folder / 'scheduler.json'}") as found:
        yield found


def address(folder):
    return json.loads((folder / "scheduler.json").read_text())["address"]


def both(case, cluster, algorithm="auto", seed=0, memory=40_000, limits=LIMITS):
    """Return a request for this process, the same for the cluster, V and G."""
    here = request_for(case, Execution(algorithm, 1, memory, limits=limits._replace(compiled=False)), seed)
    there = here._replace(execution=replace(here.execution, cluster=cluster))
    return here, there, numbers(case.V, np.float32, seed), numbers(case.Z, np.float64, seed + 3)


@pytest.mark.parametrize(
    "case",
    [*(BY_NAME[f"everything-{fill}"] for fill in FILLS), TILED, LOCAL, BY_NAME["stride-remainder"], BY_NAME["batch"]],
    ids=str,
)
def test_the_same_bytes_as_here(case, cluster):
    here, there, V, G = both(case, cluster, limits=Limits(band=20_000))
    assert as_bytes(convolved(there, V)) == as_bytes(convolved(here, V))
    gradients = differentiated(here, V, G)
    assert as_bytes(differentiated(there, V, G)) == as_bytes(gradients)
    assert differentiated(there, V, G, ("bias",)).bias.tobytes() == gradients.bias.tobytes()


@each_convolution
def test_every_algorithm(algorithm, cluster):
    case = THREE_BY_THREE if algorithm == "winograd" else WIDE
    here, there, V, _ = both(case, cluster, algorithm, memory=600_000)
    assert convolved(there, V).tobytes() == convolved(here, V).tobytes()


def test_results_come_in_order_and_items_are_taken_as_they_are_needed(cluster):
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield -number

    results = cluster.map(abs, items())
    assert next(results) == 0
    assert len(taken) < 10
    assert list(results) == list(range(1, 50))


def test_an_error_comes_back_as_it_is(cluster):
    request = both(BY_NAME["plain"], None)[0]
    with pytest.raises(GeometryError, match=r"^input V: a 4-D kernel needs shape .* or \(H, W\), given \(4,\)$"):
        list(cluster.map(request.convolution.geometry, [(4,)]))


def test_a_worker_that_is_killed_costs_nothing_but_time(folder):
    with (folder / "more.log").open("w") as log, open_cluster(address(folder)) as cluster:
        doomed = worker(folder / "scheduler.json", log)
        await_workers(cluster, 3)
        here, there, V, _ = both(TILED, cluster, "direct", limits=Limits(band=1))
        Z = np.full(here.convolution.geometry(V.shape).output_blocks, np.nan)

        def put(part, tile):
            doomed.send_signal(signal.SIGKILL)
            Z[part] = tile

        planned(there, V).store(V, put)
        assert doomed.wait() == -signal.SIGKILL
        assert Z.astype(np.float32).reshape(-1).tobytes() == convolved(here, V).reshape(-1).tobytes()


def await_workers(cluster, count):
    """Wait until the cluster has this number of workers, which have one thread each."""
    deadline = time.monotonic() + TIMEOUT
    while cluster.tasks_at_once < TASKS_PER_THREAD * count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_scheduler_that_is_lost_midway(tmp_path):
    with scheduler(tmp_path, workers=1) as (process, _), open_cluster(address(tmp_path)) as cluster:
        results = cluster.map(abs, iter(range(100)))
        next(results)
        process.kill()
        with pytest.raises(
            ClusterError, match=r"^lost the scheduler at tcp://127.0.0.1:\d+: see its log, and run this"
        ):
            list(results)


@pytest.mark.slow
def test_a_scheduler_without_workers(tmp_path):
    with (
        scheduler(tmp_path, workers=0),
        pytest.raises(ClusterError, match=r"^tcp://\S+ has no workers: start one with: dask worker tcp://127"),
        open_cluster(address(tmp_path), Patience(start=1)),
    ):
        pass


@pytest.mark.slow
def test_workers_that_all_die(tmp_path):
    patience = Patience(answer=0.5)
    with scheduler(tmp_path, workers=1) as (_, workers), open_cluster(address(tmp_path), patience) as cluster:
        results = cluster.map(abs, iter(range(100)))
        next(results)
        workers[0].kill()
        with pytest.raises(
            ClusterError, match=r"^tcp://\S+ has no workers left: start one with: dask worker tcp://127"
        ):
            list(results)


def test_workers_of_another_version(folder, monkeypatch):
    monkeypatch.setattr("convcli.engine.dask_workers.__version__", "9.9")
    with (
        pytest.raises(
            ClusterError, match=r"^the worker tcp://\S+ has convcli \d\S*, but this is 9\.9: install 9\.9 there$"
        ),
        open_cluster(address(folder)),
    ):
        pass


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Return a folder with V, and the output of apply in this process."""
    path = tmp_path_factory.mktemp("work")
    (path / "V.npy").write_bytes(npy(numbers((3, 500, 700), np.uint16, 0)))
    assert convcli("apply", "V.npy", *COMMAND, cwd=path).code == 0
    (path / "Z.npy").rename(path / "expected.npy")
    return path


@pytest.mark.parametrize("how", ["tcp", "file", "variable"])
def test_apply_says_which_cluster(how, work, folder):
    words = {"tcp": [f"--cluster={address(folder)}"], "file": ["--cluster", f"file:{folder / 'scheduler.json'}"]}
    env = {"DASK_SCHEDULER_ADDRESS": address(folder)}
    result = convcli("apply", "V.npy", *words.get(how, ["--cluster"]), *COMMAND, "--overwrite", cwd=work, env=env)
    assert (result.code, result.err) == (0, "")
    assert (work / "Z.npy").read_bytes() == (work / "expected.npy").read_bytes()


def test_processes_of_this_machine_for_one_run(work):
    arguments = ("grad", "V.npy", "-k", "[[1,2],[3,5]]", "-G", "normal:3", "--wrt", "kernel,bias")
    here, there = convcli(*arguments, cwd=work), convcli(*arguments, "--cluster", "local:2", cwd=work)
    assert (there.code, there.err) == (0, "")
    assert there.out == here.out


FORMS = "tcp://HOST:PORT, local:N or file:SCHEDULER.json"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ("local:0", 2, "cluster: expected local:N with N from 1 to 256, given 'local:0'"),
        ("photo.png", 2, f"cluster: expected {FORMS}, given 'photo.png'"),
        ("http://a:1", 2, f"cluster: expected {FORMS}, given 'http://a:1'"),
        ("", 2, f"cluster: expected {FORMS}, or such an address in DASK_SCHEDULER_ADDRESS, which is not set"),
        ("file:none.json", 1, "cannot read none.json: No such file or directory"),
        ("file:V.npy", 1, "V.npy: expected what dask scheduler --scheduler-file writes, JSON with an address"),
    ],
)
def test_invalid_addresses_are_refused(words, code, complaint, work, monkeypatch):
    monkeypatch.chdir(work)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(ConvcliError) as error, open_cluster(words):
        pass
    assert str(error.value) == complaint
    assert isinstance(error.value, ValueError) == (code == 2)


def test_a_variable_that_holds_no_address(work):
    command = ("apply", "V.npy", *COMMAND, "--overwrite", "--cluster")
    result = convcli(*command, cwd=work, env={"DASK_SCHEDULER_ADDRESS": "nobody"})
    expected = f"convcli: error: --cluster: expected {FORMS}, given 'nobody' in DASK_SCHEDULER_ADDRESS\n"
    assert (result.code, result.err) == (2, expected)


def test_nobody_answers():
    with pytest.raises(ClusterError) as error, open_cluster("tcp://127.0.0.1:1", Patience(start=0.5)):
        pass
    assert str(error.value).startswith("cannot reach a Dask scheduler at tcp://127.0.0.1:1: ")
    assert str(error.value).endswith("is it running? start one with: dask scheduler")
    assert "\n" not in str(error.value)


CHANGES = """
import logging, signal, sys
from dask import config
from convcli.engine.cluster import open_cluster
from convcli.engine.dask_connection import LOGGERS, SILENT
from convcli.engine.patience import Patience
from convcli.errors import ClusterError

def levels():
    return [logging.getLogger(name).level for name in LOGGERS]

def state():
    limit = config.get("distributed.admin.large-graph-warning-threshold")
    return levels(), limit, signal.pthread_sigmask(signal.SIG_BLOCK, ())

import distributed
logging.getLogger("asyncio").setLevel(logging.ERROR)
before = state()
with open_cluster(sys.argv[1]):
    with open_cluster(sys.argv[1]):
        assert set(levels()) == {SILENT}
    assert set(levels()) == {SILENT}
assert state() == before, state()
try:
    with open_cluster("tcp://127.0.0.1:1", Patience(start=0.1)):
        pass
except ClusterError:
    assert state() == before, state()
"""


def test_what_is_changed_for_dask_is_changed_back(folder):
    result = subprocess.run([sys.executable, "-c", CHANGES, address(folder)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    expected = r"^`cluster` needs Dask: pip install .*\[dask\]'$"
    with pytest.raises(OptionError, match=expected), open_cluster("tcp://127.0.0.1:1"):
        pass


@pytest.mark.slow
def test_a_scheduler_that_is_lost_leaves_no_file(tmp_path):
    (tmp_path / "V.npy").write_bytes(npy(numbers((3, 1500, 2000), np.float32, 0)))
    with scheduler(tmp_path, workers=1) as (process, _):
        command = [SCRIPTS / "convcli", "apply", "V.npy", "-k", "gaussian:9", "--algorithm", "direct", "-o", "Z.npy"]
        run = subprocess.Popen(
            [*command, f"--cluster={address(tmp_path)}"], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE
        )
        await_client(tmp_path / "log")
        process.kill()
        _, err = run.communicate(timeout=30)
    assert run.returncode == 1
    assert err.decode().startswith("convcli: error: lost the scheduler at tcp://127.0.0.1:")
    assert err.count(b"\n") == 1
    assert not list(tmp_path.glob("*Z*"))


def await_client(log):
    """Wait until the scheduler has logged a client, and the first bands have been sent."""
    while "Receive client connection" not in log.read_text():
        time.sleep(0.05)
    time.sleep(1.5)


@pytest.mark.slow
def test_pictures_travel_whole_and_outlive_their_worker(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(15):
        V = np.random.default_rng(number).integers(0, 256, (3, 200, 300), np.uint8)
        save_picture(tmp_path / "photos" / f"{number:02}.png", V)
    (tmp_path / "photos" / "broken.png").write_text("no picture")
    command = ["apply", "photos", "-k", "gaussian:2", "-k", "log:1", "--range", "offset", "-q"]
    here = convcli(*command, "-o", "here/", cwd=tmp_path)
    there = [CONVCLI, *command, "-o", "there/", "--cluster", address(folder)]
    with (tmp_path / "log").open("w") as log:
        doomed = worker(folder / "scheduler.json", log)
        while "Starting established connection" not in (tmp_path / "log").read_text():
            time.sleep(0.05)
        process = subprocess.Popen(there, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        while not (tmp_path / "there").exists():
            time.sleep(0.01)
        doomed.kill()
        _, err = process.communicate(timeout=TIMEOUT)
        doomed.wait()
    err, result = without_results(err)
    assert (process.returncode, err) == (here.code, here.err)
    assert result.startswith("convcli: error: 30 files written from 15 images, 1 failed in ")
    found, expected = ({path.name: path.read_bytes() for path in (tmp_path / at).iterdir()} for at in ("there", "here"))
    assert len(expected) == 30
    assert found == expected
