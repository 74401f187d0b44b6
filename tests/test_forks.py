"""A child that is forked while other threads compute can compute itself, and gets the right numbers."""

import multiprocessing
import os
import pickle
import select
import signal
import threading
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support import reference
from support.command_line import TIMEOUT, save_picture
from test_threads import blas_threads

import convcli
from convcli import conv2d, conv2d_grad, filter_image
from convcli.engine import Factorisation, factors
from convcli.engine.threads import BLAS_ON_ONE_THREAD
from convcli.files.shared_change import SharedChange

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    # Python 3.12 warns of what is tested here.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

V = np.random.default_rng(0).integers(0, 9, (2, 40, 50)).astype(np.float32)
K = np.arange(9.0).reshape(3, 3)
Z = reference.conv2d(V[:, None], K[None, None], (1, 1), (0, 0, 0, 0), (1, 1), 1, "zero")[:, 0]


def in_child(check):
    """Return what ``check`` returns in a forked child, which is killed if it does not answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(check()))
        finally:
            os._exit(0)
    os.close(writing)
    try:
        assert select.select([reading], [], [], TIMEOUT)[0], "the child waits for ever"
        return pickle.loads(os.read(reading, 1 << 20))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)


@contextmanager
def busy(work):
    """Let two threads work until the end."""
    begun, done = threading.Barrier(3), threading.Event()

    def repeat():
        work()
        begun.wait(TIMEOUT)
        while not done.is_set():
            work()

    threads = [threading.Thread(target=repeat) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(TIMEOUT)
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(TIMEOUT)


def convolve():
    return conv2d(V, K, threads=2, memory=1 << 16)


def differentiate():
    return conv2d_grad(V, K, np.ones_like(Z)).kernel


def factorise():
    """Compute with a kernel that has not been used before, so that its factors and its plan are made."""
    return conv2d(V, np.random.default_rng().normal(size=(9, 9))).shape


@pytest.fixture
def filter_file(tmp_path):
    """Return the function that filters a picture's file, with whatever is changed for Pillow meanwhile."""
    save_picture(tmp_path / "in.png", np.random.default_rng(0).integers(0, 256, (3, 30, 40), np.uint8))
    return lambda: filter_image(tmp_path / "in.png", "gaussian:1").maps.values


def forks_while_busy(work, check, forks):
    expected = check()
    with busy(work):
        found = [in_child(check) for _ in range(forks)]
    for each in found:
        assert np.array_equal(each, expected)


@pytest.mark.parametrize("work", [convolve, differentiate, factorise])
@pytest.mark.parametrize("forks", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_other_threads_compute(work, forks, soak):
    forks_while_busy(work, work, forks * soak)


@pytest.mark.parametrize("forks", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_other_threads_read_pictures(filter_file, forks, soak):
    forks_while_busy(filter_file, filter_file, forks * soak)


def test_the_numbers_of_a_child_are_right():
    with busy(convolve):
        assert np.array_equal(in_child(convolve), Z)
    assert np.array_equal(convolve(), Z)


@pytest.mark.parametrize(
    "method", ["fork", *(pytest.param(each, marks=pytest.mark.slow) for each in ("forkserver", "spawn"))]
)
def test_multiprocessing(method):
    with busy(convolve), multiprocessing.get_context(method).Pool(2) as pool:
        results = [pool.apply_async(conv2d, (V, K), {"threads": 2, "memory": 1 << 16}) for _ in range(4)]
        for result in results:
            assert np.array_equal(result.get(TIMEOUT), Z)


def test_a_child_of_a_thread_that_computes():
    """The thread that forks is inside the change, in the child too."""

    def threads_within_and_after():
        within = blas_threads()
        return within, conv2d(V, K).tobytes(), blas_threads()

    with BLAS_ON_ONE_THREAD:
        within, computed, after = in_child(threads_within_and_after)
    assert 1 in within
    assert after == within
    assert np.array_equal(np.frombuffer(computed, np.float32).reshape(Z.shape), Z)


def test_blas_gets_its_threads_back_in_a_child_of_another_thread():
    before = blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with BLAS_ON_ONE_THREAD:
            entered.set()
            leave.wait(TIMEOUT)

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait(TIMEOUT)
    try:
        assert in_child(blas_threads) == before
    finally:
        leave.set()
        thread.join()
    assert blas_threads() == before


def test_a_fork_waits_for_a_change_that_is_being_made():
    """Half of a change would stay in the child for ever."""
    state, entered = [], threading.Event()

    @contextmanager
    def change():
        state.append("begun")
        entered.set()
        threading.Event().wait(0.1)
        state.append("made")
        yield
        state.clear()

    shared = SharedChange(change)

    def enter():
        with shared:
            threading.Event().wait(0.3)

    def look_and_enter():
        found = list(state)
        with shared:
            return found, list(state)

    thread = threading.Thread(target=enter)
    thread.start()
    entered.wait(TIMEOUT)
    # The other thread is inside, but not in the child.
    assert in_child(look_and_enter) == ([], ["begun", "made"])
    assert state == ["begun", "made"]
    thread.join()
    assert state == []


def test_a_child_of_a_process_that_factorises(monkeypatch):
    """Python 3.11 has a lock for each cached property, which all objects of the class share."""
    entered, leave = threading.Event(), threading.Event()
    skeleton = factors._skeleton

    def wait(kernel):
        entered.set()
        leave.wait(TIMEOUT)
        return skeleton(kernel)

    def exact():
        monkeypatch.undo()
        return Factorisation(np.ones((1, 3, 3))).exact is not None

    monkeypatch.setattr(factors, "_skeleton", wait)
    thread = threading.Thread(target=lambda: Factorisation(np.ones((1, 3, 3))).exact)
    thread.start()
    entered.wait(TIMEOUT)
    try:
        assert in_child(exact)
    finally:
        leave.set()
        thread.join()


def cached_properties():
    """Return all cached properties of classes of the package."""
    package = Path(convcli.__file__).parent
    paths = [path for path in package.rglob("*.py") if "cached_property" in path.read_text()]
    modules = [import_module(".".join(path.relative_to(package.parent).with_suffix("").parts)) for path in paths]
    classes = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    return [each for cls in classes for each in vars(cls).values() if isinstance(each, cached_property)]


@pytest.mark.skipif(not hasattr(cached_property(len), "lock"), reason="only Python 3.11 locks cached properties")
def test_a_child_has_new_locks_for_all_cached_properties():
    properties = cached_properties()
    locks = [each.lock for each in properties]
    assert len(locks) >= 7
    assert in_child(lambda: [each.lock is lock for each, lock in zip(properties, locks, strict=True)].count(True)) == 0
    assert [each.lock for each in properties] == locks
