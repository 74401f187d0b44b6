"""The chosen algorithms, and the refusals and their reasons, as a table; and what a plan promises."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from support.algorithms import BANKS, IN_WORKSPACES, INPUT_GRADIENTS, MISSING, PLANES, shared
from support.geometries import geometry_of

from convcli import conv2d
from convcli.engine import CONVOLUTIONS, KERNEL_GRADIENTS, Estimate, Limits, Refusal, Traits, Workload, calibration
from convcli.engine.plan import choose_convolution, choose_kernel_gradient
from convcli.engine.tiles import input_floats

MEGABYTES = 1 << 20


class Row(NamedTuple):
    name: str
    V: tuple[int, ...]
    K: tuple[int, ...]
    chosen: str
    refused: dict[str, str]
    rank: int = 0
    options: dict[str, int] | None = None


class Taken(NamedTuple):
    banks: int
    planes: int
    input_gradients: int
    in_workspaces: int


SMALL_KERNEL = {"fft": "below 25: a product of spectra would only add rounding"}
ONE_TO_ONE = {"winograd": "F(2x2,3x3) is for 3x3 kernels"}
MIXING = {"separable": "its kernels map several channels to one"}
MANY = {"toeplitz": "its blocks would be mostly zeros"}
PHOTO = (3, 3000, 4000)

ROWS = [
    Row("photo, 3x3 of full rank", PHOTO, (3, 3), "toeplitz", {**SMALL_KERNEL, "winograd": "1 channels"}, rank=3),
    Row("photo, 9x9 of full rank", PHOTO, (9, 9), "toeplitz", ONE_TO_ONE, rank=9),
    Row("photo, 63x63 of full rank", PHOTO, (63, 63), "fft", ONE_TO_ONE, rank=63),
    Row("photo, 9x9 of rank 1", PHOTO, (9, 9), "separable", ONE_TO_ONE, rank=1),
    Row("photo, 31x31 of rank 2", PHOTO, (31, 31), "separable", ONE_TO_ONE, rank=2),
    Row("photo, 5x5, stride 2", PHOTO, (5, 5), "toeplitz", ONE_TO_ONE, rank=5, options={"stride": 2}),
    Row("photo, bank 3->3 9x9", PHOTO, (3, 3, 9, 9), "toeplitz", {**MIXING, **ONE_TO_ONE}),
    Row("layer 256->256 3x3", (256, 56, 56), (256, 256, 3, 3), "winograd", {**MIXING, **MANY}),
    Row(
        "layer 256->256 3x3, stride 2",
        (256, 56, 56),
        (256, 256, 3, 3),
        "im2col",
        {**MANY, "winograd": "for 3x3 kernels at stride 1"},
        options={"stride": 2},
    ),
    Row("layer 256->256 3x3, dilated", (256, 56, 56), (256, 256, 3, 3), "im2col", MANY, options={"dilation": 2}),
    Row(
        "layer 1024->1024 3x3",
        (1024, 28, 28),
        (1024, 1024, 3, 3),
        "im2col",
        {**MANY, "winograd": "its transformed weights would take 67,108,864 bytes, above"},
    ),
    Row("bank 32->32 127x127", (32, 300, 300), (32, 32, 127, 127), "im2col", {"toeplitz": "its blocks would take"}),
    Row("layer 256->64 1x1", (256, 56, 56), (64, 256, 1, 1), "im2col", {**MANY, **ONE_TO_ONE}),
]

# How many cases of each table in ``support.algorithms`` each algorithm takes.
TAKEN = {
    "toeplitz": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=33),
    "separable": Taken(banks=1, planes=49, input_gradients=1, in_workspaces=11),
    "im2col": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=33),
    "winograd": Taken(banks=2, planes=2, input_gradients=2, in_workspaces=8),
    "fft": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=3),
    "direct": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=36),
    "auto": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=36),
    "compiled": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=33),
    "compiled-channels": Taken(banks=49, planes=49, input_gradients=49, in_workspaces=33),
    "compiled-separable": Taken(banks=1, planes=49, input_gradients=1, in_workspaces=11),
}
# How many the algorithms take that need what is not installed here.
TAKEN |= {name: Taken(0, 0, 0, 0) for name, missing in MISSING.items() if missing}
# The decisions do not depend on what a test has compiled before.
WITHOUT_COMPILED = Limits(compiled=False)


def test_each_algorithm_takes_so_many_cases():
    """The tables of cases would shrink if an algorithm refused more of them."""
    tables = Taken(BANKS, PLANES, INPUT_GRADIENTS, IN_WORKSPACES)
    counts = Taken(*(Counter(algorithm for _, algorithm, *_ in table) for table in tables))
    assert {name: Taken(*(count[name] for count in counts)) for name in (*shared(CONVOLUTIONS), "auto")} == TAKEN


def workload(row):
    geometry = geometry_of(row.V, row.K, **{"padding": "same", **(row.options or {})})
    return Workload(geometry, np.dtype(np.float32), 16 * MEGABYTES, Traits(row.rank), WITHOUT_COMPILED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_decisions(row):
    plan = choose_convolution(workload(row))
    assert (plan.algorithm, plan.chosen_by) == (row.chosen, "auto")
    for name, reason in row.refused.items():
        assert isinstance(plan.others[name], Refusal), name
        assert reason in plan.others[name].reason


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_plan_has_an_answer_of_every_algorithm(row):
    for plan, algorithms in (
        (choose_convolution(workload(row)), CONVOLUTIONS),
        (choose_kernel_gradient(workload(row)), KERNEL_GRADIENTS),
    ):
        assert {plan.algorithm, *plan.others} == set(algorithms)
        for answer in (plan.estimate, *plan.others.values()):
            if isinstance(answer, Estimate):
                assert answer.seconds > 0
                assert answer.multiplications > 0
                assert 0 < answer.workspace <= 16 * MEGABYTES


def test_pixels_that_several_tiles_load_are_counted():
    geometry = geometry_of((600, 700), (201, 1), padding="same")
    estimate = choose_convolution(Workload(geometry, np.dtype(np.float64), MEGABYTES // 4), "direct").estimate
    again = estimate.tile.number(geometry) * input_floats(geometry, estimate.tile) - 800 * 700
    assert again > 100 * 800 * 700
    computed = 5 * 8 * estimate.multiplications
    assert estimate.moved == computed + 2 * 8 * again


def test_a_request_is_kept_and_marked():
    plan = choose_convolution(workload(ROWS[0]), "direct")
    assert (plan.algorithm, plan.chosen_by) == ("direct", "request")


def test_rounding_must_save_time_worth_it():
    """A small image of integers gives integers, although two rounded passes would be a little faster."""
    V = np.random.default_rng(0).integers(0, 256, (1, 300, 300), np.uint8)
    K = np.array([[1, 2, 1], [2, 5, 2], [1, 2, 1]])
    Z = conv2d(V, K, padding="same")
    assert np.array_equal(Z, np.rint(Z))
    assert np.array_equal(Z, conv2d(V, K, padding="same", algorithm="direct"))


def test_the_rates_name_their_machine():
    assert "NumPy" in calibration.MACHINE
    rates = (calibration.PRODUCT, calibration.BYTE, calibration.CALL, calibration.TRANSFORM)
    assert all(0 < rate < 1e-3 for rate in rates)
