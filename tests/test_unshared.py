"""Compare Z and the gradients of layers without shared weights, tiled and locally connected, with plain loops."""

import json
import tracemalloc
from functools import cache

import numpy as np
import pytest
from support import reference
from support.command_line import array, npy, succeed
from support.geometries import COPYING_FILLS, FILLS, WORKSPACES, Case, integers, operands
from support.reference import assert_adjoint, assert_same

from convcli import conv2d, conv2d_grad
from convcli.errors import GeometryError, OptionError

CASES = [
    Case("two-by-three", (1, 2, 7, 8), (3, 2, 3, 2, 2, 2)),
    Case("one-row", (1, 2, 5, 7), (3, 1, 4, 2, 2, 3)),
    Case("one-column", (2, 2, 6, 5), (4, 5, 1, 2, 3, 2)),
    Case("one-weight", (1, 2, 5, 7), (3, 1, 1, 2, 2, 3)),
    Case("locally-connected", (1, 2, 5, 7), (3, 4, 5, 2, 2, 3)),
    Case("locally-connected-batch", (3, 2, 4, 6), (2, 3, 5, 2, 2, 2)),
    Case("more-weights-than-outputs", (1, 2, 4, 5), (3, 5, 7, 2, 2, 2)),
    Case("stride-remainder", (1, 2, 9, 11), (3, 2, 2, 2, 3, 2), stride=(2, 3)),
    Case("far-apart", (1, 1, 4, 5), (2, 2, 2, 1, 2, 2), pads=(300, 400, 300, 400), dilation=(500, 600)),
    *(
        Case(f"everything-{fill}", (3, 4, 6, 7), (6, 2, 3, 2, 3, 2), (2, 1), (3, 2, 1, 4), (2, 3), groups=2, edge=fill)
        for fill in FILLS
    ),
    *(
        Case(f"pads-above-image-{fill}", (1, 2, 2, 3), (3, 2, 3, 2, 4, 5), (2, 1), (5, 3, 4, 8), edge=fill)
        for fill in COPYING_FILLS
    ),
]
MEMORY = 1 << 20
TILED = Case("tiled", (5, 4, 8, 12), (6, 3, 4, 2, 2, 3), (1, 2), (2, 1, 5, 4), (3, 1), groups=2, edge="reflect")
LOCAL = Case("local", (2, 4, 8, 12), (6, 8, 10, 2, 2, 3), (1, 2), (2, 1, 5, 4), (3, 1), groups=2, edge="wrap")
each_case = pytest.mark.parametrize("case", CASES, ids=str)


@cache
def expected(case):
    V, K, G = operands(case)
    return reference.conv2d(V, K, **case.plain), *reference.conv2d_grad(V, K, G, **case.plain)


def assert_agrees(case, **options):
    V, K, G = operands(case)
    Z, dK, dV, db = expected(case)
    assert_same(conv2d(V, K, **case.options, **options), Z)
    gradients = conv2d_grad(V, K, G, **case.options, **options)
    assert_same(gradients.kernel, dK)
    assert_same(gradients.input, dV)
    assert_same(gradients.bias, db)


@each_case
def test_against_plain_loops(case):
    assert_agrees(case)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("memory", WORKSPACES)
@pytest.mark.parametrize("case", [TILED, LOCAL], ids=str)
def test_tiles_and_threads_change_nothing(case, memory, threads):
    assert_agrees(case, memory=memory, threads=threads)


def test_many_tiles_on_many_threads_keep_their_order():
    """The sums of dK and dV round, and would round differently in another order."""
    V, K = np.random.default_rng(0).normal(size=(3, 90, 80)), np.random.default_rng(1).normal(size=(4, 2, 3, 3, 5, 5))
    G = np.random.default_rng(2).normal(size=(4, 86, 76))
    found = [conv2d_grad(V, K, G, memory=200_000, threads=threads) for threads in (1, 4, 4)]
    for others in found[1:]:
        assert_same(others.kernel, found[0].kernel)
        assert_same(others.input, found[0].input)


@each_case
def test_identities(case):
    V, K, G = operands(case)
    Z = conv2d(V, K, **case.options) - conv2d(np.zeros(V.shape), K, **case.options)
    gradients = conv2d_grad(V, K, G, **case.options)
    assert_adjoint(G, Z, V, gradients.input)
    assert_adjoint(G, conv2d(V, K, **case.options), K, gradients.kernel)


def test_one_weight_for_all_outputs_is_a_bank():
    V, K, G = operands(Case("bank", (2, 4, 7, 8), (6, 2, 3, 2), groups=2))
    assert_same(conv2d(V, K[:, None, None], groups=2), conv2d(V, K, groups=2))
    tiled, bank = (conv2d_grad(V, weights, G, groups=2) for weights in (K[:, None, None], K))
    assert_same(tiled.kernel, bank.kernel[:, None, None])
    assert_same(tiled.input, bank.input)


def test_a_kernel_repeated_over_its_tiles_is_a_bank():
    V, K, G = operands(Case("bank", (2, 2, 7, 8), (3, 2, 3, 2)))
    tiled = np.broadcast_to(K[:, None, None], (3, 2, 3, *K.shape[1:]))
    assert_same(conv2d(V, tiled), conv2d(V, K))
    assert_same(conv2d_grad(V, tiled, G).kernel.sum(axis=(1, 2)), conv2d_grad(V, K, G).kernel)


def test_a_locally_connected_layer_in_one_einsum():
    V, K = integers((2, 6, 7), seed=1), integers((3, 5, 5, 2, 2, 3), seed=2)
    windows = np.lib.stride_tricks.sliding_window_view(V, (2, 3), axis=(1, 2))
    assert_same(conv2d(V, K), np.einsum("ljkmn,ijklmn->ijk", windows, K))


def test_flip_turns_each_weight_and_its_gradient():
    V, K, G = operands(TILED)
    flipped = conv2d_grad(V, K, G, **TILED.options, flip=True)
    assert_same(conv2d(V, K, **TILED.options, flip=True), conv2d(V, K[..., ::-1, ::-1], **TILED.options))
    assert_same(flipped.kernel, expected(TILED)[1][..., ::-1, ::-1])


def test_untied_bias():
    V, K, G = operands(LOCAL)
    b = integers(G.shape[1:], seed=4)
    assert_same(conv2d(V, K, b, **LOCAL.options), expected(LOCAL)[0] + b)
    assert_same(conv2d_grad(V, K, G, bias=b, **LOCAL.options).bias, G.sum(axis=0))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_types(dtype):
    V, K, G = operands(TILED)
    V = np.abs(V).astype(dtype)
    Z = conv2d(V, K.astype(np.float32), **TILED.options)
    assert Z.dtype == (np.float64 if dtype is np.float64 else np.float32)
    assert_same(Z.astype(float), reference.conv2d(V.astype(float), K, **TILED.plain))
    gradients = conv2d_grad(V, K, G, dtype=np.float32, **TILED.options)
    assert {gradients.kernel.dtype, gradients.input.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("K_shape", [(4, 3, 3, 4, 3, 3), (2, 158, 148, 4, 3, 3)], ids=["tiled", "locally connected"])
def test_workspace_is_bounded(K_shape):
    V, K = np.ones((4, 160, 150)), np.ones(K_shape)
    G = conv2d(V, K)
    calls = [
        (lambda name=name: conv2d_grad(V, K, G, wrt=name, memory=MEMORY, threads=1)) for name in ("kernel", "input")
    ]
    results = {"kernel": K.nbytes, "input": V.nbytes}
    for call, result in zip(calls, results.values(), strict=True):
        assert traced(call) <= result + 2 * MEMORY
    assert traced(lambda: conv2d(V, K, memory=MEMORY, threads=1)) <= G.nbytes + 2 * MEMORY


def traced(function):
    """Return the most bytes that a function held at a time, including its result."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_infinities_stay_in_their_windows():
    V, K = np.ones((1, 6, 6)), np.ones((1, 2, 2, 1, 2, 2))
    V[0, 0, 0] = np.inf
    assert np.argwhere(~np.isfinite(conv2d(V, K))).tolist() == [[0, 0, 0]]


def test_other_algorithms_refuse():
    V, K, G = operands(TILED)
    message = r"^algorithm: toeplitz cannot do this: it is for weights that outputs share; use auto$"
    with pytest.raises(OptionError, match=message):
        conv2d(V, K, **TILED.options, algorithm="toeplitz")
    with pytest.raises(OptionError, match=message):
        conv2d_grad(V, K, G, **TILED.options, algorithm="toeplitz")
    with pytest.raises(
        OptionError, match=r"^algorithm: unshared cannot do this: it is for weights that outputs do not share"
    ):
        conv2d(V, K[:, 0, 0], **TILED.options, algorithm="unshared")
    assert_same(conv2d(V, K, **TILED.options, algorithm="unshared"), expected(TILED)[0])


def test_channels_must_fit():
    with pytest.raises(GeometryError, match=r"^kernel \(3, 2, 2, 4, 1, 1\) with groups 1 takes 4 input channels, but"):
        conv2d(np.ones((2, 5, 5)), np.ones((3, 2, 2, 4, 1, 1)))
    with pytest.raises(GeometryError, match=r"takes 2 input channels, but the input has 1: its shape is \(5, 5\)$"):
        conv2d(np.ones((5, 5)), np.ones((3, 2, 2, 2, 1, 1)))


def test_from_the_shell(tmp_path):
    """Apply, grad and plan take such kernels as .npy and as JSON."""
    V, K = integers((2, 5, 6), seed=1), integers((3, 2, 3, 2, 2, 2), seed=2)
    np.save(tmp_path / "tiled.npy", K)
    kernel = json.dumps({"weights": K.tolist(), "bias": [1, 2, 3]})
    Z = conv2d(V, K, [1, 2, 3], padding="same")
    for source, bias in ((kernel, []), ("tiled.npy", ["--bias", "1,2,3"])):
        out = succeed("apply", "-", "-k", source, *bias, "-f", "npy", "-o", "-", cwd=tmp_path, stdin=npy(V))
        assert_same(array(out), Z)
    G = integers(Z.shape, seed=5)
    np.save(tmp_path / "G.npy", G)
    found = json.loads(succeed("grad", "-", "-k", kernel, "-G", "G.npy", cwd=tmp_path, stdin=npy(V)))
    expected = conv2d_grad(V, K, G, bias=[1, 2, 3], padding="same")
    for name, tensor in expected._asdict().items():
        assert_same(np.array(found["gradients"][name]["values"]), tensor)
    plan = json.loads(succeed("plan", "--input-shape", "2,5,6", "-k", "tiled.npy", "--json", cwd=tmp_path))
    assert {name: each["algorithm"] for name, each in plan["plans"].items()} == dict.fromkeys(
        ("output", "kernel", "input"), "unshared"
    )
    assert plan["gradients"]["kernel"] == list(K.shape)
