"""Levels of 8 and 16 bits that compiled loops make in one pass: the same as those that NumPy makes of floats."""

import numpy as np
import pytest
from support.algorithms import MISSING
from support.geometries import FILLS

from convcli import conv2d
from convcli.apply.pixels import to_pixels
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution
from convcli.engine.algorithms.compiled import level_runner
from convcli.engine.compiled import machine_code
from convcli.engine.compiled.lines import Lines
from convcli.engine.interface import Weights
from convcli.engine.levels import Levels, LevelStore
from convcli.files.large_arrays import interleaved

pytestmark = pytest.mark.skipif(bool(MISSING["compiled"]), reason=MISSING["compiled"] or "installed")
K = np.random.default_rng(3).standard_normal((3, 5)).astype(np.float32)
deep = pytest.param(np.uint16, marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def _loaded(monkeypatch):
    """Have levels be made in one pass, although loops for floats may have been loaded before."""
    monkeypatch.setattr(machine_code, "start_seconds", lambda recipes: 0.0)


def picture(channels, dtype=np.uint8, size=(37, 300), seed=0):
    """Return an interleaved picture."""
    levels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (*size, channels), dtype)
    return np.moveaxis(levels, -1, 0)


def made(V, mode, dtype, scale=1.0, *, in_one_pass=True, lies=interleaved, bias=None, **options):
    """Return the levels of compiled loops, the statistics of each map, and how many tiles were computed."""
    prepared = Convolution.of(K, bias, padding="same", **options).at(V.shape, np.float32)
    values = lies(np.empty)(prepared.output_shape, dtype)
    tallies = []

    def produce(store):
        wrapped = store if in_one_pass else lambda place, tile: store(place, tile)
        tallies.append(prepared.store(V, prepared.plan(Execution("compiled")), wrapped))

    statistics = to_pixels(produce, values.reshape(prepared.output_blocks), mode, scale)
    return values, statistics, tallies[0]["compiled"]


def assert_same_levels(V, mode="clip", dtype=np.uint8, scale=1.0, **options):
    levels, statistics, _ = made(V, mode, dtype, scale, **options)
    expected, expected_statistics, _ = made(V, mode, dtype, scale, in_one_pass=False, **options)
    assert np.array_equal(levels, expected)
    assert statistics == expected_statistics
    return statistics


@pytest.mark.parametrize("dtype", [np.uint8, deep])
@pytest.mark.parametrize("mode", ["clip", "abs", "offset"])
@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_every_mode(mode, scale, dtype):
    statistics = assert_same_levels(picture(3, dtype), mode, dtype, scale, bias=2.5)
    assert all(found.clipped for found in statistics)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_channels(channels):
    assert_same_levels(picture(channels), scale=0.1)


@pytest.mark.parametrize("edge", FILLS)
def test_every_fill(edge):
    assert_same_levels(picture(3), edge=edge)


def test_planes():
    V = np.ascontiguousarray(picture(3))
    assert_same_levels(V, lies=lambda empty: empty)
    assert_same_levels(V[:, ::-1], lies=lambda empty: empty)


@pytest.mark.parametrize("options", [{"dilation": (2, 3)}, {"stride": 2}, {"flip": True}], ids=str)
def test_geometries(options):
    assert_same_levels(picture(3), **options)


@pytest.mark.slow
def test_rows_that_share_no_pixels():
    assert_same_levels(picture(3), stride=(2, 1))


def test_numbers_that_are_not_finite():
    V = np.moveaxis(np.random.default_rng(4).normal(100, 200, (40, 70, 3)).astype(np.float32), -1, 0)
    V[0, 3, 7], V[1, 20, 69], V[2, 39, 0], V[2, 39, 9] = np.nan, np.inf, -np.inf, np.inf
    statistics = assert_same_levels(V, "abs")
    assert [found.nans > 0 for found in statistics] == [True, False, False]


@pytest.mark.parametrize("lies", [interleaved, lambda empty: empty], ids=["interleaved", "planes"])
def test_no_images(lies):
    levels, statistics, _ = made(lies(np.empty)((0, 37, 300), np.uint8), "clip", np.uint8, lies=lies)
    assert levels.shape == (0, 37, 300)
    assert not statistics


def test_one_pass_is_taken():
    """Otherwise, these tests would compare a method with itself."""
    V, Z = picture(3).reshape(3, 1, 1, 37, 300), interleaved(np.empty)((3, 37, 300), np.uint8)
    plan = Convolution.of(K, padding="same").at((3, 37, 300), np.float32).plan(Execution("compiled"))

    store = LevelStore(Z.reshape(V.shape), Levels(255))
    filler = level_runner(Weights(K.reshape(1, 1, 1, 3, 5)), plan.first.work, V, store, None)
    assert plan.makes_levels
    assert filler is not None
    assert list(filler.tiles) == [range(37)]


def test_the_result_lies_as_the_picture():
    V = picture(3)
    Z = conv2d(V, K, padding="same", dtype=np.uint8, algorithm="compiled")
    assert Z.strides == V.strides
    assert np.array_equal(Z, conv2d(np.ascontiguousarray(V), K, padding="same", dtype=np.uint8, algorithm="compiled"))


def test_tiles_and_threads_change_no_level():
    V = picture(3, size=(700, 900))
    whole = conv2d(V, K, padding="same", dtype=np.uint8, algorithm="compiled", threads=1)
    for threads, memory in ((2, None), (8, 100_000), (1, 30_000)):
        Z = conv2d(V, K, padding="same", dtype=np.uint8, algorithm="compiled", threads=threads, memory=memory)
        assert np.array_equal(Z, whole)


def test_whole_numbers():
    V = picture(3)
    weights = np.array([[1, -2, 1, 0, 1], [0, 3, 0, 0, 0], [1, 0, -2, 0, 1]])
    expected = conv2d(V, weights, padding="same", algorithm="direct").clip(0, 255)
    assert np.array_equal(conv2d(V, weights, padding="same", dtype=np.uint8, algorithm="compiled"), expected)


@pytest.mark.parametrize(
    ("maps", "samples"),
    [
        (picture(3), 3),
        (np.ascontiguousarray(picture(3)), 1),
        (picture(4)[:3], None),
        (picture(3)[:, :, ::2], None),
        (picture(3).astype(np.int16), None),
        (picture(3).astype(">u2"), None),
    ],
    ids=["interleaved", "planes", "with alpha", "every other column", "signed", "bytes swapped"],
)
def test_lines(maps, samples):
    lines = Lines.of(maps[:, None, None], np.dtype(np.float32))
    assert (lines and lines.samples) == samples
