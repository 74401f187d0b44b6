"""The factors of kernels, exact, known from a preset or by singular values, and when a plan looks at them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.any_size import conv2d
from support.geometries import integers
from support.reference import assert_same

from convcli import preset
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution, Factorisation, Limits, Traits
from convcli.engine import factors as factoring
from convcli.engine.factors import KernelBlocks

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
REVERSED = slice(None, None, -1)
PRESETS = ["gaussian:2", "sobel-x", "log:3", "dog", "sharpen", "outline", "unsharp", "gabor:8,0"]


def blocks(K, known=()):
    """Return a kernel (kh, kw), or one for each of some groups (groups, kh, kw), as the engine has it."""
    kernels = np.asarray(K)
    return KernelBlocks(kernels.reshape(-1, 1, 1, *kernels.shape[-2:]), Factorisation(kernels, known))


def product(found):
    return np.einsum("grm,grn->gmn", found.columns, found.rows)


@pytest.mark.parametrize(
    "K",
    [
        np.outer([1, 4, 6, 4, 1], [-1, -2, 0, 2, 1]),
        np.outer([3, 7, 11], [1, 1, 1, 1]),
        np.outer([1, 1, 1], [3, 7, 11, 5]),
        np.outer([0, 0, -2, 4], [0, 5, -3]),
        np.full((3, 3), 1 / 9),
        np.zeros((3, 4)),
        [[0.1, 0.7, 0.3]],
        [[0.1], [0.7], [0.3]],
    ],
    ids=["binomial", "rows that repeat", "columns that repeat", "zeros in front", "box", "zeros", "row", "column"],
)
def test_exact_factors(K):
    found = blocks(K).exact_factors()
    assert found.traits == Traits(rank=1, exact=True)
    assert_same(product(found), np.asarray(K, float)[None])


@pytest.mark.parametrize(
    "K",
    [
        np.outer([3, 7], [5, 11]),
        integers((3, 4), seed=1),
        np.outer([0.1, 0.7], [0.3, 0.2]),
        [[1, np.inf], [2, 3]],
        [[1, np.inf], [2, np.inf]],
        [[np.nan, 1], [np.nan, 1]],
        [[1e-200, 1e200], [1e200, 1e300]],
    ],
    ids=["no multiples", "full rank", "fractions", "infinity", "infinities", "nan", "beyond the range of floats"],
)
def test_no_exact_factors(K):
    assert blocks(K).exact_factors() is None


def test_integers_stay_integers_where_a_plan_says_so():
    """Rows of sevens are not a whole multiple of rows of threes, so the quotient of the two rounds."""
    V, K = np.random.default_rng(0).integers(0, 256, (1, 400, 500), np.uint8), np.outer([3, 7, 7, 11, 7], np.ones(9))
    Z = conv2d(V, K, algorithm="separable")
    assert_same(Z, conv2d(V, K, algorithm="direct"))


@pytest.mark.parametrize("name", PRESETS)
def test_known_factors_are_taken(name):
    kernel = preset(name)
    found = blocks(kernel.weights, kernel.factors).factors(FLOAT64)
    assert found.traits.rank == len(kernel.factors)
    assert_same(product(found), kernel.weights[None])
    for axis, array in enumerate((found.columns, found.rows)):
        assert_same(array[0], np.array([pair[axis] for pair in kernel.factors]))


@pytest.mark.parametrize("name", ["sharpen", "outline", "laplacian"])
def test_known_factors_of_whole_numbers_are_exact(name):
    kernel = preset(name)
    assert blocks(kernel.weights, kernel.factors).exact_factors().traits == Traits(rank=2, exact=True)
    assert blocks(kernel.weights).exact_factors() is None


def test_factors_of_another_kernel_are_ignored():
    K = integers((5, 4), seed=1)
    assert_close(product(blocks(K, preset("gaussian:2").factors).factors(FLOAT64)), K[None])
    assert blocks(K, preset("sharpen").factors).exact_factors() is None


def assert_close(actual, expected):
    assert np.abs(actual - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("stored", ["float64", "float32"])
def test_the_rank_that_rounding_hides(stored):
    """A Laplacian of Gaussian has rank 2; rounded to float32, it has rank 2 as far as float32 can tell."""
    found = blocks(preset("log:3").weights.astype(stored)).factors(FLOAT32)
    assert found.traits == Traits(rank=2, exact=False)


def test_rounded_weights_are_taken_as_they_are_in_double_precision():
    assert blocks(preset("log:3").weights.astype(np.float32)).factors(FLOAT64).traits.rank > 2


def test_the_largest_rank_of_all_groups():
    kernels = np.stack([np.outer([1, 2.5, 3], [0.3, 0.1, 0.2]), preset("laplacian").weights])
    found = blocks(kernels).factors(FLOAT64)
    assert found.traits.rank == 2
    assert_close(product(found), kernels)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (REVERSED, REVERSED),
        (slice(1, None, 3), slice(0, None, 2)),
        (slice(3, 4), slice(5, 6)),
        (slice(3, 4), slice(None)),
        (slice(4, 6), slice(2, 3)),
        (slice(3, 5), slice(0, 2)),
    ],
    ids=["flipped", "phase", "tap", "row", "column", "as few rows as the rank"],
)
def test_factors_of_a_part(rows, columns):
    K = preset("log:1.5").weights
    part = blocks(K).at(rows, columns)
    found = part.factors(FLOAT64)
    assert found.traits.rank <= min(part.K.shape[-2:])
    assert_close(product(found), K[rows, columns][None])
    assert_close(
        product(blocks(K).at(rows, columns).at(REVERSED, REVERSED).factors(FLOAT64)), part.K[0, :, 0, ::-1, ::-1]
    )


@pytest.mark.parametrize("options", [{}, {"stride": (2, 3)}, {"flip": True}, {"dilation": 900}], ids=str)
@pytest.mark.parametrize("name", PRESETS)
def test_separable_computes_with_known_factors(name, options):
    V, kernel = integers((1, 40, 50), seed=1), preset(name)
    options |= {"padding": "same", "edge": "wrap"}
    found = conv2d(V, kernel, algorithm="separable", **options)
    assert_close(found, conv2d(V, kernel, algorithm="direct", **options))


@pytest.fixture
def factorised(monkeypatch):
    """Record the shapes of kernels whose exact factors or singular values are computed."""
    found = []
    for name in ("_skeleton", "_singular"):
        monkeypatch.setattr(factoring, name, partial(recorded, found, name, getattr(factoring, name)))
    return found


def recorded(found, name, function, kernel, *rest):
    found.append((name, kernel.shape))
    return function(kernel, *rest)


# Compiled loops that earlier tests loaded would change what auto chooses.
WITHOUT_LOOPS = Limits(compiled=False)


def plan(convolution, V_shape, algorithm="auto"):
    return convolution.at(V_shape, np.float32).plan(Execution(algorithm, limits=WITHOUT_LOOPS)).first


GAUSS = preset("gaussian:2,4").weights
NOISE = np.random.default_rng(0).standard_normal((9, 9))
PHOTO, SMALL = (3, 3000, 4000), (16, 16)


@pytest.mark.parametrize(
    ("K", "V_shape", "algorithm", "traits", "looked_at"),
    [
        (NOISE, SMALL, "auto", Traits(1, exact=True, assumed=True), []),
        (NOISE, PHOTO, "direct", Traits(1, exact=True, assumed=True), []),
        (NOISE, (200, 200), "auto", Traits(1, exact=False, assumed=True), ["_skeleton"]),
        (NOISE, PHOTO, "auto", Traits(9, exact=True), ["_skeleton", "_singular"]),
        (GAUSS, PHOTO, "auto", Traits(1, exact=False), ["_skeleton", "_singular"]),
        (GAUSS, SMALL, "separable", Traits(1, exact=False), ["_skeleton", "_singular"]),
        (np.ones((9, 9)), PHOTO, "auto", Traits(1, exact=True), ["_skeleton"]),
        (preset("log:12"), PHOTO, "auto", Traits(2, exact=False), ["_skeleton"]),
        (preset("sharpen"), PHOTO, "separable", Traits(2, exact=True), []),
        (np.ones((1, 9)), PHOTO, "auto", Traits(1, exact=True), []),
        (np.full((9, 9), np.inf), PHOTO, "auto", Traits(), ["_skeleton"]),
    ],
    ids=[
        "small",
        "requested",
        "only exact factors would pay",
        "photo",
        "photo, rank 1",
        "requested by name",
        "photo, exact",
        "preset",
        "preset of whole numbers",
        "row",
        "infinities",
    ],
)
def test_a_plan_looks_at_a_kernel_only_where_that_can_matter(factorised, K, V_shape, algorithm, traits, looked_at):
    assert plan(Convolution.of(K, padding="same"), V_shape, algorithm).work.traits == traits
    assert [name for name, _ in factorised] == looked_at


def test_a_kernel_is_factorised_once_for_all_inputs(factorised):
    convolution, execution = Convolution.of(GAUSS, 1.0, padding="same"), Execution(limits=WITHOUT_LOOPS)
    for number in range(3):
        prepared = replace(convolution, bias=None).at((1, 900, 1000 + number), np.float32)
        prepared.without_bias().convolve(np.zeros(prepared.input_shape, np.float32), prepared.plan(execution))
        prepared.plan_gradients("input", execution)
    assert len(factorised) == 2


def test_other_weights_have_other_factors():
    convolution = Convolution.of(preset("gaussian:2"), padding="same")
    other = replace(convolution, weights=NOISE)
    assert plan(convolution, PHOTO).work.traits.rank == 1
    assert plan(other, PHOTO).work.traits.rank == 9
    assert other.at(PHOTO, np.float32).with_parameters(GAUSS, None).plan().first.work.traits.rank == 1
