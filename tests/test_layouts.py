"""Layouts: every command with tensors in every order of axes, compared with the same tensors channel-major.

Kernels have no symmetry, axes have different lengths, and numbers are whole, so that a wrong axis changes a number.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
from support import reference
from typer.testing import CliRunner

from convcli.arrays import Array
from convcli.cli.app import app
from convcli.convolution.axis_orders import order_doubt, require_order
from convcli.convolution.prepared import Convolution
from convcli.errors import GeometryError
from convcli.kernels.loading import load_kernel
from convcli.layouts import DEFAULT, KERNEL_LAYOUTS, MAP_LAYOUTS, parse_layouts

# The axes of each order as einsum letters; independent of convcli.layouts.
MAPS = {"chw": "nchw->nchw", "nchw": "nchw->nchw", "hwc": "nchw->nhwc", "nhwc": "nchw->nhwc"}
KERNELS = {"oihw": "oihw->oihw", "hwio": "oihw->hwio", "ohwi": "oihw->ohwi"}
TILED = {"oihw": "opqihw->opqihw", "hwio": "opqihw->pqhwio", "ohwi": "opqihw->opqhwi"}
OPTIONS = ["-s", "1,2", "-p", "1,0,2,1", "-g", "2"]
GEOMETRY: dict[str, Any] = {"stride": (1, 2), "pads": (1, 0, 2, 1), "dilation": (1, 1), "groups": 2, "edge": "zero"}


class Tensors(NamedTuple):
    """V, K, G, Z, dK, dV and db, from plain loops."""

    V: Array
    K: Array
    G: Array
    Z: Array
    dK: Array
    dV: Array
    db: Array


def tensors() -> Tensors:
    draw = np.random.default_rng(5).integers
    V, K = draw(-5, 6, (3, 4, 5, 7)).astype(float), draw(-3, 4, (6, 2, 3, 2)).astype(float)
    Z = reference.conv2d(V, K, **GEOMETRY)
    G = draw(-4, 5, Z.shape).astype(float)
    return Tensors(V, K, G, Z, *reference.conv2d_grad(V, K, G, **GEOMETRY))


GIVEN = tensors()
LAYOUTS = [
    pytest.param(
        (maps, kernel), id=f"{maps}-{kernel}", marks=[] if (maps, kernel) == ("nhwc", "hwio") else pytest.mark.slow
    )
    for maps in ("nchw", "hwc", "nhwc")
    for kernel in KERNELS
]


def ordered(tensor: Array, order: str) -> Array:
    """Return a copy of a tensor with its axes in an order, such as ``nchw->nhwc``."""
    return np.ascontiguousarray(np.einsum(order, tensor))


def npz(name: str) -> dict[str, Array]:
    with np.load(name) as archive:
        return dict(archive)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command in a folder with V.npy, K.npy and the other tensors in these layouts."""
    monkeypatch.chdir(tmp_path)

    def run_command(layouts: tuple[str, str], *words: str, code: int = 0) -> str:
        for name, tensor in GIVEN._asdict().items():
            if tensor.ndim == 4:
                tensor = ordered(tensor, KERNELS[layouts[1]] if "K" in name else MAPS[layouts[0]])
            np.save(f"{name}.npy", tensor)
        options = ["--layout", layouts[0], "--kernel-layout", layouts[1]]
        result = CliRunner().invoke(app, [*words, *options])
        assert result.exit_code == code, result.output
        return result.stdout

    return run_command


def test_the_names_of_layouts() -> None:
    assert (set(MAP_LAYOUTS), set(KERNEL_LAYOUTS)) == (set(MAPS), set(KERNELS))
    assert parse_layouts("NHWC", "HWIO") == parse_layouts("nhwc", "hwio")


@pytest.mark.parametrize("name", KERNELS)
def test_orders_of_kernels_and_back(name: str) -> None:
    for shape, orders in (((2, 3, 4, 5), KERNELS), ((2, 3, 4, 5, 6, 7), TILED)):
        K = np.arange(np.prod(shape)).reshape(shape)
        layout, stored = KERNEL_LAYOUTS[name], ordered(K, orders[name])
        assert (layout.stored(K) == stored).all()
        assert (layout.channel_major(stored) == K).all()
        assert layout.order(shape) == stored.shape
        assert layout.channel_major_order(stored.shape) == shape


@pytest.mark.parametrize("name", MAPS)
def test_orders_of_maps_and_back(name: str) -> None:
    V = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    stored = ordered(V, MAPS[name])
    for major, other in ((V, stored), (V[0], stored[0]), (V[0, 0], V[0, 0])):
        assert (MAP_LAYOUTS[name].stored(major) == other).all()
        assert (MAP_LAYOUTS[name].channel_major(other) == major).all()


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_apply(run, layouts) -> None:
    run(layouts, "apply", "V.npy", "-k", "K.npy", *OPTIONS, "-o", "out.npy", "-q")
    expected = ordered(GIVEN.Z, MAPS[layouts[0]])
    assert (np.load("out.npy") == expected).all()
    document = json.loads(run(layouts, "apply", "V.npy", "-k", "K.npy", *OPTIONS, "-f", "json", "-o", "-"))
    assert document["output"]["values"] == expected.tolist()
    assert document.get("layout", "nchw") == layouts[0]


@pytest.mark.parametrize("format", ["npz", "json", "csv"])
@pytest.mark.parametrize("layouts", LAYOUTS)
def test_grad_is_read_by_check(run, layouts, format) -> None:
    names = ["--kernel-grad", "--input-grad", "--bias-grad"]
    run(layouts, "grad", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, "--wrt", "V,b,K", "-o", f"g.{format}", "-q")
    words = [word for name in names for word in (name, f"g.{format}")]
    for theirs in (words, ["--kernel-grad", "dK.npy", "--input-grad", "dV.npy", "--bias-grad", "db.npy"]):
        shown = run(layouts, "check", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, "--tolerance", "0", *theirs)
        assert shown.count("equals convcli's: the largest difference is 0 ") == 3
    if format == "npz":
        found = npz("g.npz")
        assert (found["kernel"] == ordered(GIVEN.dK, KERNELS[layouts[1]])).all()
        assert (found["input"] == ordered(GIVEN.dV, MAPS[layouts[0]])).all()
    if format == "json":
        document = json.loads(Path("g.json").read_text())
        assert document["gradients"]["kernel"]["values"] == ordered(GIVEN.dK, KERNELS[layouts[1]]).tolist()
        assert tuple(document["shape"]["input"]) == ordered(GIVEN.V, MAPS[layouts[0]]).shape


def test_a_step_of_descent_is_read_with_the_same_option_and_without_it(run) -> None:
    layouts = ("nhwc", "hwio")
    run(layouts, "grad", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, "--step", "2", "-o", "moved.json", "-q")
    moved = ordered(GIVEN.K - 2 * GIVEN.dK, KERNELS["hwio"]).tolist()
    document = json.loads(Path("moved.json").read_text())
    assert (document["kernel_layout"], document["weights"]) == ("hwio", moved)
    run(layouts, "apply", "V.npy", "-k", "moved.json", *OPTIONS[:4], "-o", "one.npy", "-q")
    run(("nhwc", "oihw"), "apply", "V.npy", "-k", "moved.json", *OPTIONS[:4], "-o", "two.npy", "-q")
    expected = reference.conv2d(GIVEN.V, GIVEN.K - 2 * GIVEN.dK, **GEOMETRY)
    for name in ("one.npy", "two.npy"):
        assert (np.load(name) == ordered(expected, MAPS["nhwc"])).all()


PLACES = {"Z": (1, 4, 2, 3), "dK": (5, 1, 2, 0), "dV": (2, 3, 0, 5), "db": (4,)}


@pytest.mark.parametrize("of", PLACES)
@pytest.mark.parametrize("layouts", LAYOUTS)
def test_explain(run, layouts, of) -> None:
    place, tensor = np.zeros(getattr(GIVEN, of).shape), getattr(GIVEN, of)
    place[PLACES[of]] = 1
    if place.ndim > 1:
        place = ordered(place, KERNELS[layouts[1]] if of == "dK" else MAPS[layouts[0]])
    at = np.argwhere(place)[0].tolist()
    words = ["explain", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, "--of", of, "--at", ",".join(map(str, at))]
    document = json.loads(run(layouts, *words, "--json", "--all"))
    assert (document["at"], document["sum"]) == (at, tensor[PLACES[of]])
    # Every index that is printed is one of the tensor as it is stored.
    stored = {"V'": np.load("V.npy"), "K": np.load("K.npy"), "G": np.load("G.npy")}
    for term in document["terms"]:
        for name, factor in term.items():
            if name in stored and factor.get("from", factor["at"]):
                assert stored[name][tuple(factor.get("from", factor["at"]))] == factor["value"]
    shown = run(layouts, *words)
    assert f"\n{of}{json.dumps(at, separators=(',', ':'))} = {tensor[PLACES[of]]:g}  the sum" in shown


def test_formulas_have_the_order_of_the_layouts(run) -> None:
    shown = run(("nhwc", "hwio"), "explain", "V.npy", "-k", "K.npy", "-g", "2", "--at", "2,1,3,5")
    formula, equation = shown.splitlines()[:2]
    assert formula.startswith("Z[batch,j,k,i] = sum over l,m,n of V'[batch, j + m, k + n, i//co*ci + l] * K[m,n,l,i] (")
    assert equation.startswith("Z[2,1,3,5] = sum over l,m,n of V'[2, 1 + m, 3 + n, 1*2 + l] * K[m,n,l,5] (")


@pytest.mark.parametrize(
    ("of", "formulas"),
    [
        ("Z", ("Z = b[l] + (adjoint of the padding)(Z'), Z'[batch,a,c,l] = sum", "Z[2,1,3,2] = b[2] + sum")),
        ("db", ("db[l] = sum over batch,a,c of G[batch,a,c,l]", "db[2] = sum over batch,a,c of G[batch,a,c,2]")),
    ],
)
def test_formulas_of_a_transposed_convolution_have_the_order_of_the_layouts(run, of, formulas) -> None:
    words = ["explain", "G.npy", "-k", "K.npy", *OPTIONS, "--transpose", "--bias", "1,2,3,4", "--of", of]
    shown = run(("nhwc", "hwio"), *words, "--at", {"Z": "2,1,3,2", "db": "2"}[of])
    for line, formula in zip(shown.splitlines(), formulas, strict=False):
        assert line.startswith(formula)


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_one_place_of_the_upstream_gradient(run, layouts) -> None:
    G = np.zeros(GIVEN.Z.shape)
    G[1, 4, 2, 3] = 1
    at = ",".join(map(str, np.argwhere(ordered(G, MAPS[layouts[0]]))[0]))
    run(layouts, "grad", "V.npy", "-k", "K.npy", *OPTIONS, "-G", f"at:{at}", "--wrt", "V", "-o", "dV.npz", "-q")
    expected = reference.conv2d_grad(GIVEN.V, GIVEN.K, G, **GEOMETRY)[1]
    assert (npz("dV.npz")["input"] == ordered(expected, MAPS[layouts[0]])).all()


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_plan(run, layouts) -> None:
    stored = {name: list(ordered(getattr(GIVEN, name), MAPS[layouts[0]]).shape) for name in "VZ"}
    K = list(ordered(GIVEN.K, KERNELS[layouts[1]]).shape)
    for source in (["V.npy"], ["--input-shape", ",".join(map(str, stored["V"]))]):
        found = json.loads(run(layouts, "plan", *source, "-k", "K.npy", *OPTIONS, "--json"))
        assert found["shape"] == {"input": stored["V"], "kernel": K, "output": stored["Z"]}
        assert found["gradients"] == {"input": stored["V"], "kernel": K, "bias": [6]}
    assert f"dK {tuple(K)}, dV {tuple(stored['V'])}, db (6,)" in run(layouts, "plan", "V.npy", "-k", "K.npy", *OPTIONS)


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_matrix(run, layouts) -> None:
    V, Z = np.einsum(MAPS[layouts[0]], GIVEN.V), np.einsum(MAPS[layouts[0]], GIVEN.Z)
    words = ["matrix", "V.npy", "-k", "K.npy", *OPTIONS, "-e", "constant:2", "--bias", "1,2,3,4,5,6", "--json"]
    found = json.loads(run(layouts, *words))
    M = np.zeros((Z.size, V.size))
    M[found["rows"], found["columns"]] = found["values"]
    filled = reference.conv2d(GIVEN.V, GIVEN.K, **{**GEOMETRY, "edge": "constant:2"})
    expected = ordered(filled + np.arange(1.0, 7)[:, np.newaxis, np.newaxis], MAPS[layouts[0]])
    assert (M @ V.ravel() + found["offset"] == expected.ravel()).all()
    assert (tuple(found["shape"]["input"]), tuple(found["shape"]["output"])) == (V.shape, Z.shape)
    entries = list(zip(found["rows"], found["columns"], strict=True))
    assert entries == sorted(entries)


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_check_names_the_worst_entry_as_it_is_stored(run, layouts) -> None:
    run(layouts, "check", "V.npy", "-k", "K.npy", *OPTIONS, "--output-map", "Z.npy", "--tolerance", "0")
    for option, name in (("--output-map", "Z"), ("--kernel-grad", "dK"), ("--input-grad", "dV")):
        theirs = np.load(f"{name}.npy")
        at = np.unravel_index(theirs.size * 5 // 7, theirs.shape)
        theirs[at] += 1000
        np.save("wrong.npy", theirs)
        words = ["check", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, option, "wrong.npy"]
        assert f"at {name}[{','.join(map(str, at))}]: {theirs[at]:g} in yours" in run(layouts, *words, code=1)
        (found,) = json.loads(run(layouts, *words, "--json", code=1))["comparisons"]
        assert (found["worst"]["at"], found["our_shape"]) == (list(map(int, at)), list(theirs.shape))


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [("--output-map", "Z", "CHW, not as NHWC"), ("--kernel-grad", "dK", "OIHW, not as HWIO")],
)
def test_check_names_a_tensor_that_is_not_in_the_layout(run, option, name, said) -> None:
    run(("nhwc", "hwio"), "plan", "V.npy", "-k", "K.npy", *OPTIONS)
    np.save("other.npy", getattr(GIVEN, name))
    words = ["check", "V.npy", "-k", "K.npy", "-G", "G.npy", *OPTIONS, option, "other.npy"]
    assert f"your {name} is stored as {said}\n" in run(("nhwc", "hwio"), *words, code=1)


@pytest.mark.slow
def test_check_lists_the_entries_as_they_are_stored(run) -> None:
    found = json.loads(run(("nhwc", "hwio"), "check", "V.npy", "-k", "K.npy", *OPTIONS, "--json", "--all"))
    stored = {"output": "Z", "kernel": "K", "input": "V", "bias": "db"}
    for check in found["checks"][:4]:
        shape = np.load(f"{stored[check['tensor']]}.npy").shape
        assert sorted(map(tuple, check["indices"])) == list(np.ndindex(shape))


@pytest.mark.parametrize("layouts", LAYOUTS)
def test_the_transpose(run, layouts) -> None:
    # The convolution's dV for G is the transpose's Z for V = G.
    words = ["G.npy", "-k", "K.npy", *OPTIONS, "--transpose", "--output-shape", "5,7"]
    run(layouts, "apply", *words, "-o", "out.npy", "-q")
    assert (np.load("out.npy") == ordered(GIVEN.dV, MAPS[layouts[0]])).all()
    # Its dV for the upstream gradient V is Z, and its dK is dK.
    run(layouts, "grad", *words, "-G", "V.npy", "--wrt", "V,K", "-o", "g.npz", "-q")
    assert (npz("g.npz")["input"] == ordered(GIVEN.Z, MAPS[layouts[0]])).all()
    assert (npz("g.npz")["kernel"] == ordered(GIVEN.dK, KERNELS[layouts[1]])).all()


def test_grids_name_planes_as_they_are_indexed(run) -> None:
    shown = run(("nhwc", "hwio"), "grad", "V.npy", "-k", "K.npy", *OPTIONS, "--wrt", "K", "-f", "text", "--full")
    assert "\ndK  (3, 2, 2, 6)  min" in shown
    assert "\n[:, :, 1, 5]\n" in shown


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_that_outputs_do_not_share_and_their_bias(tmp_path, monkeypatch, kernel) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(6).integers
    V, K, b = (
        draw(-5, 6, (2, 4, 3)).astype(float),
        draw(-3, 4, (3, 2, 1, 2, 2, 2)).astype(float),
        draw(-9, 9, (3, 3, 2)),
    )
    geometry: dict[str, Any] = {"stride": (1, 1), "pads": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1, "edge": "zero"}
    np.save("V.npy", np.moveaxis(V, 0, -1))
    np.save("K.npy", ordered(K, TILED[kernel]))
    np.save("b.npy", np.moveaxis(b, 0, -1))
    words = ["apply", "V.npy", "-k", "K.npy", "--bias", "b.npy", "-p", "valid", "-o", "Z.npy", "-q"]
    result = CliRunner().invoke(app, [*words, "--layout", "hwc", "--kernel-layout", kernel])
    assert result.exit_code == 0, result.output
    assert (np.load("Z.npy") == np.moveaxis(reference.conv2d(V[None], K, **geometry)[0] + b, 0, -1)).all()


def test_an_upstream_gradient_without_its_axes_of_length_1(tmp_path, monkeypatch) -> None:
    """One channel, three images of 3x3: (N, OH, OW) must not be taken for (OH, OW, C)."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(7).integers
    V, K, G = (draw(-5, 6, shape).astype(float) for shape in ((3, 1, 3, 3), (1, 1, 1, 1), (3, 1, 3, 3)))
    np.save("V.npy", np.moveaxis(V, 1, -1))
    np.save("G.npy", G[:, 0])
    np.save("K.npy", K)
    words = ["grad", "V.npy", "-k", "K.npy", "-G", "G.npy", "--wrt", "V", "--layout", "nhwc", "-o", "g.npz", "-q"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (npz("g.npz")["input"] == np.moveaxis(G * K, 1, -1)).all()


def test_json_that_names_its_layout_is_read_in_it(run) -> None:
    run(("nhwc", "oihw"), "apply", "V.npy", "-k", "K.npy", *OPTIONS, "-o", "Z.json", "-q")
    for maps in ("nhwc", "nchw"):
        shown = run((maps, "oihw"), "check", "V.npy", "-k", "K.npy", *OPTIONS, "--output-map", "Z.json")
        assert "equals convcli's" in shown


@pytest.mark.parametrize("value", ['"hcw"', "[1]"])
def test_json_of_an_unknown_layout_is_refused(tmp_path, value) -> None:
    text = f'{{"convcli": 1, "layout": {value}, "output": {{"shape": [1, 1], "values": [[1]]}}}}'
    (tmp_path / "Z.json").write_text(text)
    result = CliRunner().invoke(app, ["check", "[[1]]", "-k", "box", "--output-map", str(tmp_path / "Z.json")])
    assert result.exit_code == 2
    assert "layout: expected chw, nchw, hwc or nhwc" in result.stderr


def test_a_picture_has_its_own_layout_and_its_maps_the_users(tmp_path) -> None:
    pixels = np.random.default_rng(8).integers(0, 256, (4, 6, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "in.png")
    np.save(tmp_path / "in.npy", pixels)
    for name in ("in.png", "in.npy"):
        words = [str(tmp_path / name), "-k", "[[2]]", "--layout", "hwc", "-o", str(tmp_path / "out.npy"), "--overwrite"]
        assert CliRunner().invoke(app, ["apply", *words]).exit_code == 0
        assert (np.load(tmp_path / "out.npy") == 2.0 * pixels).all()


def test_unknown_layouts_are_refused(run) -> None:
    result = CliRunner().invoke(app, ["plan", "--input-shape", "3,4", "-k", "box", "--layout", "nwhc"])
    assert result.exit_code == 2
    assert "--layout: expected chw, nchw, hwc or nhwc, given 'nwhc'; did you mean" in result.stderr


def plan(shape: str, kernel: str, *words: str) -> Any:
    return CliRunner().invoke(app, ["plan", "--input-shape", shape, "-k", kernel, *words])


@pytest.mark.parametrize(
    ("shape", "kernel", "outcome"),
    [
        ("64,48,3", "box", "refused"),
        ("64,48,1", "box", "refused"),
        ("64,48,4", "1 2 1", "refused"),
        ("9,64,48,2", "box", "refused"),
        # A satellite's bands, and signals in a column per channel.
        ("64,48,5", "box", "doubted"),
        ("64,1000,1", "1;2;1", "doubted"),
        ("20,10,3", "box", "doubted"),
        # Maps of deep layers, planes, and pictures of few rows.
        ("512,4,4", "box", "taken"),
        ("2048,1,1", "box", "taken"),
        ("256,7,5", "box", "taken"),
        ("64,6", "box", "taken"),
        ("3,64,4", "box", "taken"),
        ("64,48,6", "box", "taken"),
    ],
)
def test_arrays_that_look_channels_last(shape, kernel, outcome) -> None:
    extents, layer = tuple(map(int, shape.split(","))), Convolution.of(load_kernel(kernel))
    if outcome == "refused":
        with pytest.raises(
            GeometryError, match=r"looks like \(H, W, C\): add `layout` hwc, or `layout` chw if it is not$"
        ):
            require_order(layer, extents, DEFAULT)
    else:
        require_order(layer, extents, DEFAULT)
        assert (order_doubt(layer, extents, DEFAULT) is not None) == (outcome == "doubted")
    for said in ("chw", "hwc"):
        require_order(layer, extents, parse_layouts(said, None))
        assert order_doubt(layer, extents, parse_layouts(said, None)) is None


@pytest.mark.parametrize("command", ["apply", "grad", "explain", "check", "plan", "matrix"])
def test_every_command_notes_arrays_that_may_be_channels_last(tmp_path, command) -> None:
    np.save(tmp_path / "V.npy", np.ones((17, 11, 5)))
    words = {"explain": ["--at", "0,0,0"], "apply": ["-o", str(tmp_path / "Z.npy")]}.get(command, [])
    result = CliRunner().invoke(app, [command, str(tmp_path / "V.npy"), "-k", "box", *words])
    assert result.exit_code == 0
    note = "note: (17, 11, 5) is taken as 17 channels of 11x5: if it is (H, W, C), add --layout hwc"
    assert note in result.stderr.replace(f"{tmp_path}/V.npy: ", "")


@pytest.mark.parametrize(
    ("shape", "kernel", "words", "cure"),
    [
        ("3,5,7", (2, 4, 3, 6), "", "--kernel-layout hwio"),
        ("3,5,7", (6, 2, 4, 3), "", "--kernel-layout ohwi"),
        ("5,7,3", (6, 3, 2, 4), "", "--layout nhwc"),
        ("8,5,7,3", (2, 4, 3, 6), "", "--layout nhwc --kernel-layout hwio"),
        ("3,5,7", (6, 3, 2, 4), "--layout hwc", "--layout nchw"),
        ("5,7,3", (6, 3, 2, 4), "--layout hwc --kernel-layout hwio", "--kernel-layout oihw"),
        ("4,5,7", (2, 3, 2, 6), "-g 2", "--kernel-layout hwio"),
        ("6,5,7", (2, 4, 3, 6), "--transpose", "--kernel-layout hwio"),
        ("3,5,7", (2, 2, 2, 4, 3, 6), "", "--kernel-layout hwio"),
    ],
)
def test_banks_that_fit_in_another_layout(tmp_path, shape, kernel, words, cure) -> None:
    np.save(tmp_path / "K.npy", np.ones(kernel))
    source = str(tmp_path / "K.npy")
    result = plan(shape, source, *words.split())
    assert result.exit_code == 2
    assert re.search(rf"takes \d+ input channels, .*; add {cure} if that is the order of the axes\n$", result.stderr)
    kept = [] if "--layout" in cure and "--layout" in words else words.split()
    kept = kept[:-2] if "--kernel-layout" in cure and "--kernel-layout" in words else kept
    assert plan(shape, source, *kept, *cure.split()).exit_code == 0


def test_depthwise_weights_of_tensorflow_are_told_apart(tmp_path) -> None:
    source = str(tmp_path / "K.npy")
    words = ["--layout", "hwc", "--kernel-layout", "hwio", "-g", "4"]
    np.save(source, np.ones((3, 2, 4, 2)))
    result = plan("5,7,4", source, *words)
    assert result.exit_code == 2
    assert (
        "depthwise weights (kh, kw, C, M) are --kernel-layout hwio after w.reshape(kh, kw, 1, C * M)" in result.stderr
    )
    np.save(source, np.ones((3, 2, 1, 8)))
    assert plan("5,7,4", source, *words).exit_code == 0


def test_a_bank_that_fits_in_no_layout(tmp_path) -> None:
    np.save(tmp_path / "K.npy", np.ones((2, 4, 3, 6)))
    result = plan("5,7,9", str(tmp_path / "K.npy"), "--layout", "hwc", "--kernel-layout", "hwio")
    assert result.exit_code == 2
    expected = "kernel (2, 4, 3, 6) with groups 1 takes 3 input channels, but the input has 9: its shape is (5, 7, 9)\n"
    assert result.stderr.endswith(expected)


def test_the_layers_of_a_model_and_pictures_have_their_own_layout() -> None:
    layer = Convolution.of(np.ones((2, 4, 3, 6)))
    for fixed, cure in (([], "`kernel_layout` hwio"), (["kernel_layout"], "`layout` nhwc")):
        with pytest.raises(GeometryError, match=f"; add {cure} if"):
            require_order(layer, (3, 5, 4), DEFAULT, fixed)
    with pytest.raises(GeometryError, match=r"its shape is \(3, 5, 4\)$"):
        require_order(layer, (3, 5, 4), DEFAULT, ["layout", "kernel_layout"])


def test_input_shapes_are_expected_in_the_layout() -> None:
    result = plan("7", "box", "--layout", "hwc")
    assert result.exit_code == 2
    assert "expected integers of at least 1 as H,W or H,W,C or N,H,W,C, given '7'" in result.stderr


def test_gray_is_of_input_shapes_too() -> None:
    result = plan("40,50,3", "box", "--layout", "hwc", "--gray", "--json")
    assert json.loads(result.stdout)["shape"]["input"] == [40, 50, 1]
    result = plan("5,40,50", "box", "--gray")
    assert (result.exit_code, "expected 1 channel, or 3" in result.stderr) == (2, True)


def test_kernels_shows_and_writes_a_bank_in_its_layout(tmp_path) -> None:
    path = str(tmp_path / "K.npy")
    np.save(path, ordered(GIVEN.K, KERNELS["hwio"]))
    words = ["kernels", path, "--kernel-layout", "hwio"]
    shown = CliRunner().invoke(app, words).stdout
    assert shown.startswith("K  (3, 2, 2, 6)  sum ")
    assert "\n[:, :, 1, 5]\n" in shown
    out = str(tmp_path / "out.npy")
    assert CliRunner().invoke(app, [*words, "-o", out]).exit_code == 0
    assert (np.load(out) == np.load(path)).all()
    document = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (document["kernel_layout"], document["weights"]) == ("hwio", np.load(path).tolist())
    result = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out.png")])
    assert (result.exit_code, "axes in the order chw" in result.stderr) == (0, True)


def test_errors_have_the_order_of_the_layout(tmp_path) -> None:
    V, other = str(tmp_path / "V.npy"), str(tmp_path / "other.npy")
    pixels = np.zeros((4, 5, 2))
    np.save(other, pixels[1:])
    pixels[3, 1, 0] = np.nan
    np.save(V, pixels)
    words = ["-k", "box", "--layout", "hwc"]
    result = CliRunner().invoke(app, ["check", V, *words])
    assert (result.exit_code, "given nan at [3,1,0]" in result.stderr) == (2, True)
    result = CliRunner().invoke(app, ["grad", V, other, *words])
    assert result.exit_code == 2
    assert result.stderr.endswith(f"{V} is (4, 5, 2), {other} is (3, 5, 2)\n")
    result = CliRunner().invoke(app, ["grad", V, *words, "-G", other])
    assert result.exit_code == 2
    assert "expected the output's shape (4, 5, 2), given (3, 5, 2)" in result.stderr
    result = CliRunner().invoke(app, ["explain", V, *words, "--at", "4,0,0"])
    assert result.exit_code == 2
    assert "Z has shape (4, 5, 2): expected j,k,l from 0,0,0 to 3,4,1, given 4,0,0" in result.stderr


def test_the_weights_of_a_model_have_their_own_layout(tmp_path) -> None:
    """Only V, Z and dK are in the user's layouts."""
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4, 5, 7])
    weights = onnx.numpy_helper.from_array(GIVEN.K.astype(np.float32), "w")
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv1", strides=[1, 2], pads=[1, 2, 0, 1], group=2)
    model, V = str(tmp_path / "m.onnx"), str(tmp_path / "V.npy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [], [weights])), model)
    np.save(V, ordered(GIVEN.V, MAPS["nhwc"]))
    words = [V, "-k", f"{model}:conv1", "--layout", "nhwc", "--kernel-layout", "hwio", "-q"]
    assert CliRunner().invoke(app, ["apply", *words, "-o", str(tmp_path / "Z.npy")]).exit_code == 0
    assert (np.load(tmp_path / "Z.npy") == ordered(GIVEN.Z, MAPS["nhwc"])).all()
    assert CliRunner().invoke(app, ["grad", *words, "--wrt", "K", "-o", str(tmp_path / "dK.npy")]).exit_code == 0
    dK = reference.conv2d_grad(GIVEN.V, GIVEN.K, np.ones(GIVEN.Z.shape), **GEOMETRY)[0]
    assert (np.load(tmp_path / "dK.npy") == ordered(dK, KERNELS["hwio"])).all()
