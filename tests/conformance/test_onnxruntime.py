"""Random transposed convolutions compared with ConvTranspose of ONNX Runtime, in float32.

Data are small integers, whose sums are exact in both: ``==`` compares.
"""

import numpy as np
import pytest
from drawing import STRIDES, pairs
from hypothesis import strategies as st
from support.geometries import integers
from support.reference import assert_same

from convcli import conv2d_transpose

pytestmark = pytest.mark.conformance

AUTO_PADS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same-lower"}


@pytest.fixture(scope="module", autouse=True)
def alone():
    """Skip all tests if ONNX Runtime is missing. Import it in functions, because that takes seconds."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")


@st.composite
def nodes(draw):
    """Draw the shapes of X and W, and the attributes of a node."""
    strides, dilations, taps = draw(STRIDES), draw(pairs(1, 3)), draw(pairs(1, 4))
    group, ins, outs = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    X = (draw(st.integers(1, 3)), group * ins, *draw(pairs(1, 6)))
    attributes = {"strides": strides, "dilations": dilations, "group": group}
    sizes = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(X[2:], strides, dilations, taps, strict=True)]
    match draw(st.sampled_from(("auto_pad", "pads", "output_shape"))):
        case "auto_pad":
            attributes["auto_pad"] = draw(st.sampled_from(tuple(AUTO_PADS)))
            # With a shorter kernel, ONNX Runtime returns fewer pixels than the n*s that the operator's page defines.
            if attributes["auto_pad"] != "VALID":
                taps = tuple(max(k, s) for k, s in zip(taps, strides, strict=True))
        case "pads":
            starts, ends = draw(pairs(0, 3)), draw(pairs(0, 3))
            attributes["pads"] = (
                *starts,
                *(min(end, n - start - 1) for end, start, n in zip(ends, starts, sizes, strict=True)),
            )
            attributes["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in strides)
        case "output_shape":
            attributes["output_shape"] = tuple(
                n + draw(st.integers(0, s - 1)) for n, s in zip(sizes, strides, strict=True)
            )
    return X, (group * ins, outs, *taps), attributes


def has_no_negative_pads(node):
    return min(node[2].get("pads", (0,))) >= 0


def test_transposed_convolutions_agree(try_many):
    try_many(nodes().filter(has_no_negative_pads), agrees_with_onnxruntime, 500)


def agrees_with_onnxruntime(node):
    shape, weights, attributes = node
    X, W = (integers(each, seed).astype(np.float32) for seed, each in enumerate((shape, weights)))
    B = integers((weights[1] * attributes["group"],), seed=2).astype(np.float32)
    given = {name: attributes[name] for name in ("output_padding", "output_shape") if name in attributes}
    Z = conv2d_transpose(
        X,
        W,
        B,
        stride=attributes["strides"],
        dilation=attributes["dilations"],
        groups=attributes["group"],
        padding=padding(attributes),
        **given,
    )
    assert_same(Z, computed(attributes, X, W, B))


def padding(attributes):
    if "auto_pad" in attributes:
        return AUTO_PADS[attributes["auto_pad"]]
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return top, bottom, left, right


def computed(attributes, X, W, B):
    import onnx
    import onnxruntime
    from onnx import helper

    node = helper.make_node("ConvTranspose", ["X", "W", "B"], ["Z"], **attributes)
    tensors = {"X": X, "W": W, "B": B}
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, each.shape) for name, each in tensors.items()]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("Z", onnx.TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, tensors)[0]
