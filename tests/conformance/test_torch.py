"""Random layers compared with PyTorch in float64: Z, and dK, dV and db by automatic differentiation.

Data are small integers, whose sums are exact in both: ``==`` compares.
"""

from typing import NamedTuple

import numpy as np
import pytest
from drawing import PADS, STRIDES, convolutions, pairs
from hypothesis import strategies as st
from support.geometries import integers, operands
from support.reference import assert_same
from typer.testing import CliRunner

from convcli import GeometryError, TransposedConvolution, conv2d, conv2d_grad, conv2d_transpose
from convcli.cli.app import app

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


class TransposedLayer(NamedTuple):
    """The shapes of a transposed convolution's input and kernel, and its options."""

    V: tuple[int, ...]
    K: tuple[int, ...]
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int]
    groups: int
    dilation: tuple[int, int]

    @property
    def options(self):
        """The options by their names, which are those of torch too."""
        return {name: value for name, value in self._asdict().items() if name not in ("V", "K")}

    @property
    def leaves_something(self):
        sides = zip(self.V[-2:], self.K[-2:], *(self[2:5]), self.dilation, strict=True)
        return all((n - 1) * s - 2 * pad + d * (k - 1) + extra >= 0 for n, k, s, pad, extra, d in sides)


@st.composite
def transposed_layers(draw):
    """Draw transposed convolutions, with every output_padding that torch accepts."""
    stride, dilation, taps = draw(STRIDES), draw(pairs(1, 4)), draw(pairs(1, 4))
    extra = tuple(draw(st.integers(0, max(each) - 1)) for each in zip(stride, dilation, strict=True))
    groups, ins, outs = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    V = (*draw(st.sampled_from(((), (1,), (3,)))), groups * ins, *draw(pairs(1, 6)))
    return TransposedLayer(V, (groups * ins, outs, *taps), stride, draw(pairs(0, 4)), extra, groups, dilation)


def test_transposed_convolutions_and_their_gradients_agree(try_many):
    try_many(transposed_layers().filter(lambda layer: layer.leaves_something), agrees_with_transposed, 1000)


def agrees_with_transposed(layer):
    import torch

    V, K, b = integers(layer.V, seed=1), integers(layer.K, seed=2), integers((layer.K[1] * layer.groups,), seed=3)
    leaves = [torch.from_numpy(array).requires_grad_() for array in (V, K, b)]
    Z = torch.nn.functional.conv_transpose2d(*leaves, **layer.options)
    G = integers(tuple(Z.shape), seed=4)
    dV, dK, db = torch.autograd.grad(Z, leaves, torch.from_numpy(G))
    assert_same(conv2d_transpose(V, K, b, **layer.options), Z.detach().numpy())
    prepared = TransposedConvolution.of(K, b, **layer.options).at(V.shape, np.float64)
    gradients = prepared.gradients(V, G, prepared.plan_gradients())
    assert_same(gradients.kernel, dK.numpy())
    assert_same(gradients.input, dV.numpy())
    assert_same(gradients.bias, db.numpy())


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


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "uint8", "int16", "int64"])
def test_tensors_are_taken_as_they_are(dtype):
    import torch

    shapes = [(3, 4, 5), (2, 3, 2, 2), (2, 3, 4)]
    V, K, G = (torch.arange(np.prod(shape)).reshape(shape).to(getattr(torch, dtype)) for shape in shapes)
    if V.is_floating_point():
        V, K, G = (tensor.requires_grad_() for tensor in (V, K, G))
    arrays = [tensor.detach().double().numpy() for tensor in (V, K, G)]
    assert_same(conv2d(V, K), conv2d(*arrays[:2]).astype(conv2d(V, K).dtype))
    assert conv2d_grad(V, torch.nn.Parameter(K.float()), G) == conv2d_grad(*arrays)


def test_types_of_torch():
    import torch

    V, K = np.arange(12.0).reshape(3, 4), np.ones((2, 2))
    for dtype in ("float64", "float32", "uint8", "uint16"):
        assert conv2d(V, K, dtype=getattr(torch, dtype)).dtype == dtype


def test_a_tensor_without_numbers_is_refused():
    import torch

    with pytest.raises(
        GeometryError, match=r"^input V: .* Tensor that NumPy cannot read: can't convert meta device type"
    ):
        conv2d(torch.ones(3, 3, device="meta"), np.ones((2, 2)))


@pytest.mark.parametrize("seed", range(4))
def test_two_layers_with_a_relu_by_commands(tmp_path, monkeypatch, seed):
    """Conv, ReLU, conv, with outputs that are exactly 0, where the gradient of torch's ReLU is 0 too."""
    import torch

    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(seed).integers
    shapes = {"V": (2, 7, 6), "K1": (3, 2, 2, 3), "K2": (2, 3, 3, 2), "G": (2, 4, 3)}
    arrays = {name: draw(-2, 3, shape).astype(float) for name, shape in shapes.items()}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    first = ["-k", "K1.npy", "-p", "valid", "--relu"]
    run("apply", "V.npy", *first, "-o", "A.npy")
    run("grad", "A.npy", "-k", "K2.npy", "-p", "valid", "-G", "G.npy", "--wrt", "dV", "-o", "dA.npy")
    run("grad", "V.npy", *first, "-G", "dA.npy", "-o", "first.npz")
    V, K1, K2, G = (torch.from_numpy(array).requires_grad_(name != "G") for name, array in arrays.items())
    Z = torch.nn.functional.conv2d(V, K1)
    dV, dK = torch.autograd.grad(torch.nn.functional.conv2d(torch.relu(Z), K2), (V, K1), G)
    assert (Z == 0).any()
    with np.load("first.npz") as found:
        assert_same(found["kernel"], dK.numpy())
        assert_same(found["input"], dV.numpy())


def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
