"""Random layers compared with PyTorch in float64: Z, and dK, dV and db by automatic differentiation.

Data are small integers, whose sums are exact in both: ``==`` compares.
"""

import numpy as np
import pytest
from drawing import PADS, STRIDES, convolutions, pairs
from hypothesis import strategies as st
from support.geometries import integers, operands
from support.reference import assert_same

from convcli import conv2d, conv2d_grad

pytestmark = pytest.mark.conformance

# The names of convcli's edges in torch, which has no symmetric edge.
MODES = {"zero": "zeros", "replicate": "replicate", "reflect": "reflect", "wrap": "circular"}
EDGES = st.just("zero") | st.sampled_from(tuple(MODES))
EXPLICIT = st.tuples(PADS, PADS, PADS, PADS)
BALANCED = pairs(0, 5)


@pytest.fixture(scope="module", autouse=True)
def alone():
    """Skip all tests if torch is missing. Import it in functions, because that takes seconds."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@st.composite
def layers(draw, paddings, edges=EDGES, strides=STRIDES):
    """Draw banks that torch accepts: at most one axis of images, and images that are no smaller than their pads."""
    layer = draw(
        convolutions(room=8, strides=strides, paddings=paddings, edges=edges, ranks=(4,), flips=st.just(False))
    )
    least = 1 if layer.edge == "zero" else max(layer.pads) + 1
    return layer._replace(V=(*layer.V[:-3][:1], layer.V[-3], *(max(size, least) for size in layer.V[-2:])))


def test_gradients_agree_with_automatic_differentiation(try_many):
    """Covers any stride, pads, edge, dilation, groups and batch, for arrays in row-major or column-major order."""
    drawn = st.tuples(layers(EXPLICIT), st.sampled_from("CF"))
    try_many(drawn, agrees_with_autograd, 1000)


def agrees_with_autograd(drawn):
    import torch

    layer, order = drawn
    V, K, G = (np.asarray(array, order=order) for array in operands(layer))
    b = integers(layer.K[:1], seed=4)
    leaves = [torch.from_numpy(array).requires_grad_() for array in (V, K, b)]
    convolve = torch.nn.functional.conv2d
    Z = convolve(padded(leaves[0], layer), *leaves[1:], layer.stride, 0, layer.dilation, layer.groups)
    dV, dK, db = torch.autograd.grad(Z, leaves, torch.from_numpy(G))
    assert_same(conv2d(V, K, b, **layer.options), Z.detach().numpy())
    gradients = conv2d_grad(V, K, G, bias=b, **layer.options)
    assert_same(gradients.kernel, dK.numpy())
    assert_same(gradients.input, dV.numpy())
    assert_same(gradients.bias, db.numpy())


def padded(V, layer):
    from torch.nn.functional import pad

    top, bottom, left, right = layer.pads
    return pad(V, (left, right, top, bottom), mode=MODES[layer.edge].replace("zeros", "constant"))


def test_the_input_gradient_agrees_with_transposed_convolution(try_many):
    """conv_transpose2d is dV. Its output_padding is the number of rows and columns in the remainder of the stride."""
    drawn = layers(BALANCED, edges=st.just("zero")).filter(leaves_less_over_than_it_steps)
    try_many(drawn, agrees_with_transposed, 100)


def leaves_less_over_than_it_steps(layer):
    """Return whether torch accepts this output_padding; convcli has no such limit."""
    steps = zip(left_over(layer), layer.stride, layer.dilation, strict=True)
    return all(rest < max(stride, dilation) for rest, stride, dilation in steps)


def left_over(layer):
    sides = zip(layer.V[-2:], layer.Z[-2:], layer.K[-2:], layer.stride, layer.padding, layer.dilation, strict=True)
    return [n + 2 * pad - (out - 1) * s - d * (k - 1) - 1 for n, out, k, s, pad, d in sides]


def agrees_with_transposed(layer):
    import torch

    V, K, G = operands(layer)
    dV = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(G),
        torch.from_numpy(K),
        None,
        layer.stride,
        layer.padding,
        left_over(layer),
        layer.groups,
        layer.dilation,
    )
    assert_same(conv2d_grad(V, K, G, wrt="input", **layer.options).input, dV.numpy())


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_layers_agree_with_modules_of_torch(try_many):
    """torch.nn.Conv2d allows ``same`` only at stride 1, where it equals that of convcli."""
    same = layers(st.just("same"), strides=st.just((1, 1)))
    try_many(same | layers(BALANCED), agrees_with_module, 100)


def agrees_with_module(layer):
    import torch

    V, K, _ = operands(layer)
    b = integers(layer.K[:1], seed=4)
    module = torch.nn.Conv2d(
        layer.V[-3],
        layer.K[0],
        layer.K[-2:],
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        padding_mode=MODES[layer.edge],
        dtype=torch.float64,
    )
    module.load_state_dict({"weight": torch.from_numpy(K), "bias": torch.from_numpy(b)})
    assert_same(conv2d(V, K, b, **layer.options), module(torch.from_numpy(V)).detach().numpy())
