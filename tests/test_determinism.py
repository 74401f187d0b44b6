"""The same bytes with any number of threads, tiles and bands of any size, on a cluster, and from year to year.

For integers so small that every sum of products is exact, checksums are pinned, whatever cuts the work and adds it up.
For numbers that round, the number of threads and the size of bands must not change a byte.
"""

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.algorithms import EXACT_GRADIENTS, able, each_named
from support.any_size import ANY_SIZE
from support.command_line import npy, succeed
from support.requests import convolved, differentiated, request_of
from test_bands import PicklingCluster, as_bytes, numbers

from convcli.convolution.prepared import Convolution, Prepared
from convcli.engine import AUTOMATIC, CONVOLUTIONS, KERNEL_GRADIENTS, Execution, Limits

LAYERS = {
    "filter": ((3, 61, 83), (5, 4), {"padding": "same", "edge": "reflect"}),
    "bank": ((3, 57, 74), (6, 3, 3, 3), {"stride": (2, 1), "padding": (1, 2, 0, 3), "dilation": (1, 2)}),
    "groups": ((2, 4, 40, 53), (6, 2, 3, 2), {"groups": 2, "padding": "full", "edge": "wrap"}),
    "dense": ((16, 41, 38), (8, 16, 3, 3), {"padding": "same-lower"}),
    "tiled": ((4, 33, 46), (3, 2, 3, 4, 3, 2), {"padding": "valid", "stride": (1, 3)}),
}
# Checksums of Z, dK, dV and db in float64, little-endian, one after another.
CHECKSUMS = {
    "filter": "8fd11c9a361d3e8d48273a40ad4e4894eb43e70c9106b0d8824556ec455179fa",
    "bank": "74834f291a9bf7382ef5c56bf41260fa01a4e380f83712124c23f7d3b1e65f06",
    "groups": "3f991d93d4be43f060e8e326d464252257b4fe50e27b1abfcc338ec373553d7c",
    "dense": "71cbb5cceaa2b3b4528cfc23b3aeaf6ecf77f3f62844c455d5d7505d97501317",
    "tiled": "6a0396118fd8eb5d3214eb903981837d90dfde7b1addbdbc98883532a42d32b6",
}
# Bytes of workspace.
MEMORY = 1 << 20
SHARED = [layer for layer in LAYERS if layer != "tiled"]
each_layer = pytest.mark.parametrize("layer", LAYERS)
# Several threads compute even work of this size, and transforms take kernels of any size.
LIMITS = ANY_SIZE._replace(threads=0)
SETTINGS = [(1, 64 << 20), (2, 64 << 20), (8, 64 << 20), (1, 100_000), (2, 300_000), (8, 1 << 20)]


def integers(shape, step):
    """Return integers from -9 to 9, the same in every version of NumPy."""
    return (np.arange(np.prod(shape)) * step % 19 - 9.0).reshape(shape)


def request(layer, execution):
    _, K_shape, options = LAYERS[layer]
    bias = integers(K_shape[:1], 5) if len(K_shape) > 2 else np.array(4.0)
    return request_of(integers(K_shape, 11), bias, execution=execution, **options)


def checksum(asked, layer):
    """Return the checksum of Z and all gradients of a layer on integers."""
    V = integers(LAYERS[layer][0], 7)
    Z = convolved(asked, V)
    gradients = differentiated(asked, V, integers(Z.shape, 13))
    tensors = (Z, gradients.kernel, gradients.input, gradients.bias)
    return hashlib.sha256(b"".join(tensor.astype("<f8").tobytes() for tensor in tensors)).hexdigest()


@each_layer
@pytest.mark.parametrize(("threads", "memory"), SETTINGS)
def test_checksums(layer, threads, memory):
    execution = Execution("auto", threads, memory, limits=Limits(threads=0))
    assert checksum(request(layer, execution), layer) == CHECKSUMS[layer]


@each_layer
@pytest.mark.parametrize("band", [1, 3_000, 1 << 30])
def test_checksums_of_bands(layer, band):
    execution = Execution("auto", 1, 300_000, cluster=PicklingCluster(), limits=Limits(band=band))
    assert checksum(request(layer, execution), layer) == CHECKSUMS[layer]


@pytest.mark.parametrize("layer", SHARED)
@each_named(sorted(EXACT_GRADIENTS - {"auto"}))
def test_checksums_of_every_algorithm_that_is_exact(layer, algorithm):
    assert checksum(request(layer, Execution(algorithm, 2, 300_000, limits=LIMITS)), layer) == CHECKSUMS[layer]


@pytest.mark.slow
def test_the_program_and_its_cluster_give_the_same_bytes(tmp_path):
    V_shape, K_shape, options = LAYERS["bank"]
    (tmp_path / "V.npy").write_bytes(npy(integers(V_shape, 7)))
    (tmp_path / "K.npy").write_bytes(npy(integers(K_shape, 11)))
    words = [f"--{name}={','.join(map(str, np.atleast_1d(value)))}" for name, value in options.items()]
    commands = [
        succeed("apply", "V.npy", "-k", "K.npy", *words, *more, "-o", "-", "-f", "npy", cwd=tmp_path)
        for more in (["--threads", "1"], ["--threads", "2", "--memory", "100K"], ["--cluster", "local:2"])
    ]
    asked = request("bank", Execution("auto", 8))
    without_bias = asked._replace(convolution=replace(asked.convolution, bias=None))
    assert set(commands) == {npy(convolved(without_bias, integers(V_shape, 7)))}


def able_in(plan, algorithms=CONVOLUTIONS):
    """Return (layer, algorithm) for the layers whose ``plan(prepared, execution)`` each algorithm takes."""
    pairs = []
    for layer in SHARED:
        prepared = asked_of_noise(layer).convolution.at(LAYERS[layer][0], np.float64)
        names = able(partial(plan, prepared), algorithms, memory=MEMORY, limits=LIMITS)
        pairs += [(layer, name) for name in names]
    return pytest.mark.parametrize(("layer", "algorithm"), pairs)


def asked_of_noise(layer, execution=AUTOMATIC):
    """Return a request without a bias, whose weights round."""
    asked = request(layer, execution)
    weights = numbers(LAYERS[layer][1], np.float64, 1)
    return asked._replace(convolution=replace(asked.convolution, weights=weights, bias=None))


def plan_gradients(prepared, execution):
    return prepared.plan_gradients(("kernel", "input"), execution)


@pytest.mark.parametrize(
    "execution", [Execution(threads=1), Execution(threads=2), Execution(cluster=PicklingCluster())]
)
def test_a_tile_of_some_output_channels(execution):
    """A layer of a few pixels is cut by output channels, so that threads share the work."""
    rng = np.random.default_rng(3)
    V, K, b = (rng.integers(-9, 10, shape) + 0.5 for shape in ((256, 4, 6), (509, 256, 3, 3), (509,)))
    prepared = Convolution.of(K, b, padding="same").at(V.shape, np.float64)
    plan = prepared.plan(execution)
    assert [tile.channels for tile in plan.first.tiles] == [slice(0, 255), slice(255, 509)]
    expected = prepared.convolve(V, prepared.plan(Execution("direct")))
    assert np.array_equal(prepared.convolve(V, plan), expected)
    G = rng.integers(-9, 10, expected.shape).astype(float)
    dV, direct = (
        prepared.gradients(V, G, prepared.plan_gradients("input", each)).input
        for each in (execution, Execution("direct"))
    )
    assert np.array_equal(dV, direct)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
class TestThreadsChangeNoByte:
    @able_in(Prepared.plan)
    def test_in_maps(self, layer, algorithm, dtype):
        assert_threads_do_not_show(layer, algorithm, dtype, convolved)

    @able_in(plan_gradients, KERNEL_GRADIENTS)
    def test_in_gradients(self, layer, algorithm, dtype):
        def differentiate(asked, V):
            G = numbers(asked.convolution.geometry(V.shape).output_shape, np.float64, 3)
            return differentiated(asked, V, G, ("kernel", "input"))

        assert_threads_do_not_show(layer, algorithm, dtype, differentiate)


def assert_threads_do_not_show(layer, algorithm, dtype, compute):
    asked = asked_of_noise(layer, Execution(algorithm, 1, MEMORY, limits=LIMITS))
    V = numbers(LAYERS[layer][0], dtype, 2)
    alone = as_bytes(compute(asked, V))
    assert as_bytes(compute(asked.executed(threads=2), V)) == alone
    assert as_bytes(compute(asked.executed(threads=8), V)) == alone
