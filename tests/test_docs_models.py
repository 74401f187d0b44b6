"""The commands of docs/models.md run."""

import json
import re
import shutil

import numpy as np
import pytest
from support.command_line import shell
from support.pages import page

from convcli import conv2d

onnx = pytest.importorskip("onnx")
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", page("docs/models.md"), re.DOTALL))
X, W, B = np.random.default_rng(0).integers(-4, 5, (3, 64, 64)), np.ones((8, 3, 7, 7)), np.arange(8.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 64, 64])
    node = onnx.helper.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["z"], strides=[2, 2], pads=[3] * 4)
    tensors = {"conv1.weight": W.astype(np.float32), "conv1.bias": B.astype(np.float32)}
    parameters = [onnx.numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [], parameters)), folder / "model.onnx"
    )
    header, data = {}, b""
    for name, tensor in tensors.items():
        offsets = [len(data), len(data) + tensor.nbytes]
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": offsets}
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    np.savez(folder / "weights.npz", W=W, b=B)
    np.save(folder / "x.npy", X.astype(np.float32))
    np.save(folder / "theirs.npy", conv2d(X.astype(float), W, B, stride=2, padding=3))
    np.save(folder / "dout.npy", np.ones((8, 32, 32)))
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_commands_run(folder):
    result = shell(f"set -e -o pipefail\n{COMMANDS}", folder)
    assert (result.code, b"multiplications" in result.out) == (0, True)
