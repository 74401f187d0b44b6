"""Convolutions of ONNX models as kernels, compared with the reference evaluator of the library onnx."""

import json
import re
import sys

import numpy as np
import pytest
from support.command_line import succeed
from typer.testing import CliRunner

from convcli import Kernel, conv2d, conv2d_transpose, load_kernel
from convcli.cli.app import app
from convcli.errors import FileError, KernelError, OptionError
from convcli.files.source import Source
from convcli.kernels.loading import read_kernel

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

RANDOM = np.random.default_rng(16)


def whole(*shape):
    return RANDOM.integers(-5, 6, shape).astype(np.float32)


def tensor(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model_of(nodes, initializers=(), outputs=("z",), shape=(1, 4, 9, 8)):
    """Return a model with the input ``x``."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(list(nodes), "g", inputs, values, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def conv(inputs=("x", "w"), output="z", name="", op_type="Conv", **attributes):
    return helper.make_node(op_type, list(inputs), [output], name=name, **attributes)


def kernel_of(model, key=None):
    data = model.SerializeToString()
    return read_kernel(Source("m", "m.onnx", Source.of_bytes(data).path, lambda: data, key=key))


SETTINGS = [
    {},
    {"strides": [2, 3]},
    {"pads": [1, 2, 3, 0], "strides": [3, 1]},
    {"dilations": [2, 1], "pads": [2, 0, 0, 4]},
    {"group": 2, "kernel_shape": [3, 2]},
    {"group": 4, "pads": [1, 1, 1, 1], "dilations": [1, 3], "strides": [1, 2]},
    {"auto_pad": "VALID", "strides": [2, 2]},
    {"auto_pad": "SAME_UPPER"},
    {"auto_pad": "SAME_LOWER"},
    {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [3, 2]},
    {"auto_pad": "NOTSET", "pads": [0, 0, 1, 1]},
]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_node_is_computed_as_the_reference_does(settings, biased):
    weights, x = whole(4, 4 // settings.get("group", 1), 3, 2), whole(1, 4, 9, 8)
    inputs = ("x", "w", "b") if biased else ("x", "w")
    model = model_of([conv(inputs, **settings)], [tensor("w", weights), tensor("b", whole(4))])
    kernel = kernel_of(model)
    assert np.array_equal(conv2d(x, kernel), ReferenceEvaluator(model).run(None, {"x": x})[0])
    assert (kernel.name, kernel.weights.dtype, kernel.bias is not None) == ("z", np.float64, biased)


TRANSPOSED = [
    {},
    {"strides": [2, 3]},
    {"strides": [2, 3], "output_padding": [1, 2], "pads": [1, 0, 0, 1]},
    {"strides": [3, 2], "dilations": [1, 2], "group": 2, "pads": [0, 1, 2, 0]},
    {"group": 4, "strides": [2, 2], "output_padding": [1, 0]},
    {"auto_pad": "VALID", "strides": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 1]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("settings", TRANSPOSED, ids=str)
def test_a_transposed_node_is_computed_as_the_reference_does(settings, biased):
    groups = settings.get("group", 1)
    weights, x = whole(4, 3, 3, 2), whole(1, 4, 5, 4)
    inputs = ("x", "w", "b") if biased else ("x", "w")
    initializers = [tensor("w", weights), tensor("b", whole(3 * groups))]
    model = model_of([conv(inputs, op_type="ConvTranspose", **settings)], initializers)
    expected = np.concatenate([*transposed_groups(x, weights, initializers[1] if biased else None, settings)], 1)
    found = conv2d_transpose(x, kernel_of(model))
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def transposed_groups(x, weights, bias, settings):
    """Yield what the reference computes for each group alone, because it fails for several."""
    groups = settings.get("group", 1)
    alone = {name: value for name, value in settings.items() if name != "group"}
    for group, (part, K) in enumerate(zip(np.split(x, groups, 1), np.split(weights, groups), strict=True)):
        b = np.zeros(3, "f4") if bias is None else numpy_helper.to_array(bias)[3 * group : 3 * group + 3]
        node = conv(("x", "w", "b"), op_type="ConvTranspose", **alone)
        yield ReferenceEvaluator(model_of([node], [tensor("w", K), tensor("b", b)])).run(None, {"x": part})[0]


def test_a_transposed_node_says_how_large_its_output_is():
    node = conv(op_type="ConvTranspose", strides=[2, 2], output_padding=[1, 0])
    kernel, x = kernel_of(model_of([node], [tensor("w", W)])), whole(1, 2, 3, 3)
    assert conv2d_transpose(x, kernel, output_padding=(1, 0)).shape == (1, 4, 8, 7)
    with pytest.raises(OptionError, match=r"^output_padding: expected the size that .* model says, given \(0, 0\)$"):
        conv2d_transpose(x, kernel, output_padding=0)
    with pytest.raises(OptionError, match=r"^the kernel's model transposes the convolution: add `transpose`, or call "):
        conv2d(x, kernel)


W = whole(2, 4, 3, 3)


def constant(value):
    return helper.make_node("Constant", [], ["w"], value=value)


def bfloat16(array):
    return helper.make_tensor("w", TensorProto.BFLOAT16, array.shape, array.ravel())


SOURCES = {
    "initializer": ([], [tensor("w", W)]),
    "float16": ([], [tensor("w", W.astype(np.float16))]),
    "float64": ([], [tensor("w", W.astype(np.float64))]),
    "bfloat16": ([], [bfloat16(W)]),
    "floats": ([], [helper.make_tensor("w", TensorProto.FLOAT, W.shape, W.ravel())]),
    "constant": ([constant(tensor("value", W))], []),
}


@pytest.mark.parametrize("place", SOURCES)
def test_weights_are_read_wherever_they_are(place):
    nodes, initializers = SOURCES[place]
    assert np.array_equal(kernel_of(model_of([*nodes, conv()], initializers)).weights, W)


def test_weights_in_another_file(tmp_path):
    model = model_of([conv(name="c")], [tensor("w", W)])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert np.array_equal(load_kernel(tmp_path / "m.onnx").weights, W)
    data = (tmp_path / "m.onnx").read_bytes()
    with pytest.raises(KernelError, match=r"^<stdin>: w is in another file: expected the model as a file$"):
        read_kernel(Source.of_bytes(data, "<stdin>"))
    (tmp_path / "m.data").unlink()
    with pytest.raises(FileError, match=r"^cannot read .*m.onnx: "):
        load_kernel(tmp_path / "m.onnx")


def test_weights_outside_of_the_folder_are_not_read(tmp_path):
    """A model may name any file; only those in its folder, and no links, are opened."""
    model = model_of([conv()], [tensor("w", W)])
    (tmp_path / "secret").write_bytes(W.tobytes())
    (folder := tmp_path / "model").mkdir()
    for location in ("../secret", str(tmp_path / "secret"), "link"):
        (named := model.graph.initializer[0]).ClearField("raw_data")
        named.data_location = TensorProto.EXTERNAL
        del named.external_data[:]
        named.external_data.add(key="location", value=location)
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to(tmp_path / "secret")
        with pytest.raises((FileError, KernelError), match=r"m\.onnx: "):
            load_kernel(folder / "m.onnx")


NETWORK = model_of(
    [
        conv(("x", "conv1.weight"), "a", "/conv1/Conv"),
        conv(("a", "conv2.weight"), "b", "/block/conv2/Conv"),
        conv(("a", "conv2.weight"), "c", "shared"),
        conv(("b", "dw"), "z"),
    ],
    [tensor("conv1.weight", whole(4, 4, 1, 1)), tensor("conv2.weight", W), tensor("dw", whole(1, 2, 3, 3))],
)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("/conv1/Conv", "/conv1/Conv"),
        ("conv1", "/conv1/Conv"),
        ("conv1.weight", "/conv1/Conv"),
        ("a", "/conv1/Conv"),
        ("block/conv2", "/block/conv2/Conv"),
        ("b", "/block/conv2/Conv"),
        ("shared", "shared"),
        ("dw", "z"),
        ("z", "z"),
    ],
)
def test_names_of_a_convolution(key, name):
    assert kernel_of(NETWORK, key).name == name


@pytest.mark.parametrize("key", ["conv2.weight", "conv2", "conv", None])
def test_the_convolutions_are_listed(key):
    listed = r"/conv1/Conv \(4, 4, 1, 1\), /block/conv2/Conv \(2, 4, 3, 3\), shared \(2, 4, 3, 3\), z \(1, 2, 3, 3\)"
    expected = rf"has no convolution called '{key}', but " if key else r"expected the name of a convolution, .* holds "
    listed = listed if key in ("conv", None) else "/conv1/Conv|/block/conv2/Conv"
    with pytest.raises(OptionError, match=f"{expected}({listed})"):
        kernel_of(NETWORK, key)


def attribute_of(**attributes):
    return conv(**attributes), tensor("w", W)


REFUSED = [
    (
        [conv(op_type="ConvTranspose", output_shape=[9, 9])],
        [tensor("w", W)],
        "its output_shape decides its pads: expected a node with pads or auto_pad",
    ),
    (
        [conv(op_type="ConvTranspose", auto_pad="SAME_UPPER", output_padding=[0, 1])],
        [tensor("w", W)],
        "expected no output_padding with auto_pad, given [0, 1]",
    ),
    (
        [conv(op_type="ConvTranspose", auto_pad="SAME_UPPER", strides=[4, 1])],
        [tensor("w", W)],
        "auto_pad has no pads for a window that is smaller than the stride",
    ),
    (
        [conv()],
        [tensor("w", whole(2, 4, 3))],
        "expected weights (C_out, C_in/groups, kh, kw) for images, given shape (2,",
    ),
    ([conv()], [tensor("w", whole(2, 4, 3, 3, 3))], "expected weights (C_out, C_in/groups, kh, kw) for images, given"),
    ([conv(inputs=("x", "x"))], [], "x is an input of the model, and no constant"),
    ([helper.make_node("Neg", ["v"], ["w"]), conv()], [tensor("v", W)], "w is computed by a node of type Neg, and no"),
    ([conv(inputs=("x", "w", "x"))], [tensor("w", W)], "x is an input of the model, and no constant"),
    ([conv()], [tensor("w", W.astype(np.int8))], "w: expected floats, given INT8"),
    (
        [conv()],
        [tensor("w", np.full((1, 1, 1, 2), np.nan, "f4"))],
        "w[0, 0, 0, 0]: expected a finite number, given nan",
    ),
    ([conv(kernel_shape=[5, 5])], [tensor("w", W)], "its kernel_shape [5, 5] differs from its weights' (2, 4, 3, 3)"),
    ([conv(pads=[-1, 0, 0, 0])], [tensor("w", W)], "expected four pads of at least 0, given [-1, 0, 0, 0]"),
    ([conv(pads=[1, 1])], [tensor("w", W)], "expected four pads of at least 0, given [1, 1]"),
    ([conv(strides=[0, 1])], [tensor("w", W)], "stride: expected one or two integers of at least 1, given [0, 1]"),
    (
        [conv(auto_pad="SAME")],
        [tensor("w", W)],
        "expected auto_pad SAME_UPPER, SAME_LOWER, VALID or NOTSET, given SAME",
    ),
    ([conv()], [tensor("w", whole(0, 4, 3, 3))], "expected at least one weight, given shape (0, 4, 3, 3)"),
]


@pytest.mark.parametrize(("nodes", "initializers", "reason"), REFUSED, ids=[reason for *_, reason in REFUSED])
def test_what_cannot_be_reproduced_is_refused(nodes, initializers, reason):
    with pytest.raises(KernelError, match=f"^m.onnx: {re.escape(reason)}"):
        kernel_of(model_of(nodes, initializers))


def test_weights_of_a_false_size_are_refused():
    model = model_of([conv()], [tensor("w", W)])
    model.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises((FileError, KernelError), match=r"in float64 it takes .* over half of the free memory"):
        kernel_of(model)
    model.graph.initializer[0].dims[0] = 3
    with pytest.raises(KernelError, match=r"m.onnx: cannot reshape array of size 72 into shape"):
        kernel_of(model)


def test_a_truncated_model(tmp_path):
    data = NETWORK.SerializeToString()
    for end in range(8, len(data), 97):
        with pytest.raises((FileError, KernelError, OptionError)) as error:
            read_kernel(Source.of_bytes(data[:end]))
        assert "\n" not in str(error.value)


def test_other_domains_have_other_convolutions():
    node = conv()
    node.domain = "com.example"
    with pytest.raises(OptionError, match=r"^m.onnx holds no convolutions$"):
        kernel_of(model_of([node], [tensor("w", W)]))


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(KernelError, match=r"m.onnx: it is an ONNX model: to read it, "):
        kernel_of(NETWORK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    model = model_of(
        [conv(("x", "w", "b"), name="conv1", strides=[2, 1], pads=[1, 2, 3, 0], dilations=[1, 2], group=2)],
        [tensor("w", whole(4, 2, 3, 2)), tensor("b", whole(4))],
    )
    onnx.save(model, folder / "model.onnx")
    x = whole(1, 4, 9, 8)
    np.save(folder / "x.npy", x[0])
    np.save(folder / "theirs.npy", ReferenceEvaluator(model).run(None, {"x": x})[0])
    return folder


def test_check_needs_only_the_node(folder):
    succeed("check", "x.npy", "-k", "model.onnx:conv1", "--output-map", "theirs.npy", cwd=folder)
    options = ["-s", "2,1", "-p", "1,3,2,0", "-d", "1,2", "-g", "2", "-e", "zero"]
    succeed("check", "x.npy", "-k", "model.onnx:conv1", *options, "--output-map", "theirs.npy", cwd=folder)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("-s 1", "--stride: expected 2,1, as in the kernel's model, given 1"),
        ("-p valid", "--padding: expected 1,3,2,0, as in the kernel's model, given valid"),
        ("-d 1", "--dilation: expected 1,2, as in the kernel's model, given 1"),
        ("-e wrap", "--edge: expected zero, as in the kernel's model, given wrap"),
        ("-g 1", "--groups: expected 2, as in the kernel's model, given 1"),
        ("--flip", "--flip: expected False, as in the kernel's model, given True"),
        ("--bias 1", "--bias: the kernel's model has a bias already: expected no other"),
    ],
)
def test_options_given_as_well_must_agree(folder, monkeypatch, option, message):
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["apply", "x.npy", "-k", "model.onnx", *option.split(), "-o", "z.npy"])
    assert (result.exit_code, result.stderr) == (2, f"convcli: error: {message}\n")


def test_a_kernel_alone_loses_the_options_with_a_note(folder, monkeypatch):
    monkeypatch.chdir(folder)
    shown = CliRunner().invoke(app, ["kernels", "model.onnx:conv1", "--json"])
    assert shown.stderr == (
        "convcli: note: the model uses it with --stride 2,1 --padding 1,3,2,0 --dilation 1,2 --groups 2 --edge zero, "
        "which a kernel's file does not hold\n"
    )
    assert json.loads(shown.stdout)["groups"] == 2


def test_a_transposed_node_needs_the_option(folder, monkeypatch):
    monkeypatch.chdir(folder)
    node = conv(("x", "up"), op_type="ConvTranspose", strides=[2, 2], pads=[1, 0, 0, 1])
    model = model_of([node], [tensor("up", whole(4, 3, 3, 2))])
    onnx.save(model, "up.onnx")
    np.save("large.npy", ReferenceEvaluator(model).run(None, {"x": np.load("x.npy")[np.newaxis]})[0])
    arguments = ["check", "x.npy", "-k", "up.onnx", "--output-map", "large.npy"]
    assert CliRunner().invoke(app, [*arguments, "--transpose"]).exit_code == 0
    refused = CliRunner().invoke(app, arguments)
    expected = (
        "convcli: error: the kernel's model transposes the convolution: add --transpose, or call conv2d_transpose"
    )
    assert (refused.exit_code, refused.stderr.strip()) == (2, expected)


def test_a_picture_is_padded_with_zeros_as_the_model_says(folder):
    """Pictures have another default fill, which gives way."""
    model = model_of([conv(pads=[1, 1, 1, 1])], [tensor("w", np.ones((1, 3, 3, 3), np.float32))])
    onnx.save(model, folder / "sum.onnx")
    succeed("apply", "sample:coffee", "-k", "sum.onnx", "-o", "sum.npy", cwd=folder)
    padded = np.pad(pixels_of_coffee(), ((0, 0), (1, 1), (1, 1)))
    assert np.load(folder / "sum.npy")[0, 0, 0] == padded[:, :3, :3].sum()


def pixels_of_coffee():
    from convcli.pictures.reading import read_image

    return read_image("sample:coffee").pixels.astype(np.float64)


def test_a_kernel_of_a_model_is_a_kernel():
    kernel = kernel_of(NETWORK, "dw")
    assert isinstance(kernel, Kernel)
    assert kernel.options is not None
    assert kernel.options.groups == kernel.groups == 1
