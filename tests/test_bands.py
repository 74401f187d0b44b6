"""Bands that a cluster computes, from only the data that they read, give the same bytes as this process computes."""

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.algorithms import able, bank_plan, gradients_plan
from support.any_size import ANY_SIZE
from support.geometries import CASES, TILED, Case, geometry_of, random_case
from support.requests import convolved, differentiated, request_of, stored
from test_unshared import CASES as UNSHARED_CASES
from test_unshared import LOCAL

from convcli.engine import KERNEL_GRADIENTS, Execution
from convcli.engine.bands import bands
from convcli.engine.limits import LIMITS
from convcli.engine.scratch import Scratch
from convcli.engine.tile_source import TileSource
from convcli.engine.tiles import TileSize
from convcli.names import WRT

TYPES = (np.uint8, np.uint16, np.float32, np.float64)
# None of these numbers divides the numbers of rows and columns below.
TILE = TileSize(2, 3, 5)


class PicklingCluster:
    """A cluster within this process. It pickles everything that a real cluster would send, and keeps the bytes."""

    def __init__(self):
        self.sent = []

    def map(self, work, items):
        for item in items:
            self.sent.append(pickle.dumps((work, item)))
            function, argument = pickle.loads(self.sent[-1])
            yield pickle.loads(pickle.dumps(function(argument)))


def numbers(shape, dtype, seed):
    """Return numbers whose sums round, so that another order of summation changes the result."""
    draw = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return draw.integers(0, np.iinfo(dtype).max, shape, dtype)
    return draw.normal(size=shape).astype(dtype)


def request_for(case, execution, seed):
    K = numbers(case.K, np.float64, seed=seed + 1)
    unit = seed % 2 and case.Z[-2:]
    bias = numbers((case.K[0], *(unit or ())), np.float64, seed=seed + 2)
    return request_of(K, bias, execution=execution, flip=bool(seed % 3), **case.options)


def assert_same_bytes(case, band, *, algorithm="auto", memory=20_000, seed=0, limits=LIMITS):
    """Compute Z, Z tile by tile, dK and dV in this process and on a cluster, and compare their bytes."""
    limits = limits._replace(band=band, compiled=False)
    local = request_for(case, Execution(algorithm, 2, memory, limits=limits), seed)
    remote = local._replace(execution=replace(local.execution, cluster=PicklingCluster()))
    V = numbers(case.V, TYPES[seed % len(TYPES)], seed)
    G = numbers(case.Z, np.float64, seed + 3)
    differentiate = partial(differentiated, G=G, wrt=("kernel", "input"))
    for compute in (convolved, stored, differentiate):
        assert as_bytes(compute(remote, V)) == as_bytes(compute(local, V))
    return remote.execution.cluster


def as_bytes(result):
    if isinstance(result, np.ndarray):
        return result.dtype, result.tobytes()
    return result.kernel.tobytes(), result.input.tobytes()


# With taps further apart, every output would be a tile of its own, and there would be twenty thousand tiles.
SMALL = [case for case in (*CASES, *UNSHARED_CASES) if max(case.dilation) < 100]


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_every_geometry_in_the_smallest_bands(case):
    assert_same_bytes(case, band=1, memory=5000, seed=len(case.name))


# Each algorithm cuts these into several tiles, some of them inside the image.
WIDE = Case("wide", (2, 3, 90, 110), (3, 1, 7, 7), pads=(3, 4, 2, 5), groups=3, edge="wrap")
THREE_BY_THREE = Case("three-by-three", (2, 16, 40, 30), (16, 16, 3, 3), pads=(1, 0, 2, 1), edge="reflect")


@pytest.mark.parametrize(
    ("case", "algorithm"),
    [(case, name) for case in (TILED, WIDE, THREE_BY_THREE) for name in able(bank_plan(case), memory=600_000)],
    ids=str,
)
@pytest.mark.parametrize("band", [1, 100_000])
def test_every_algorithm(case, algorithm, band):
    limits = ANY_SIZE._replace(band=band, compiled=False)
    local = request_for(case, Execution(algorithm, 2, 600_000, limits=limits), seed=7)
    remote = local._replace(execution=replace(local.execution, cluster=PicklingCluster()))
    V = numbers(case.V, np.float32, seed=1)
    assert convolved(remote, V).tobytes() == convolved(local, V).tobytes()


@pytest.mark.parametrize(
    ("case", "algorithm"),
    [
        (case, name)
        for case in (TILED, WIDE)
        for name in able(gradients_plan(case, WRT), KERNEL_GRADIENTS, memory=1 << 20)
    ],
    ids=str,
)
@pytest.mark.parametrize("band", [1, 30_000])
def test_every_kernel_gradient(case, algorithm, band):
    assert_same_bytes(case, band, algorithm=algorithm, memory=1 << 20, seed=2, limits=ANY_SIZE)


@pytest.mark.parametrize("seed", range(12))
def test_random_geometries_in_bands_of_some_tiles(seed):
    assert_same_bytes(random_case(seed), band=(1, 20_000, 200_000)[seed % 3], memory=30_000, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 300))
def test_many_random_geometries(seed):
    assert_same_bytes(random_case(seed), band=(1, 20_000, 200_000)[seed % 3], memory=30_000, seed=seed)


@pytest.mark.parametrize("band", [1, 10_000, 1 << 30])
def test_a_band_carries_only_the_weights_of_its_outputs(band):
    cluster = assert_same_bytes(LOCAL, band, memory=20_000)
    whole = pickle.dumps(numbers(LOCAL.K, np.float64, 1))
    assert (max(map(len, cluster.sent)) < len(whole)) == (band < 1 << 30)


@pytest.mark.parametrize("case", [*CASES, TILED], ids=str)
@pytest.mark.parametrize("floats", [1, 500, 1 << 30])
def test_bands_hold_every_tile_once_in_order(case, floats):
    geometry = geometry_of(case.V, case.K, **case.options)
    tiles = list(TILE.tiles(geometry))
    found = list(bands(tiles, geometry, floats))
    assert [tile for band in found for tile in band.tiles] == tiles
    assert len(found) <= (len(tiles) if floats < 1 << 30 else 1)


@pytest.mark.parametrize("case", [*CASES, TILED], ids=str)
def test_the_source_of_a_band_loads_the_same_tiles_as_the_whole(case):
    geometry = geometry_of(case.V, case.K, **case.options)
    V = np.arange(np.prod(case.V), dtype=float).reshape(geometry.input_blocks)
    whole, scratch = TileSource.whole(V), Scratch()
    for band in bands(TILE.tiles(geometry), geometry, 400):
        source = whole.read_by(band.bounds, geometry)
        for tile in band.tiles:
            expected = whole.load(tile, geometry, V.dtype, scratch)
            assert np.array_equal(source.load(tile, geometry, V.dtype, scratch), expected)


def test_a_source_holds_a_pixel_once_however_often_pads_copy_it():
    geometry = geometry_of((1, 3, 4), (1, 1, 2, 1), padding=(5, 6, 0, 0), edge="wrap")
    (tile,) = TileSize(1, 100, 100).tiles(geometry)
    assert TileSource.whole(np.zeros(geometry.input_blocks)).read_by(tile, geometry).pixels.shape == (1, 1, 1, 3, 4)


def test_a_source_of_pads_alone_is_empty():
    geometry = geometry_of((1, 3, 4), (1, 1, 2, 1), padding=(5, 6, 0, 0), edge="constant:7.5")
    first, *_ = TileSize(1, 2, 100).tiles(geometry)
    source = TileSource.whole(np.zeros(geometry.input_blocks, np.uint8)).read_by(first, geometry)
    assert source.pixels.size == 0
    assert (source.load(first, geometry, np.dtype(float), Scratch()) == 7.5).all()


def test_infinities_spread_no_further_on_a_cluster():
    V = numbers((40, 50), np.float64, 0)
    V[20, 25] = np.inf
    local = request_of(
        numbers((5, 5), np.float64, 1), execution=Execution("toeplitz", 2, 4000, limits=LIMITS._replace(band=1))
    )
    remote = local._replace(execution=replace(local.execution, cluster=PicklingCluster()))
    assert convolved(remote, V).tobytes() == convolved(local, V).tobytes()
