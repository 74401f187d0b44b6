"""Random convolutions: Z and every gradient compared with plain loops and with scipy, and identities between them.

Data are small integers, so that every sum is exact and ``==`` compares, except for algorithms that round.
"""

from typing import NamedTuple

import numpy as np
import pytest
from drawing import Convolution, convolutions, pairs
from hypothesis import reject
from hypothesis import strategies as st
from oracles import answers, plain_loops, scipy_signal
from scipy import ndimage
from support import any_size
from support.algorithms import assert_agrees, shared
from support.geometries import COPYING_FILLS, integers, operands
from support.reference import assert_adjoint, assert_same
from support.sparse import as_scipy

from convcli import conv2d, conv2d_grad, conv2d_matrix
from convcli.engine import CONVOLUTIONS, KERNEL_GRADIENTS
from convcli.errors import OptionError

pytestmark = pytest.mark.conformance


class Call(NamedTuple):
    """A convolution, and how to compute it."""

    convolution: Convolution
    bias: tuple[int, ...] = ()
    stored: str = "float64"
    dtype: str = "float64"
    algorithm: str = "auto"
    threads: int = 1
    memory: int = 16 << 20

    @property
    def options(self):
        names = ("dtype", "algorithm", "threads", "memory")
        return self.convolution.options | {name: getattr(self, name) for name in names}


@st.composite
def calls(draw):
    convolution = draw(convolutions(room=5))
    per_channel_and_unit = [convolution.K[:1], convolution.Z[-3:]]
    names = shared(CONVOLUTIONS) if len(convolution.K) < 6 else [*CONVOLUTIONS.keys() - shared(CONVOLUTIONS)]
    return Call(
        convolution,
        draw(st.sampled_from([(), *per_channel_and_unit] if len(convolution.K) > 2 else [()])),
        draw(st.sampled_from(("float64", "float32", "uint8", "int16", "int64"))),
        draw(st.sampled_from(("float64", "float32"))),
        draw(st.sampled_from(("auto", *names))),
        draw(st.integers(1, 3)),
        draw(st.sampled_from((16 << 20, 50_000, 4_000, 1))),
    )


def test_random_calls_agree_with_plain_loops(try_many):
    """Covers every algorithm, type, bias, workspace and number of threads."""
    try_many(calls(), agrees_with_plain_loops, 250)


def agrees_with_plain_loops(call):
    V, K, G = operands(call.convolution)
    V, b = np.abs(V).astype(call.stored), integers(call.bias, seed=4)
    Z = unless_refused(lambda: any_size.conv2d(V, K, b, **call.options))
    dV = unless_refused(lambda: any_size.conv2d_grad(V, K, G, wrt="input", **call.options).input)
    expected_Z, expected_dK, expected_dV = answers(plain_loops, call.convolution, V.astype(float), K, G)
    assert_agrees(Z, expected_Z + (b[:, None, None] if b.ndim == 1 else b), call.algorithm)
    assert_agrees(dV, expected_dV, call.algorithm)
    if call.algorithm in ("auto", *KERNEL_GRADIENTS):
        gradients = any_size.conv2d_grad(V, K, G, bias=b, wrt="kernel,bias", **call.options)
        assert_agrees(gradients.kernel, expected_dK, call.algorithm)
        assert_same(gradients.bias, bias_gradient(G, b.ndim))


def unless_refused(compute):
    try:
        return compute()
    except OptionError as error:
        if " cannot do this: " not in str(error):
            raise
        reject()


def bias_gradient(G, rank):
    """Return G summed to one number, one per channel, or one per unit."""
    images = G.reshape(-1, *G.shape[-3:]) if rank else G
    return np.asarray(images.sum(axis={0: None, 1: (0, 2, 3), 3: 0}[rank]))


def test_random_geometries_agree_with_scipy_signal(try_many):
    """Images are larger than plain loops can process."""
    try_many(convolutions(room=20, ranks=(2, 4)), agrees_with_scipy_signal, 100)


def agrees_with_scipy_signal(convolution):
    V, K, G = operands(convolution)
    gradients = conv2d_grad(V, K, G, **convolution.options)
    found = (conv2d(V, K, **convolution.options), gradients.kernel, gradients.input)
    for ours, theirs in zip(found, answers(scipy_signal, convolution, V, K, G), strict=True):
        assert_same(ours, theirs)


MODES = {"replicate": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "grid-wrap"}


@st.composite
def size_preserving(draw):
    """Draw a 2-D kernel with its anchor at any tap, which decides how the pads are split.

    Pads are at most twice the extent of the image: ``reflect`` of scipy 1.17 reads outside the image for larger ones.
    """
    taps, dilation = draw(pairs(1, 6)), draw(pairs(1, 3))
    reaches = [d * (k - 1) for k, d in zip(taps, dilation, strict=True)]
    V = tuple(draw(st.integers(max(1, (reach + 1) // 2), 30)) for reach in reaches)
    top, left = (draw(st.integers(0, reach)) for reach in reaches)
    pads = (top, reaches[0] - top, left, reaches[1] - left)
    return Convolution(V, taps, padding=pads, dilation=dilation, edge=draw(st.sampled_from(COPYING_FILLS)))


def test_random_geometries_agree_with_scipy_ndimage(try_many):
    """scipy.ndimage extends the image itself, with its own names for edges."""
    try_many(size_preserving(), agrees_with_scipy_ndimage, 300)


def agrees_with_scipy_ndimage(convolution):
    V, K, _ = operands(convolution)
    weights = np.zeros([d * (k - 1) + 1 for k, d in zip(K.shape, convolution.dilation, strict=True)])
    weights[:: convolution.dilation[0], :: convolution.dilation[1]] = K
    top, _, left, _ = convolution.pads
    origin = (top - weights.shape[0] // 2, left - weights.shape[1] // 2)
    theirs = ndimage.correlate(V, weights, mode=MODES[convolution.edge], origin=origin)
    assert_same(conv2d(V, K, **convolution.options), theirs)


def test_random_geometries_agree_with_their_matrix(try_many):
    try_many(convolutions(room=8), agrees_with_its_matrix, 150)


def agrees_with_its_matrix(convolution):
    V, K, G = operands(convolution)
    b = integers(convolution.Z[-3:], seed=4) if K.ndim > 2 else 1.5
    M = conv2d_matrix(K, V.shape, b, **convolution.options)
    matrix = as_scipy(M)
    assert_same((matrix @ V.ravel() + M.offset).reshape(G.shape), conv2d(V, K, b, **convolution.options))
    dV = conv2d_grad(V, K, G, wrt="input", **convolution.options).input
    assert_same((matrix.T @ G.ravel()).reshape(V.shape), dV)


def test_the_adjoint_identities_hold(try_many):
    """<G, Z> = <dV, V> = <dK, K> with real numbers, which round."""
    linear = convolutions(room=20, edges=st.sampled_from(("zero", *COPYING_FILLS)))
    try_many(linear, identities_hold, 100)


def identities_hold(convolution):
    rng = np.random.default_rng(0)
    V, K, G = (rng.standard_normal(shape) for shape in (convolution.V, convolution.K, convolution.Z))
    Z, gradients = conv2d(V, K, **convolution.options), conv2d_grad(V, K, G, **convolution.options)
    assert_adjoint(G, Z, V, gradients.input)
    assert_adjoint(G, Z, K, gradients.kernel)
