"""The convolutions of a model: shapes, costs and receptive fields, as ``plan model.onnx`` lists them."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from convcli.cli.app import app
from convcli.convolution.network import network_of
from convcli.errors import GeometryError
from convcli.files.source import Source
from convcli.kernels.onnx_models import read_model

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402


def node(op_type, inputs, output, **attributes):
    return helper.make_node(op_type, inputs.split(), [output], **attributes)


def weights(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def model_of(nodes, initializers, shape=("N", 1, 30, 27), outputs=()):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "g", inputs, values, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def network(model, input_shape=None):
    return network_of(read_model(Source.of_bytes(model.SerializeToString())), input_shape)


NODES = [
    node("Conv", "x w1 b1", "a", strides=[2, 1], pads=[1, 2, 0, 1], name="first"),
    node("Relu", "a", "r"),
    node("AveragePool", "r", "p", kernel_shape=[2, 3], strides=[1, 2]),
    node("Conv", "p w2", "b", dilations=[1, 2], auto_pad="SAME_UPPER", group=2, name="second"),
    node("Conv", "p w3", "c", name="side"),
    node("Add", "b c", "s"),
    node("Conv", "s w4", "z", name="last"),
]
INITIALIZERS = [
    weights("w1", 4, 1, 3, 2),
    weights("b1", 4),
    weights("w2", 2, 2, 2, 2),
    weights("w3", 2, 4, 1, 1),
    weights("w4", 1, 2, 3, 2),
]


def seen_by_the_middle(model, rows, columns):
    """Return how many rows and columns of the input change the middle of each output, by trying every one."""
    lines = [*np.broadcast_to(np.eye(rows)[:, :, None], (rows, rows, columns))]
    lines += [*np.broadcast_to(np.eye(columns)[:, None, :], (columns, rows, columns))]
    x = np.array([np.zeros((rows, columns)), *lines], np.float32)[:, np.newaxis]
    for out in ReferenceEvaluator(model).run(None, {"x": x}):
        middle = out[:, 0, out.shape[2] // 2, out.shape[3] // 2]
        changed = np.flatnonzero(middle[1:] != middle[0])
        yield tuple(int(np.ptp(part)) + 1 for part in (changed[changed < rows], changed[changed >= rows]))


def test_receptive_fields_are_what_an_output_depends_on():
    """Weights are positive and the input is not negative, so that nothing cancels."""
    model = model_of(NODES, INITIALIZERS, ("N", 1, 16, 15), outputs=["a", "b", "c", "z"])
    fields = [each.receptive_field for each in network(model).convolutions]
    assert fields == [*seen_by_the_middle(model, 16, 15)] == [(3, 2), (7, 8), (5, 4), (11, 10)]


def test_shapes_and_costs():
    model = model_of(NODES, INITIALIZERS, outputs=["a", "b", "z"])
    found = {each.name: each for each in network(model).convolutions}
    shapes = ReferenceEvaluator(model).run(None, {"x": np.ones((1, 1, 30, 27), np.float32)})
    assert [found[name].output_shape for name in ("first", "second", "last")] == [z.shape[1:] for z in shapes]
    first, second = found["first"], found["second"]
    assert (first.input_shape, first.kernel_shape, first.geometry.pads) == ((1, 30, 27), (4, 1, 3, 2), (1, 0, 2, 1))
    assert (first.parameters, first.multiplications) == (28, 4 * 15 * 29 * 6)
    assert (second.parameters, second.multiplications) == (16, np.prod(second.output_shape) * 8)
    assert network(model).parameters == 28 + 16 + 8 + 12


def test_a_transposed_convolution_is_counted():
    model = model_of([node("ConvTranspose", "x w", "z", strides=[2, 2])], [weights("w", 1, 3, 2, 2)], ("N", 1, 5, 4))
    (found,) = network(model).convolutions
    assert (found.output_shape, found.multiplications) == ((3, 10, 8), 5 * 4 * 12)
    assert (found.geometry.rows.stride, found.geometry.pads, found.refusal) == (2, (0, 0, 0, 0), "")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Resize", "x '' scales", "y"), node("Conv", "y w", "z")], None),
        ([node("GlobalAveragePool", "x", "y"), node("Conv", "y w", "z")], None),
        ([node("Conv", "x w", "y", strides=[2, 2]), node("Add", "x y", "a"), node("Conv", "a w", "z")], None),
        ([node("Pad", "x pads", "y"), node("Conv", "y w", "z")], (2, 2)),
        ([node("Conv", "x dynamic", "z")], None),
    ],
)
def test_a_field_that_is_not_known_is_none(nodes, expected):
    assert network(model_of(nodes, [weights("w", 1, 1, 2, 2)])).convolutions[-1].receptive_field == expected


def test_weights_that_are_computed_may_have_a_known_shape():
    """Only the values are missing: everything else is known, and -k does not take them."""
    nodes = [node("Neg", "w1", "w"), node("Conv", "x w", "z", strides=[2, 2])]
    (found,) = network(model_of(nodes, INITIALIZERS)).convolutions
    assert (found.kernel_shape, found.output_shape, found.parameters) == ((4, 1, 3, 2), (4, 14, 13), 24)
    assert found.refusal == "w is computed by a node of type Neg, and no constant"


@pytest.mark.parametrize("given", [(1, 60, 50), (7, 1, 60, 50)])
def test_the_input_may_have_another_shape(given):
    model = model_of(NODES, INITIALIZERS, shape=["N", 1, "H", "W"])
    assert network(model).convolutions[0].output_shape is None
    assert network(model, given).convolutions[0].output_shape == (4, 30, 52)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((2, 60, 50), "input_shape: the convolution first: kernel (4, 1, 3, 2) with groups 1 takes 1 input channels"),
        ((1, 1, 50), "input_shape: the convolution first: kernel larger than the padded input: the kernel reaches 3x2"),
    ],
)
def test_an_input_shape_that_does_not_fit_is_refused(given, message):
    model = model_of(NODES, INITIALIZERS, shape=["N", "C", "H", "W"])
    with pytest.raises(GeometryError, match=re.escape(message)):
        network(model, given)


def test_a_model_that_does_not_fit_itself_is_listed_with_the_reason():
    (found,) = network(model_of([node("Conv", "x w", "z")], [weights("w", 1, 2, 2, 2)])).convolutions
    assert found.refusal.startswith("kernel (1, 2, 2, 2) with groups 1 takes 2 input channels, but the input has 1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["/layer1/layer1.0/conv1/Conv", "second"]
    nodes = [
        node("Conv", "x w1 b1", "a", name=names[0], pads=[1, 2, 0, 1]),
        node("Conv", "a computed", "b", name=names[1]),
    ]
    onnx.save(model_of(nodes, INITIALIZERS), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", np.ones((1, 4, 4)))
    return tmp_path


def test_the_table_fits_a_terminal(folder):
    lines = CliRunner().invoke(app, ["plan", "model.onnx"]).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == [
        "layer1/layer1.0/conv1",
        "1x30x27",
        "4x1x3x2",
        "29x29",
        "1",
        "1,0,2,1",
        "28",
        "20.2",
        "k",
        "3x2",
    ]
    assert lines[-2:] == [
        "second: not for -k: computed is an input of the model, and no constant",
        "2 convolutions: 28 weights and biases, 20.2 k multiplications per image",
    ]


def test_the_names_that_the_table_shows_are_taken(folder):
    runner = CliRunner()
    result = runner.invoke(app, ["plan", "x.npy", "-k", "model.onnx:layer1/layer1.0/conv1", "--json"])
    assert json.loads(result.stdout)["pads"] == {"top": 1, "bottom": 0, "left": 2, "right": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--kernel: expected a kernel, or an ONNX model in place of the image, given neither"),
        ("x.npy", "--kernel: expected a kernel, or an ONNX model in place of the image, given x.npy, which is no such"),
        ("model.onnx -s 2", "expected a --kernel for these options: the convolutions of a model have their own"),
        ("model.onnx --gray", "expected a --kernel for these options: the convolutions of a model have their own"),
        ("model.onnx --input-shape 5,5", "--input-shape: expected 4 lengths for the model's input x, or 3 without the"),
    ],
)
def test_requests_that_cannot_be_right(folder, arguments, message):
    result = CliRunner().invoke(app, ["plan", *arguments.split()])
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.match(re.escape(f"convcli: error: {message}"), result.stderr)
