"""The convolutions that ONNX publishes for its backends, through the command line, with .npy files.

docs/conformance.md says which cases run, and which cannot be expressed.
"""

from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple

import numpy as np
import pytest
from commands import run
from page import rows
from support.pages import codes

pytestmark = pytest.mark.conformance


class Published(NamedTuple):
    """One node with the names of its schema, and its expected output."""

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: dict[str, Any]
    output: Any


def generated_cases():
    """Yield the cases that the wheel generates when its modules are imported."""
    node = import_module("onnx.backend.test.case.node")
    for module in iter_modules(node.__path__):
        if "conv" in module.name:
            import_module(f"{node.__name__}.{module.name}")
    for case in node._NodeTestCases:
        inputs, outputs = case.data_sets[0]
        yield _published(case.name, case.model, inputs, outputs[0])


def stored_cases():
    """Yield the cases that are stored as files, with their kernels among the initial values of the model."""
    import onnx

    for folder in sorted((Path(onnx.__file__).parent / "backend" / "test" / "data").glob("pytorch-*/*[Cc]onv*")):
        model = onnx.load(folder / "model.onnx")
        X, Z = (onnx.load_tensor(folder / "test_data_set_0" / name) for name in ("input_0.pb", "output_0.pb"))
        X, Z, *weights = (onnx.numpy_helper.to_array(tensor) for tensor in (X, Z, *model.graph.initializer))
        yield _published(folder.name, model, [X, *weights], Z)


def _published(name, model, inputs, output):
    import onnx

    node = model.graph.node[0]
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    slots = [slot.name for slot in onnx.defs.get_schema(node.op_type).inputs]
    given = [slot for slot, value in zip(slots, node.input, strict=False) if value]
    return Published(name, node.op_type, attributes, dict(zip(given, inputs, strict=False)), output)


@pytest.fixture(scope="module")
def published():
    """Return every published convolution by its name. Import onnx only here, if it is installed."""
    pytest.importorskip("onnx")
    return {case.name: case for case in (*generated_cases(), *stored_cases())}


REFUSED, EXPRESSED = (
    [codes(cases)[0] for cases, _ in rows("conformance", heading)]
    for heading in ("What convcli cannot express", "Published convolutions")
)


def row_of(name):
    """Return the first pattern of the page that matches a case, or None if none does."""
    return next((pattern for pattern in (*REFUSED, *EXPRESSED) if fnmatch(name, pattern)), None)


def test_the_page_covers_every_case_and_no_other(published):
    assert len(published) >= 40
    assert {row_of(name) for name in published} == {*REFUSED, *EXPRESSED}


@pytest.mark.parametrize("row", EXPRESSED)
def test_published_cases_agree(row, published, tmp_path):
    """The outputs are float32 sums of some hundred terms, added in another order."""
    ways = {"ConvTranspose": transposed, "ConvInteger": of_integers, "CausalConvWithState": causal}
    cases = [case for name, case in published.items() if row_of(name) == row]
    assert cases
    for case in cases:
        (folder := tmp_path / case.name).mkdir()
        Z = ways.get(case.operator, convolved)(case, folder)
        rtol = 1e-3 if case.output.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(Z, planar(case.output), rtol=rtol, atol=1e-5, err_msg=case.name)


def planar(array):
    """Return the array with two spatial axes, if it has one."""
    return array[:, :, np.newaxis] if array.ndim == 3 else array


def convolved(case, folder):
    return apply(folder, case.inputs["X"], case.inputs["W"], *options(case), *bias(case.inputs.get("B")))


def of_integers(case, folder):
    """Subtract the contribution of a zero point from the sums by a bias, and fill the pads with it."""
    W = case.inputs["w"] - case.inputs.get("w_zero_point", np.uint8(0)).astype(float).reshape(-1, 1, 1, 1)
    zero = float(case.inputs["x_zero_point"])
    taken_off = bias(-zero * W.sum(axis=(1, 2, 3)))
    return apply(folder, case.inputs["x"], W, *options(case), *taken_off, "-e", f"constant:{zero}")


def causal(case, folder):
    """Pad the start of a row with zeros; every channel has its own kernel."""
    X, W = case.inputs["input"], case.inputs["weight"]
    pads = f"0,0,{W.shape[-1] - 1},0"
    return apply(folder, X, W, "-p", pads, "-g", str(X.shape[1]), *bias(case.inputs.get("bias")))


def apply(folder, X, W, *options):
    """Return Z, computed from one file per image."""
    images = save(folder, X, W)
    run("apply", *images, "-k", folder / "W.npy", *options, "-o", folder / "{stem}.Z.npy")
    return np.stack([np.load(image.with_suffix(".Z.npy")) for image in images])


def save(folder, X, W):
    """Save a kernel, and one file per image; return the paths of the images."""
    np.save(folder / "W.npy", planar(W))
    images = [folder / f"x{number:02}.npy" for number in range(len(X))]
    for path, image in zip(images, planar(X), strict=True):
        np.save(path, image)
    return images


def transposed(case, folder):
    size = next((name for name in ("output_shape", "output_padding") if name in case.attributes), None)
    sizes = [] if size is None else [f"--{size.replace('_', '-')}", joined([0, *case.attributes[size]][-2:])]
    return apply(
        folder,
        case.inputs["X"],
        case.inputs["W"],
        "--transpose",
        *sizes,
        *options(case),
        *bias(case.inputs.get("B")),
    )


def options(case):
    """Return the attributes of a node as options."""
    get = case.attributes.get
    sizes = {option: get(name, [1, 1]) for option, name in (("-s", "strides"), ("-d", "dilations"))}
    pairs = [word for option, sides in sizes.items() for word in (option, joined([1, *sides][-2:]))]
    return [*pairs, "-g", str(get("group", 1)), "-p", padding(get("auto_pad"), get("pads", [0] * 4))]


def padding(word, pads):
    """Return the padding for one or two axes; ONNX lists all starts before all ends."""
    if word:
        return {b"SAME_UPPER": "same", b"SAME_LOWER": "same-lower"}[word]
    starts, ends = ([0, *half][-2:] for half in (pads[: len(pads) // 2], pads[len(pads) // 2 :]))
    return joined([starts[0], ends[0], starts[1], ends[1]])


def bias(values):
    return [] if values is None else ["--bias", joined(values.tolist())]


def joined(numbers):
    return ",".join(map(str, numbers))
