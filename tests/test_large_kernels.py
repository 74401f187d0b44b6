"""Large kernels: in parts, with more memory than usual, and planned without a long look at their numbers."""

import numpy as np
import pytest
from support.algorithms import assert_agrees
from support.any_size import ANY_SIZE
from support.geometries import geometry_of

from convcli import conv2d, conv2d_grad
from convcli.convolution.prepared import Convolution, GradientPlan
from convcli.engine import (
    Execution,
    Factorisation,
    Limits,
    Plan,
    Workload,
    choose_convolution,
    choose_kernel_gradient,
    plan_kernel_gradient,
    plan_output_of_any_kernel,
)
from convcli.engine.execution import MEMORY, MOST_MEMORY, MOST_TOGETHER
from convcli.engine.plan import Pass
from convcli.engine.sub_kernels import few_channels_each, kernel_in_parts

# Parts of two taps, whatever they save.
IN_PARTS = ANY_SIZE._replace(long=0.0, part=2)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
PHOTO = (3, 2000, 2000)


def integers(shape, seed):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float64)


def plan_of(V_shape, K, execution):
    return Convolution.of(K, padding="same").at(V_shape, FLOAT32).plan(execution)


def in_parts(prepared, parts, algorithm):
    """Return the plan that computes a kernel in ``parts`` x ``parts`` pieces."""

    def planned(part):
        work = Workload(part.geometry, prepared.dtype, MEMORY, limits=ANY_SIZE)
        return Pass(part, choose_convolution(work, algorithm))

    return Plan(tuple(map(planned, kernel_in_parts(prepared.geometry, parts))), Execution())


@pytest.mark.parametrize("algorithm", ["direct", "toeplitz", "fft"])
@pytest.mark.parametrize("stride", [1, (2, 3)], ids=str)
@pytest.mark.parametrize("dilation", [1, (3, 2)], ids=str)
@pytest.mark.parametrize("edge", ["zero", "reflect", "constant:2.5"])
@pytest.mark.parametrize("K_shape", [(9, 7), (3, 2, 5, 6)], ids=str)
def test_parts_add_up(algorithm, stride, dilation, edge, K_shape):
    V, K = integers((2, 40, 31), seed=1), integers(K_shape, seed=2)
    options = {"stride": stride, "dilation": dilation, "edge": edge, "padding": (4, 1, 0, 5)}
    exact = conv2d(V, K, 0.5, **options, algorithm="direct")
    prepared = Convolution.of(K, 0.5, **options).at(V.shape, V.dtype)
    for parts in (2, 3):
        plan = in_parts(prepared, parts, algorithm)
        assert len(plan.passes) == parts**2
        assert_agrees(prepared.convolve(V, plan), exact, algorithm)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_kernel_that_does_not_fit_is_computed_in_parts(dtype):
    V = np.random.default_rng(1).integers(0, 256, (1, 100, 90), np.uint8)
    K = np.random.default_rng(2).random((70, 66))
    K /= K.sum()
    exact = conv2d(V, K, dtype=np.float64, algorithm="direct")
    prepared = Convolution.of(K).at(V.shape, FLOAT32)
    plan = prepared.plan(Execution("fft", memory=200_000, limits=IN_PARTS))
    assert len(plan.passes) > 1
    parts = prepared.convolve(V, plan, stored=np.dtype(dtype))
    assert parts.dtype == dtype
    assert np.abs(parts - exact).max() <= (0.501 if dtype == np.uint8 else 1e-4)


@pytest.mark.parametrize(("taps", "seconds"), [(501, 5), (1001, 20)])
@pytest.mark.parametrize("memory", [None, 16 << 20, 64 << 20], ids=str)
def test_a_large_kernel_takes_seconds(taps, seconds, memory):
    plan = plan_output_of_any_kernel(
        geometry_of(PHOTO, (taps, taps), padding="same"), FLOAT32, Execution(memory=memory)
    )
    assert plan.first.algorithm == "fft"
    assert plan.seconds < seconds
    assert plan.workspace <= (memory or MOST_MEMORY)


def test_more_memory_only_where_it_saves_time():
    def workspace(taps, **execution):
        return plan_output_of_any_kernel(
            geometry_of(PHOTO, (taps, taps), padding="same"), FLOAT32, Execution(**execution)
        ).workspace

    assert workspace(31) <= MEMORY < workspace(1501) <= MOST_MEMORY
    assert workspace(1501, memory=MEMORY) <= MEMORY


def test_threads_share_the_most_memory():
    execution = Execution(threads=64)
    geometry = geometry_of((3, 5000, 5000), (1501, 1501), padding="same")
    plan = plan_output_of_any_kernel(geometry, FLOAT32, execution)
    assert plan.workspace > MEMORY
    assert 1 <= plan.threads * plan.workspace <= MOST_TOGETHER
    assert plan_output_of_any_kernel(geometry_of(PHOTO, (31, 31)), FLOAT32, execution).threads == 64


class TestSketchedFactors:
    """Of large kernels, only the largest singular values are computed."""

    @pytest.mark.parametrize("rank", [1, 2, 7])
    @pytest.mark.parametrize("shape", [(300, 280), (270, 400)], ids=str)
    def test_low_rank_is_found(self, rank, shape):
        rng = np.random.default_rng(rank)
        K = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
        factors = Factorisation(K).nearly(np.dtype(np.float64))
        assert factors.traits.rank == rank
        product = factors.columns[0].T @ factors.rows[0]
        assert np.abs(product - K).max() <= 1e-13 * np.abs(K).max()

    def test_low_rank_that_float32_hides(self):
        rng = np.random.default_rng(3)
        K = (rng.random((300, 2)) @ rng.random((2, 290))).astype(np.float32)
        assert Factorisation(K).nearly(FLOAT32).traits.rank == 2

    def test_high_rank_is_not_worth_factors(self):
        assert Factorisation(np.random.default_rng(0).random((300, 300))).nearly(FLOAT32) is None

    def test_a_plan_of_high_rank(self):
        plan = plan_of(PHOTO, np.random.default_rng(0).random((300, 300)), Execution(limits=Limits(long=1e9)))
        assert "of high rank" in plan.first.others["separable"].reason


class TestKernelGradients:
    @pytest.mark.parametrize(("taps", "seconds"), [(101, 1), (255, 1), (1001, 4)])
    def test_a_large_kernel_takes_seconds(self, taps, seconds):
        plan = plan_kernel_gradient(geometry_of((2000, 2000), (taps, taps), padding="same"), FLOAT64, Execution())
        assert plan.first.algorithm == "fft"
        assert plan.first.estimate.rounded
        assert plan.seconds < seconds
        assert plan.workspace <= MOST_MEMORY

    def test_little_memory_takes_parts(self):
        geometry = geometry_of((2000, 2000), (1001, 1001), padding="same")
        plan = plan_kernel_gradient(geometry, FLOAT64, Execution(memory=MEMORY))
        assert {each_pass.choice.algorithm for each_pass in plan.passes} == {"fft"}
        assert plan.seconds < 60
        assert plan.workspace <= MEMORY

    @pytest.mark.parametrize("stride", [1, (2, 3)], ids=str)
    @pytest.mark.parametrize("dilation", [1, (3, 2)], ids=str)
    @pytest.mark.parametrize("edge", ["zero", "reflect"])
    @pytest.mark.parametrize("K_shape", [(9, 7), (3, 2, 5, 6)], ids=str)
    def test_parts_hold_every_weight(self, stride, dilation, edge, K_shape):
        V, options = integers((2, 40, 31), seed=1), {"stride": stride, "dilation": dilation, "edge": edge, "padding": 4}
        prepared = Convolution.of(np.ones(K_shape), **options).at(V.shape, V.dtype)
        G = integers(prepared.geometry.output_shape, seed=3)
        parts = few_channels_each(kernel_in_parts(prepared.geometry, 2), 180)
        work = Workload(prepared.geometry, FLOAT64, MEMORY, limits=ANY_SIZE)
        passes = (Pass(part, choose_kernel_gradient(work._replace(geometry=part.geometry), "fft")) for part in parts)
        plan = Plan(tuple(passes), Execution())
        assert len(plan.passes) == 4 * (K_shape[0] if len(K_shape) == 4 else 1)
        dK = prepared.gradients(V, G, GradientPlan(("kernel",), plan, None)).kernel
        assert_agrees(dK, conv2d_grad(V, np.ones(K_shape), G, **options, algorithm="direct").kernel, "fft")
