"""The algorithm ``compiled-separable``: its sums across strips, bands and tiles, and when the planner chooses it.

The tests of all algorithms run it too, where the extra ``fast`` is installed.
"""

import numpy as np
import pytest
from support import reference
from support.reference import assert_same
from test_compiled import PHOTO, needs_numba, noise, starting, work

from convcli import conv2d
from convcli.engine import Traits, choose_convolution
from convcli.engine.algorithms import compiled_separable
from convcli.engine.compiled.blocks import passes_of

__all__ = ["starting"]


@pytest.fixture
def narrow(monkeypatch):
    """Compute few rows and columns at once, so that small images need many strips and bands."""
    monkeypatch.setattr(compiled_separable, "H_BYTES", 1)
    monkeypatch.setattr(compiled_separable, "LEAST_COLUMNS", 8)
    monkeypatch.setattr(compiled_separable, "BAND", 5)


@needs_numba
class TestSums:
    @pytest.mark.parametrize("rank", [1, 2])
    @pytest.mark.parametrize(
        ("stride", "dilation"), [((1, 1), (1, 1)), ((2, 1), (1, 3)), ((1, 3), (2, 2)), ((7, 2), (2, 1))], ids=str
    )
    def test_whole_numbers_in_strips_and_bands(self, narrow, rank, stride, dilation):
        rng = np.random.default_rng(rank)
        V, K = rng.integers(-9, 10, (1, 2, 43, 61)), rng.integers(-9, 10, (5, rank)) @ rng.integers(-9, 10, (rank, 3))
        options = {"stride": stride, "dilation": dilation, "edge": "reflect"}
        expected = reference.conv2d(V, np.tile(K, (2, 1, 1, 1)), pads=(1, 2, 3, 0), groups=2, **options)
        Z = conv2d(V.astype(float), K, padding=(1, 2, 3, 0), algorithm="compiled-separable", **options)
        assert np.abs(Z - expected).max() < 1e-9

    @pytest.mark.slow
    def test_kernels_of_many_taps(self, narrow):
        """Rows of more than 16 taps, and columns of more than 49, are added block by block."""
        V, K = np.arange(2 * 99 * 70.0).reshape(2, 99, 70) % 23, np.outer(np.arange(53) % 7 - 3, np.arange(19) % 5 + 1)
        exact = conv2d(V, K, algorithm="direct")
        assert_same(conv2d(V, K, algorithm="compiled-separable"), exact)

    @pytest.mark.parametrize("rank", [1, 3])
    def test_strips_tiles_and_threads_change_no_bit(self, monkeypatch, rank):
        V, K = noise((3, 150, 301), np.float32), noise((5, rank)) @ noise((rank, 3), seed=2)
        whole = conv2d(V, K, algorithm="compiled-separable")
        monkeypatch.setattr(compiled_separable, "LEAST_COLUMNS", 32)
        monkeypatch.setattr(compiled_separable, "H_BYTES", 9000)
        for threads, memory in ((1, 60_000), (2, 100_000), (8, 300_000)):
            Z = conv2d(V, K, algorithm="compiled-separable", threads=threads, memory=memory)
            assert Z.tobytes() == whole.tobytes()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("rank", [1, 2])
    def test_infinities_and_nan_reach_only_their_windows(self, dtype, rank):
        V, K = noise((2, 40, 57), dtype), (noise((5, rank)) @ noise((rank, 3))).astype(dtype)
        if rank == 1:
            K[:, 1] = 0
        V[0, 7, 20], V[0, 8, 22], V[1, 39, 56], V[1, 0, 16] = np.inf, -np.inf, np.nan, np.inf
        Z, exact = (conv2d(V, K, algorithm=name) for name in ("compiled-separable", "direct"))
        assert {True, False} == set(np.isnan(exact).ravel())
        assert np.allclose(Z, exact, rtol=1e-4, atol=1e-5, equal_nan=True)


class TestPlan:
    def test_the_blocks_of_both_passes(self):
        along, down = passes_of(work(PHOTO, (63, 31)).geometry, "float32")
        assert along[1:] == (1, 0, 16, 15, True, True)
        assert down[1:] == (32, 31, 1, 0, True, True)

    def test_the_size_decides(self, starting):
        starting(0.0)
        sizes = (3, 9, 63)
        choices = [choose_convolution(work(PHOTO, (taps, taps), traits=Traits(1, exact=True))) for taps in sizes]
        assert [choice.algorithm for choice in choices] == ["compiled", "compiled-separable", "compiled-separable"]

    def test_one_photograph_does_not_wait(self, starting):
        starting(0.35)
        assert choose_convolution(work(PHOTO, (31, 31), traits=Traits(1, exact=True))).algorithm == "separable"

    def test_kernels_of_high_rank_are_left_to_others(self, starting):
        starting(0.0)
        assert choose_convolution(work(PHOTO, (5, 5), traits=Traits(5, exact=True))).algorithm == "compiled"
