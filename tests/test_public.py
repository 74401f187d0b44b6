"""The public library: its names, its shared parameters, its examples, and the values that it carries."""

import ast
import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from support.command_line import SAMPLES, succeed
from support.reference import assert_same

import convcli
from convcli import (
    Convolution,
    Execution,
    conv2d,
    conv2d_check,
    conv2d_compare,
    conv2d_explain,
    conv2d_grad,
    conv2d_matrix,
    conv2d_plan,
    conv2d_transpose,
    conv2d_walk,
    filter_image,
    load_kernel,
    preset,
)
from convcli.errors import FileError, GeometryError, OptionError
from convcli.geometry.options import parse_options
from convcli.kernels.kernel import Kernel

CALLS = [
    conv2d,
    conv2d_transpose,
    conv2d_grad,
    conv2d_matrix,
    conv2d_plan,
    conv2d_explain,
    conv2d_walk,
    conv2d_check,
    conv2d_compare,
    filter_image,
]
# Pictures keep their size and a bright border, and gradients are computed in float64, unless asked otherwise.
OTHER_DEFAULTS = {("filter_image", "padding"), ("filter_image", "edge"), ("conv2d_grad", "dtype")}
GEOMETRY = [name for name in inspect.signature(Convolution.of).parameters if name != "K"]
EXECUTION = ["dtype", "algorithm", "threads", "memory"]
V = np.arange(48.0).reshape(3, 4, 4)
K = np.array([[1.0, 2.0], [-3.0, 5.0]])


def test_flip_is_true_or_false():
    with pytest.raises(OptionError, match=r"^flip: expected True or False, given 'no'$"):
        conv2d([[1.0]], [[1.0]], flip="no")


def test_every_public_name_can_be_imported():
    for name in convcli.__all__:
        assert getattr(convcli, name) is not None


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(convcli.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == convcli._HOMES


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_shared_parameters_agree(call):
    """The same order, default and annotation in every call."""
    reference, parameters = inspect.signature(conv2d).parameters, inspect.signature(call).parameters
    shared = [name for name in parameters if name in GEOMETRY + EXECUTION]
    assert shared == [name for name in GEOMETRY + EXECUTION if name in parameters]
    assert set(GEOMETRY) <= set(shared)
    for name in shared:
        if (call.__name__, name) not in OTHER_DEFAULTS:
            assert parameters[name].default == reference[name].default, name
        assert parameters[name].annotation == reference[name].annotation, name
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY or name == "bias"


@pytest.mark.parametrize("call", [*CALLS, load_kernel, preset], ids=lambda call: call.__name__)
def test_examples_run(call):
    names = {"np": np, **{name: getattr(convcli, name) for name in convcli.__all__}}
    found = doctest.DocTestFinder(recurse=False).find(call, globs=names)
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert sum(result.attempted for result in results) > 0
    assert not any(result.failed for result in results)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_help_names_every_parameter(call):
    """A section of shared parameters counts for all that it names."""
    documented = call.__doc__.partition("Parameters\n")[2].partition("Returns\n")[0]
    missing = [name for name in inspect.signature(call).parameters if name not in documented.replace(",", " ").split()]
    assert not missing


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_help_shows_annotations_by_their_names(call):
    """NumPy's ArrayLike and DTypeLike fill many lines otherwise."""
    assert len(str(inspect.signature(call))) < 1000


def test_values_are_carried_from_stage_to_stage():
    convolution = Convolution.of(K, stride=2, padding="same")
    prepared = convolution.at(V.shape, V.dtype)
    plan = prepared.plan(Execution("direct"))
    assert plan.first.algorithm == "direct"
    assert_same(prepared.convolve(V, plan), conv2d(V, K, stride=2, padding="same"))
    G = np.arange(12.0).reshape(3, 2, 2)
    gradients = prepared.gradients(V, G, prepared.plan_gradients("kernel,input"))
    expected = conv2d_grad(V, K, G, stride=2, padding="same")
    assert_same(gradients.kernel, expected.kernel)
    assert_same(gradients.input, expected.input)
    assert gradients.bias is None


def test_a_kernel_brings_its_bias_and_groups():
    weights = np.arange(24.0).reshape(6, 1, 2, 2)
    kernel = Kernel("bank", weights, np.arange(6.0), groups=3)
    assert_same(conv2d(V, kernel), conv2d(V, weights, np.arange(6.0), groups=3))
    assert_same(conv2d(V, load_kernel("laplacian")), conv2d(V, load_kernel("laplacian").weights))


def test_what_a_kernel_has_is_not_given_again():
    kernel = Kernel("bank", np.ones((6, 1, 2, 2)), np.arange(6.0), groups=3)
    with pytest.raises(OptionError, match="the kernel has a bias already: expected no `bias`"):
        conv2d(V, kernel, np.zeros(6))
    with pytest.raises(OptionError, match="the kernel has groups 3: expected no other `groups`, given 2"):
        conv2d(V, kernel, groups=2)


LAYER = Kernel(
    "conv1",
    np.arange(24.0).reshape(6, 1, 2, 2),
    np.arange(6.0),
    groups=3,
    options=parse_options(stride=(2, 1), padding=(1, 0, 2, 0), dilation=2, groups=3),
)


def test_the_kernel_of_a_layer_brings_its_options():
    expected = conv2d(V, LAYER.weights, LAYER.bias, stride=(2, 1), padding=(1, 0, 2, 0), dilation=2, groups=3)
    assert_same(conv2d(V, LAYER), expected)
    assert_same(conv2d(V, LAYER, stride="2,1", groups=3), expected)
    assert_same(filter_image(V, LAYER, format="npy").maps.values, expected)


@pytest.mark.parametrize(
    ("option", "given", "message"),
    [
        ("stride", 2, "stride: expected 2,1, as in the kernel's model, given 2"),
        ("padding", "same", "padding: expected 1,0,2,0, as in the kernel's model, given same"),
        ("dilation", 3, "dilation: expected 2,2, as in the kernel's model, given 3"),
        ("edge", "wrap", "edge: expected zero, as in the kernel's model, given wrap"),
        ("flip", True, "flip: expected False, as in the kernel's model, given True"),
        ("groups", 2, "the kernel has groups 3: expected no other `groups`, given 2"),
        ("bias", np.zeros(6), "the kernel has a bias already: expected no `bias`"),
    ],
)
def test_options_of_a_layer_must_agree(option, given, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        conv2d(V, LAYER, **{option: given})


def test_a_rule_of_padding_is_named():
    layer = LAYER._replace(options=parse_options(padding="same-lower", groups=3))
    with pytest.raises(OptionError, match=r"^padding: expected same-lower, as in the kernel's model, given 1$"):
        conv2d(V, layer, padding=1)


def test_explanations_add_up():
    G = np.arange(27.0).reshape(3, 3, 3)
    gradients = conv2d_grad(V, K, G)
    assert conv2d_explain(V, K, (2, 1, 0)).total == conv2d(V, K)[2, 1, 0]
    assert conv2d_explain(V, K, (0, 1), of="kernel", G=G).total == gradients.kernel[0, 1]
    assert conv2d_explain(V, K, (1, 2, 3), of="input", G=G).total == gradients.input[1, 2, 3]


def test_checks_hold():
    checks = conv2d_check(V, K, stride=2, edge="reflect", padding=1, every=True)
    assert [check.tensor for check in checks] == ["output", "kernel", "input", "bias", "kernel", "input"]
    assert all(check.holds for check in checks)


def test_comparisons_name_the_confusion():
    flipped = conv2d_grad(V, K, np.ones((3, 3, 3)), flip=True)
    right, wrong = conv2d_compare(V, K, {"output": conv2d(V, K), "input": flipped.input})
    assert (right.holds, right.confusion) == (True, None)
    assert (wrong.holds, wrong.confusion) == (False, "is that of the flipped kernel")
    with pytest.raises(OptionError, match=r"theirs: expected Z, dK, .* or bias, given 'dX'"):
        conv2d_compare(V, K, {"dX": V})


def test_plans_compute_nothing():
    found = conv2d_plan((64, 5000, 5000), np.broadcast_to(1.0, (64, 64, 3, 3)), padding="same")
    assert found.prepared.geometry.output_shape == (64, 5000, 5000)
    assert found.output.first.algorithm in {"compiled-channels", "im2col", "winograd"}


def test_pictures_are_filtered_and_saved_as_apply_does(tmp_path):
    photo, options = SAMPLES / "astronaut.png", ("--gray", "--range", "abs", "--algorithm", "separable", "-q")
    succeed("apply", photo, "-k", "sobel-x", *options, "-o", "there.png", cwd=tmp_path)
    # What auto chooses here, but not in a new process, also depends on the compiled loops that earlier tests loaded.
    found = filter_image(photo, "sobel-x", gray=True, range="abs", algorithm="separable")
    found.save(tmp_path / "here.png")
    assert found.maps.values.shape == (1, 512, 512)
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()
    with pytest.raises(FileError, match=r"here\.png exists: use `overwrite`"):
        found.save(tmp_path / "here.png")
    found.save(tmp_path / "here.png", overwrite=True)


def test_arrays_are_filtered_too():
    pixels = np.arange(32, dtype=np.uint16).reshape(2, 4, 4)
    found = filter_image(pixels, K, format="npy")
    assert_same(found.maps.values, conv2d(pixels, K, padding="same", edge="replicate"))
    batch = filter_image(pixels[np.newaxis], K, format="npy")
    assert_same(batch.maps.values, found.maps.values[np.newaxis])
    with pytest.raises(GeometryError, match=r"^a png holds one image, given a batch \(1, 2, 4, 4\): use npy, or one"):
        filter_image(pixels[np.newaxis], K)
    with pytest.raises(OptionError, match="a picture holds 1 or 3 maps, given 2 maps: use `format` npy"):
        filter_image(pixels, K).save("never.png")
    message = r"^image: expected an array \(H, W\) or \(\.\.\., C, H, W\) that is not empty"
    with pytest.raises(GeometryError, match=message):
        filter_image(np.zeros((0, 4)), K)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.npy", "photo"])
def test_a_name_of_another_format_is_refused(name, tmp_path):
    found = filter_image(np.ones((1, 4, 4), np.uint8), "box")
    with pytest.raises(OptionError, match=rf"^path: expected a name that ends in \.png, given '.*{name}': use another"):
        found.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_was_lost_in_reading_is_among_the_warnings(tmp_path):
    frames = [PIL.Image.new("L", (4, 4), level) for level in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    (warning,) = filter_image(tmp_path / "two.gif", "box", gray=True).warnings
    assert warning.startswith("of its frames only the first is read")


@pytest.mark.parametrize("at", ["0,0,0", (0.0, 0, 0), 0])
def test_an_index_that_is_none_is_refused(at):
    with pytest.raises(GeometryError, match=r"^at: expected integers as in \(i, j, k\), given "):
        conv2d_explain(V, K, at)


@pytest.mark.parametrize("tolerance", [-1, np.inf, np.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(OptionError, match=r"^tolerance: expected a finite number of at least 0, given "):
        conv2d_compare(V, K, {"output": conv2d(V, K)}, tolerance=tolerance)
