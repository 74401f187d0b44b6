"""Models that PyTorch and Caffe2 exported, which the package onnx brings along with their inputs and outputs."""

from pathlib import Path

import numpy as np
import pytest

from convcli import conv2d, conv2d_transpose, load_kernel
from convcli.convolution.network import network_of
from convcli.errors import KernelError
from convcli.files.source import Source
from convcli.kernels.onnx_models import read_model

onnx = pytest.importorskip("onnx")
DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
LAYERS = sorted(path.parent for path in DATA.glob("pytorch-converted/test_Conv*/model.onnx"))
NETWORKS = sorted(DATA.glob("light/*.onnx"))
pytestmark = pytest.mark.conformance


def saved_tensor(path):
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def test_the_package_has_models():
    assert (len(LAYERS) > 20, len(NETWORKS) > 3) == (True, True)


@pytest.mark.parametrize("folder", LAYERS, ids=lambda folder: folder.name)
def test_a_layer_of_pytorch(folder):
    """The outputs are in float32, as PyTorch computed them."""
    if "2d" not in folder.name:
        with pytest.raises(
            KernelError, match=r"expected weights \(C_out, C_in/groups, kh, kw\) for images, given shape"
        ):
            load_kernel(folder / "model.onnx")
        return
    kernel = load_kernel(folder / "model.onnx")
    x, expected = (saved_tensor(folder / "test_data_set_0" / f"{name}_0.pb") for name in ("input", "output"))
    found = (conv2d if kernel.transposed is None else conv2d_transpose)(x, kernel, dtype="float64")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_shapes_are_those_that_onnx_infers(path):
    model = read_model(Source.of_file(str(path)))
    inferred = {name: shape[1:] for name, shape in model.shapes().items()}
    found = network_of(model).convolutions
    assert len(found) > 3
    for convolution in found:
        node = model.convolutions[convolution.name]
        assert convolution.geometry is not None
        assert convolution.output_shape == inferred[node.proto.output[0]]
        assert convolution.multiplications > 0
