"""The algorithm ``compiled``: its sums, its cache of machine code, and when the planner chooses it.

The tests of all algorithms run it too, where the extra ``fast`` is installed.
"""

import os
import sys
from collections import defaultdict
from math import ceil
from subprocess import PIPE, Popen, run

import numpy as np
import pytest
from support import reference
from support.algorithms import MISSING
from support.command_line import convcli
from support.geometries import geometry_of
from support.reference import assert_same

from convcli import conv2d, conv2d_grad, conv2d_plan
from convcli.engine import AUTO, CONVOLUTIONS, Execution, Limits, Refusal, Workload, choose_convolution, executor
from convcli.engine.algorithms import compiled
from convcli.engine.compiled import machine_code, starts
from convcli.engine.compiled.blocks import Blocks, blocks_of
from convcli.errors import OptionError

needs_numba = pytest.mark.skipif(bool(MISSING["compiled"]), reason=MISSING["compiled"] or "installed")
PHOTO = (3, 3000, 4000)
LOADED_BEFORE = []
THREE = Blocks("float64", 3, 0, 3, 0, True, True)


def noise(shape, dtype=np.float64, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def work(V, K, **options):
    return Workload(geometry_of(V, K, padding="same"), np.dtype(np.float32), 16 << 20, **options)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(machine_code, "can_import", lambda library: False)
    monkeypatch.setattr(machine_code, "missing", machine_code.missing.__wrapped__)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the path of the cache file of 3x3 weights, in an empty folder, with nothing loaded."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    forget(monkeypatch)
    return machine_code.cache_path(THREE.name)


def forget(monkeypatch):
    """Have the next use load or compile code again. What was loaded stays in memory, as in any process."""
    LOADED_BEFORE.append(machine_code._LOADED)
    machine_code._is_stored.cache_clear()
    monkeypatch.setattr(machine_code, "_LOADED", {})


class TestWithoutNumba:
    def test_a_request_says_how_to_install_it(self, without_numba):
        reason = "it compiles its loops with Numba, which is not installed"
        message = rf"^algorithm: compiled cannot do this: {reason}; to add it, pip install .*\[fast\]'$"
        # Of a size that no other test has planned, because plans are kept.
        with pytest.raises(OptionError, match=message):
            conv2d(np.ones((1, 13, 29)), np.ones((3, 3)), algorithm="compiled")

    def test_compiling_that_is_forbidden(self, monkeypatch):
        monkeypatch.setattr(machine_code, "missing", lambda: "NUMBA_DISABLE_JIT is set")
        with pytest.raises(OptionError, match=r"compiled cannot do this: NUMBA_DISABLE_JIT is set; use auto$"):
            conv2d(np.ones((1, 13, 27)), np.ones((3, 3)), algorithm="compiled")

    def test_a_plan_shows_why_it_is_refused(self, without_numba):
        choice = choose_convolution(work((1, 17, 31), (3, 3)))
        refusal = Refusal("it compiles its loops with Numba, which is not installed", extra="fast")
        assert choice.others["compiled"] == refusal


def test_the_blocks_of_a_kernel():
    def blocks(K, **options):
        return blocks_of(geometry_of((1, 99, 99), K, **options), "float32")[1:]

    assert blocks((3, 3)) == (3, 0, 3, 0, True, True)
    assert blocks((7, 7)) == (7, 0, 7, 0, True, True)
    assert blocks((9, 9)) == (5, 4, 9, 0, True, True)
    assert blocks((15, 15)) == (3, 0, 15, 0, True, True)
    assert blocks((31, 31)) == (1, 0, 16, 15, True, True)
    assert blocks((3, 3), stride=2) == (3, 0, 3, 0, False, False)
    assert blocks((3, 3), stride=2, dilation=2) == (3, 0, 3, 0, True, True)
    assert blocks((1, 3), stride=2) == (1, 0, 3, 0, True, False)


@needs_numba
class TestSums:
    @pytest.mark.parametrize("K", [(3, 3), (5, 4), (9, 9), (2, 19), (1, 1)], ids=str)
    @pytest.mark.parametrize(
        ("stride", "dilation"), [((1, 1), (1, 1)), ((2, 1), (1, 3)), ((1, 3), (2, 2)), ((2, 2), (2, 1))]
    )
    def test_whole_numbers(self, K, stride, dilation):
        """More rows and columns than are computed together, and a rest of both."""
        rng = np.random.default_rng(0)
        V, weights = rng.integers(-9, 10, (2, 4, 43, 61)), rng.integers(-9, 10, (6, 2, *K))
        options = {"stride": stride, "dilation": dilation, "groups": 2, "edge": "reflect"}
        pads = (1, 2, 3, 0)
        expected = reference.conv2d(V, weights, pads=pads, **options)
        Z = conv2d(V.astype(float), weights, padding=pads, algorithm="compiled", **options)
        assert_same(Z, expected)

    @pytest.mark.parametrize(
        ("K", "options"),
        [
            ((7, 5), {}),
            ((2, 19), {"dilation": (3, 1)}),
            ((3, 3), {"stride": 2}),
            ((3, 3), {"stride": (2, 3), "dilation": 2}),
            ((1, 1), {"stride": (3, 1)}),
        ],
        ids=str,
    )
    def test_whole_numbers_of_the_gradient(self, K, options):
        rng = np.random.default_rng(0)
        V, weights = rng.integers(-9, 10, (2, 4, 43, 61)), rng.integers(-9, 10, (6, 2, *K))
        options = {"groups": 2, "padding": (1, 2, 3, 0), "edge": "reflect"} | options
        G = rng.integers(-9, 10, conv2d(V, weights, **options).shape)
        # The tests of all algorithms compare ``direct`` with the reference, which would take too long here.
        found, expected = (
            conv2d_grad(V, weights, G, wrt="kernel", algorithm=name, **options).kernel
            for name in ("compiled", "direct")
        )
        assert_same(found, expected)

    @pytest.mark.parametrize("channels", [1, 2, 3, 5, 8, 9, 17, 24])
    @pytest.mark.parametrize("columns", [3, 16, 43])
    def test_blocks_of_channels(self, channels, columns):
        """Rests of channels, of vectors in a row, and of vectors in a tile."""
        rng = np.random.default_rng(channels)
        V, K = rng.integers(-9, 10, (3, 7, columns)).astype(np.float32), rng.integers(-9, 10, (channels, 3, 2, 3))
        Z = conv2d(V, K, padding="same", dtype=np.float32, algorithm="compiled-channels")
        assert_same(Z, conv2d(V, K, padding="same", dtype=np.float32, algorithm="direct"))

    @pytest.mark.parametrize("size", [1, 3])
    def test_tiles_and_threads_change_no_bit_of_layers(self, size):
        V, K = noise((6, 90, 101), np.float32), noise((11, 6, size, size), np.float32)
        whole = conv2d(V, K, algorithm="compiled-channels")
        for threads, memory in ((1, 60_000), (2, 100_000), (8, 300_000)):
            found = conv2d(V, K, algorithm="compiled-channels", threads=threads, memory=memory)
            assert found.tobytes() == whole.tobytes()
        # The sums have the order of the definition.
        assert found.tobytes() == conv2d(V, K, algorithm="compiled").tobytes()

    def test_tiles_and_threads_change_no_bit(self):
        V, K = noise((3, 200, 301), np.float32), noise((9, 9), np.float32)
        whole = conv2d(V, K, algorithm="compiled")
        for threads, memory in ((1, 60_000), (2, 100_000), (8, 300_000)):
            assert conv2d(V, K, algorithm="compiled", threads=threads, memory=memory).tobytes() == whole.tobytes()
        part = conv2d(np.array(V[:, 51:160, 37:103]), K, algorithm="compiled")
        assert part.tobytes() == whole[:, 51:152, 37:95].tobytes()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_infinities_and_nan_reach_only_their_windows(self, dtype):
        V, K = noise((2, 40, 57), dtype), noise((3, 5), dtype)
        K[1, 2] = 0
        V[0, 7, 20], V[0, 8, 22], V[1, 39, 56], V[1, 0, 16] = np.inf, -np.inf, np.nan, np.inf
        Z, exact = (conv2d(V, K, algorithm=name) for name in ("compiled", "direct"))
        assert {True, False} == set(np.isnan(exact).ravel())
        assert np.allclose(Z, exact, rtol=1e-4, atol=1e-5, equal_nan=True)

    def test_arrays_that_cannot_be_written(self):
        V, K = np.arange(30.0).reshape(1, 5, 6), np.arange(9.0).reshape(3, 3)
        expected = conv2d(V, K, algorithm="direct")
        V.flags.writeable = K.flags.writeable = False
        assert_same(conv2d(V, K, algorithm="compiled"), expected)


@needs_numba
class TestCache:
    def test_code_is_stored_and_loaded(self, cache, monkeypatch):
        assert machine_code.start_seconds([THREE]) >= machine_code.COMPILE
        first = machine_code.loops(THREE)
        assert machine_code.start_seconds([THREE]) == 0
        forget(monkeypatch)
        assert machine_code.start_seconds([THREE]) == machine_code.LOAD
        second = machine_code.loops(THREE)
        assert (sum(first.stats.cache_hits.values()), sum(second.stats.cache_hits.values())) == (0, 1)
        assert_right(second)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:1000],
            lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
            lambda data: b"not code at all" * 99,
        ],
        ids=["empty", "cut off", "one bit", "another file"],
    )
    def test_a_damaged_file_is_replaced(self, cache, damage, monkeypatch):
        machine_code.loops(THREE)
        good = cache.read_bytes()
        cache.write_bytes(damage(good))
        forget(monkeypatch)
        assert_right(machine_code.loops(THREE))
        forget(monkeypatch)
        assert machine_code.loops(THREE).stats.cache_hits

    def test_a_file_of_another_user_is_not_loaded(self, cache, monkeypatch):
        machine_code.loops(THREE)
        forget(monkeypatch)
        monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
        assert not machine_code.loops(THREE).stats.cache_hits

    def test_code_for_another_processor_is_not_loaded(self, cache, monkeypatch):
        machine_code.loops(THREE)
        forget(monkeypatch)
        monkeypatch.setattr(machine_code, "_target", lambda context: ("another",))
        assert not machine_code.loops(THREE).stats.cache_hits

    def test_a_folder_that_cannot_be_made(self, cache, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
        assert_right(machine_code.loops(THREE))

    def test_code_of_several_processes_is_not_confused(self, tmp_path):
        """Numba numbers functions from 0 in each process, so that each of these has the same numbers."""
        script = "import sys; from convcli.engine.compiled.machine_code import loops\n"
        script += "from convcli.engine.compiled.blocks import Blocks\n"
        script += "loops(Blocks('float64', int(sys.argv[1]), 0, int(sys.argv[2]), 0, True, True))"
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        sizes = [(2, 3), (1, 4), (3, 2)]
        for size in sizes:
            run([sys.executable, "-c", script, *map(str, size)], env=environment, check=True)
        load = "import numpy as np; from convcli import conv2d\n"
        load += f"for size in {sizes}:\n    V = np.arange(30.0).reshape(1, 5, 6)\n"
        load += "    K = np.arange(float(np.prod(size))).reshape(size)\n"
        load += "    print(np.array_equal(*(conv2d(V, K, algorithm=name) for name in ('compiled', 'direct'))))"
        result = run([sys.executable, "-c", load], env=environment, capture_output=True, check=True)
        assert result.stdout == b"True\n" * len(sizes)

    def test_an_error_of_its_import_is_one_line(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "convcli.engine.compiled.loops.makers", None)
        assert machine_code.broken.__wrapped__().startswith("Numba cannot be imported: import of convcli.engine.")

    @pytest.mark.slow
    def test_ten_processes_at_once(self, tmp_path):
        script = "import numpy as np; from convcli import conv2d; K = np.arange(9.0).reshape(3, 3);"
        script += "print(conv2d(np.arange(30.0).reshape(1, 5, 6), K, algorithm='compiled').tolist())"
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        processes = [Popen([sys.executable, "-c", script], env=environment, stdout=PIPE) for _ in range(10)]
        printed = {process.communicate()[0] for process in processes}
        K = np.arange(9.0).reshape(3, 3)
        assert printed == {f"{conv2d(np.arange(30.0).reshape(1, 5, 6), K, algorithm='direct').tolist()}\n".encode()}
        assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".code"]


def assert_right(loops):
    V, K = np.arange(60.0).reshape(2, 1, 1, 5, 6), np.arange(9.0).reshape(1, 1, 1, 3, 3)
    Z = np.empty((2, 1, 1, 3, 4))
    loops(V, Z, K, np.arange(3) * 8, 1, 1)
    assert_same(Z[:, :, 0], conv2d(V[:, 0], K[0, 0, 0], algorithm="direct")[:, :, :])


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_the_cache_folder_follows_the_environment(variable, tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert machine_code.cache_path(THREE.name).parent == tmp_path / "convcli"


@pytest.fixture
def starting(monkeypatch):
    """Return a function that sets how long the loops take to start."""
    monkeypatch.setattr(machine_code, "missing", lambda: "")
    monkeypatch.setattr(machine_code, "broken", lambda: "")
    # Estimates are kept.
    from convcli.engine import plan

    caches = plan._choose_convolution, plan._loops_of_convolutions
    for cached in caches:
        cached.cache_clear()

    def set_start(seconds):
        monkeypatch.setattr(machine_code, "start_seconds", lambda recipes: seconds)

    yield set_start
    for cached in caches:
        cached.cache_clear()


class TestPlan:
    def test_loaded_loops_are_chosen(self, starting):
        starting(0.0)
        assert choose_convolution(work(PHOTO, (5, 5))).algorithm == "compiled"

    def test_one_photograph_does_not_wait(self, starting):
        starting(0.35)
        choice = choose_convolution(work(PHOTO, (5, 5)))
        assert choice.algorithm == "toeplitz"
        assert choice.others["compiled"].start == 0.35
        assert choice.others["compiled"].seconds < choice.estimate.seconds

    def test_calls_wait_once_they_have_missed_as_much_as_the_start_takes(self, starting, monkeypatch):
        monkeypatch.setattr(starts, "_MISSED", defaultdict(float))
        starting(0.35)
        choice = choose_convolution(work(PHOTO, (5, 5)))
        saved = dict(choice.saved_by_others)["compiled"]
        calls = ceil(starts.THREADS_THAT_WAIT * 0.35 / saved)
        for call in range(calls):
            assert choose_convolution(choice.work).algorithm == "toeplitz", call
            starts.miss(compiled.recipes(choice.work), saved)
        assert choose_convolution(choice.work).algorithm == "compiled"
        # Another kernel's loops have missed nothing yet.
        assert choose_convolution(work(PHOTO, (7, 7))).algorithm == "toeplitz"

    def test_a_call_counts_what_it_missed(self, starting, monkeypatch):
        missed = []
        monkeypatch.setattr(executor, "miss", lambda recipes, seconds: missed.append((recipes, seconds)))
        starting(0.35)
        V, K = np.ones((3, 400, 500), np.float32), np.ones((5, 5), np.float32) + np.eye(5, dtype=np.float32)
        for asked in ({"algorithm": "toeplitz"}, {}):
            conv2d(V, K, **asked)
        saved = {recipe.name: seconds for recipes, seconds in missed for recipe in recipes}
        assert len(saved) == len(missed)
        assert 0 < saved["float32-5x5-0-0-rows-adjacent"] < 1

    def test_many_photographs_wait(self, starting):
        starting(0.35)
        choice = choose_convolution(work((200, *PHOTO), (5, 5)))
        assert (choice.algorithm, choice.estimate.start) == ("compiled", 0.35)

    def test_the_files_of_a_command_share_a_usual_start(self, starting):
        """It does not matter what the process has loaded, so that the order of files does not matter either."""
        for loaded in (0.0, 2.0):
            starting(loaded)
            chosen = [choose_convolution(work(PHOTO, (5, 5), limits=Limits(inputs=inputs))) for inputs in (1, 100)]
            assert [choice.algorithm for choice in chosen] == ["toeplitz", "compiled"]
            assert chosen[1].estimate.start == pytest.approx((machine_code.IMPORT + machine_code.LOAD) / 100)

    def test_a_numba_that_cannot_be_imported(self, starting, monkeypatch):
        starting(0.0)
        monkeypatch.setattr(machine_code, "broken", lambda: "Numba cannot be imported: it needs NumPy 2.3 or less")
        choice = choose_convolution(work(PHOTO, (5, 5)))
        assert choice.algorithm == "toeplitz"
        assert choice.others["compiled"] == Refusal("Numba cannot be imported: it needs NumPy 2.3 or less")
        with pytest.raises(OptionError, match=r"compiled cannot do this: Numba cannot be imported: .*; use auto$"):
            choose_convolution(work(PHOTO, (5, 5)), "compiled")

    @pytest.mark.parametrize(
        ("V", "K", "chosen"),
        [
            ((3, 1080, 1920), (8, 3, 5, 5), "compiled-channels"),
            ((64, 56, 56), (64, 64, 3, 3), "compiled-channels"),
            ((256, 56, 56), (64, 256, 1, 1), "compiled-channels"),
            # Rows of 7 outputs do not fill a vector.
            ((512, 7, 7), (512, 512, 3, 3), "im2col"),
        ],
        ids=str,
    )
    def test_layers(self, starting, V, K, chosen):
        starting(0.0)
        assert choose_convolution(work(V, K)).algorithm == chosen

    def test_a_cluster_decides_without_what_is_loaded_here(self, starting):
        starting(0.0)
        limits = Execution(cluster=object()).limits
        assert limits == Limits(compiled=False)
        assert choose_convolution(work(PHOTO, (5, 5), limits=limits)).algorithm == "toeplitz"
        assert choose_convolution(work(PHOTO, (5, 5), limits=limits), "compiled").algorithm == "compiled"

    def test_the_plan_counts_the_start_once(self, starting):
        starting(0.35)
        found = conv2d_plan(PHOTO, np.ones((5, 5)), algorithm="compiled")
        assert found.output.elapsed > 0.35
        assert found.output.seconds < 0.35


@needs_numba
def test_the_program_shows_and_uses_it(tmp_path):
    arguments = ("--input-shape", "3,3000,4000", "-k", "[[1,2,3],[4,5,2],[3,1.5,2]]")
    assert "to start\n" in convcli("plan", *arguments, cwd=tmp_path).out.decode()
    assert (
        "Z by               compiled (request) in float32: "
        in convcli("plan", *arguments, "--algorithm", "compiled", cwd=tmp_path).out.decode()
    )


@needs_numba
def test_numba_is_imported_only_when_it_is_used():
    script = "import sys, numpy as np; from convcli import conv2d; conv2d(np.ones((3, 99, 99)), np.ones((3, 3)))"
    result = run([sys.executable, "-c", f"{script}; print('numba' in sys.modules)"], capture_output=True, check=True)
    assert result.stdout == b"False\n"


def test_the_algorithm_answers_without_compiling():
    answer = CONVOLUTIONS["compiled"].answer(work(PHOTO, (3, 3)))
    if reason := MISSING["compiled"]:
        assert answer == Refusal(reason, extra="fast")
    else:
        assert answer.spreads is False
    assert choose_convolution(work((1, 9, 9), (3, 3)), AUTO).chosen_by == AUTO
