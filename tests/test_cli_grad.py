"""``convcli grad``: the numbers in every format, on stdout and in files."""

import csv
import io
import json
import re

import numpy as np
import pytest
from support.command_line import SAMPLES, array, convcli, npy, pixels, save_picture, shell, succeed, with_samples
from support.geometries import fractions
from support.reference import assert_same

from convcli import Convolution, conv2d, conv2d_grad
from convcli.cli.text.grad import gradients_text
from convcli.drawing.heatmap_layout import SMALL
from convcli.drawing.heatmaps import draw_heatmap, stack_heatmaps, tile_heatmaps
from convcli.grad.report import GradientReport

WRT = ("kernel", "input", "bias")
RANDOM = np.random.default_rng(4)
V = fractions((2, 5, 7), seed=4)
K = fractions((3, 2, 2, 3), seed=5)
BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16
BANK = json.dumps(K.tolist())
OPTIONS = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2), "edge": "reflect"}
WORDS = ["-s", "2,1", "-p", "1,0,2,1", "-d", "1,2", "-e", "reflect"]
G = fractions((3, 3, 6), seed=7)
UPSTREAM_WORDS = ["-G", json.dumps(G.tolist())]
GRADIENTS = conv2d_grad(V, K, G, **OPTIONS)
IMAGE = npy(V)
REQUEST = ["grad", "-", "-k", BANK, *WORDS, *UPSTREAM_WORDS]


@pytest.fixture
def samples(tmp_path):
    return with_samples(tmp_path)


def values_of(out):
    """Return the gradients in JSON text, by name."""
    return {name: np.array(entry["values"]) for name, entry in json.loads(out)["gradients"].items()}


def assert_gradients(found, expected=GRADIENTS, wrt=WRT):
    assert set(found) == set(wrt)
    for name in wrt:
        assert_same(found[name], getattr(expected, name))


def close(actual, expected):
    """Assert equality up to the rounding of float64 in a sum of so many terms of this size, which may cancel."""
    scale = np.abs(expected).max()
    return actual.shape == expected.shape and np.abs(actual - expected).max() <= 1e-10 * scale


def by_taps(V, K, G, stride, pads, dilation):
    """Return dK and dV of a bank over one channel, tap by tap: G meets V' on the grid of pixels that the tap reads."""
    top, bottom, left, right = pads
    V_padded = np.pad(V, ((top, bottom), (left, right)))
    dK, dV_padded = np.zeros(K.shape), np.zeros(V_padded.shape)
    rows, columns = G.shape[1:]
    for i, _, m, n in np.ndindex(K.shape):
        y, x = m * dilation, n * dilation
        grid = (slice(y, y + stride[0] * rows, stride[0]), slice(x, x + stride[1] * columns, stride[1]))
        dK[i, 0, m, n] = np.sum(G[i] * V_padded[grid])
        dV_padded[grid] += G[i] * K[i, 0, m, n]
    return dK, dV_padded[np.newaxis, top : top + V.shape[0], left : left + V.shape[1]]


def test_sums_of_shifted_windows(samples):
    """With G all ones, dK sums the pixels that each tap reads, and db counts the outputs."""
    result = shell(
        "convcli grad sample_images/camera.png -k sobel-x -G ones --wrt kernel,bias -f json | python3 -m json.tool",
        samples,
    )
    padded = np.pad(pixels(SAMPLES / "camera.png").astype(float), 1, "edge")
    dK = [[padded[m : m + 512, n : n + 512].sum() for n in range(3)] for m in range(3)]
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {
        "convcli": 1,
        "shape": {"input": [1, 512, 512], "kernel": [3, 3], "output": [1, 512, 512]},
        "edge": "replicate",
        "gradients": {
            "kernel": {"shape": [3, 3], "dtype": "float64", "values": dK},
            "bias": {"shape": [], "dtype": "float64", "values": 512 * 512},
        },
    }


def test_a_bank_with_every_option(samples):
    result = shell(
        "convcli grad sample_images/camera.png -k bank.json -s 3,2 -p 1,0,2,1 -d 2 -e zero -G normal:7 -o grads.npz",
        samples,
    )
    assert (result.code, result.out, result.err) == (0, b"", "")
    K = np.array(json.loads((SAMPLES / "bank.json").read_text())["weights"], float)
    G = np.random.default_rng(7).standard_normal((3, 170, 256))
    dK, dV = by_taps(pixels(SAMPLES / "camera.png").astype(float), K, G, (3, 2), (1, 0, 2, 1), 2)
    with np.load(samples / "grads.npz") as saved:
        assert set(saved) == set(WRT)
        assert close(saved["kernel"], dK)
        assert close(saved["input"], dV)
        assert close(saved["bias"], G.sum(axis=(1, 2)))


def test_json_reads_back_exactly(tmp_path):
    document = json.loads(succeed(*REQUEST, cwd=tmp_path, stdin=IMAGE))
    assert document["shape"] == {"input": [2, 5, 7], "kernel": [3, 2, 2, 3], "output": [3, 3, 6]}
    assert {name: entry["shape"] for name, entry in document["gradients"].items()} == {
        "kernel": [3, 2, 2, 3],
        "input": [2, 5, 7],
        "bias": [3],
    }
    assert {entry["dtype"] for entry in document["gradients"].values()} == {"float64"}
    assert_gradients(values_of(json.dumps(document)))


def test_npz_holds_all_gradients(tmp_path):
    out = succeed(*REQUEST, "-f", "npz", cwd=tmp_path, stdin=IMAGE)
    with np.load(io.BytesIO(out)) as saved:
        assert_gradients(dict(saved))


def test_npy_holds_one_gradient(tmp_path):
    out = succeed(*REQUEST, "--wrt", "input", "-f", "npy", cwd=tmp_path, stdin=IMAGE)
    assert_same(array(out), GRADIENTS.input)


def from_csv(text, shape):
    """Return the tensor's name, its columns and the tensor from a CSV in long form."""
    header, *rows = csv.reader(io.StringIO(text))
    tensor = np.full(shape, np.nan)
    for _, *indices, value in rows:
        tensor[tuple(map(int, indices))] = float(value)
    assert len(rows) == tensor.size
    return {row[0] for row in rows}, header, tensor


@pytest.mark.parametrize(("wrt", "letters"), [("kernel", ["i", "l", "m", "n"]), ("input", ["l", "a", "c"])])
def test_csv_has_a_row_per_number(tmp_path, wrt, letters):
    expected = getattr(GRADIENTS, wrt)
    out = succeed(*REQUEST, "--wrt", wrt, "-f", "csv", cwd=tmp_path, stdin=IMAGE)
    names, header, tensor = from_csv(out.decode(), expected.shape)
    assert (names, header) == ({wrt}, ["tensor", *letters, "value"])
    assert_same(tensor, expected)


def from_long_form(text, shapes):
    """Return the tensors of a CSV in long form, found by its header; no field of a tensor may be missing."""
    rows = list(csv.DictReader(io.StringIO(text)))
    tensors = {name: np.full(shape, np.nan) for name, shape in shapes.items()}
    for row in rows:
        name, value = row.pop("tensor"), row.pop("value")
        tensors[name][tuple(int(index) for index in row.values() if index)] = float(value)
    assert len(rows) == sum(tensor.size for tensor in tensors.values())
    return tensors


def test_csv_of_several_gradients_has_all_their_columns(tmp_path):
    out = succeed(*REQUEST, "-f", "csv", cwd=tmp_path, stdin=IMAGE).decode()
    lines = out.splitlines()
    assert lines[0] == "tensor,i,l,m,n,a,c,value"
    assert lines[1].startswith("kernel,0,0,0,0,,,")
    assert lines[1 + K.size].startswith("input,,0,,,0,0,")
    assert lines[-1] == f"bias,2,,,,,,{float(GRADIENTS.bias[2])!r}"
    assert_gradients(from_long_form(out, {"kernel": K.shape, "input": V.shape, "bias": (3,)}))


def test_csv_of_a_batch_and_of_a_number(tmp_path):
    np.save(tmp_path / "a.npy", V)
    out = succeed("grad", "a.npy", "a.npy", "-k", "box", "--wrt", "bias,input,kernel", "-f", "csv", cwd=tmp_path)
    lines = out.decode().splitlines()
    assert lines[:2] == ["tensor,batch,l,a,c,m,n,value", "bias,,,,,,,140.0"]
    assert lines[-1].startswith("kernel,,,,,2,2,")
    assert lines[2].startswith("input,0,0,0,0,,,")


def test_csv_of_infinities_and_nan_reads_back(tmp_path):
    image = np.full((3, 3), np.inf)
    image[2, 2] = np.nan
    out = succeed("grad", "-", "-k", "[[1]]", "--wrt", "kernel", "-f", "csv", cwd=tmp_path, stdin=npy(image))
    assert out == b"tensor,m,n,value\nkernel,0,0,nan\n"


def test_png_stacks_the_heatmaps(tmp_path):
    whole = pixels(succeed(*REQUEST, "-f", "png", cwd=tmp_path, stdin=IMAGE))
    succeed(*REQUEST, "-o", "{wrt}.png", cwd=tmp_path, stdin=IMAGE)
    parts = [pixels(tmp_path / f"{name}.png") for name in WRT]
    assert whole.shape[2] == max(part.shape[2] for part in parts)
    top = 0
    for part in parts:
        _, height, width = part.shape
        assert (whole[:, top : top + height, :width] == part).all()
        top += height + 16
    assert top - 16 == whole.shape[1]


def test_panels_show_the_operands_above_the_gradients(tmp_path):
    words = ("--bias", "1,2,3", "--wrt", "dK,db", "--panels", "-f", "png")
    whole = pixels(succeed(*REQUEST, *words, cwd=tmp_path, stdin=IMAGE))
    Z = conv2d(V, K, [1.0, 2.0, 3.0], **OPTIONS)
    operands = {"V": V, "K": K, "b": np.array([1.0, 2.0, 3.0]), "Z": Z, "G": G}
    letters = {"V": "lac", "K": "ilmn", "b": "i", "Z": "ijk", "G": "ijk", "dK": "ilmn", "db": "i"}
    gradients = {"dK": GRADIENTS.kernel, "db": GRADIENTS.bias}
    rows = [
        tile_heatmaps([draw_heatmap(name, tensor, letters[name], SMALL) for name, tensor in tensors.items()])
        for tensors in (operands, gradients)
    ]
    assert (whole == stack_heatmaps(rows).transpose(2, 0, 1)).all()


def test_panels_are_for_pictures(tmp_path):
    for more, message in (
        ([], "--panels: expected --format png, given json"),
        (["--step", "1"], "--panels is for gradients in a picture, and --step gives a kernel: give one"),
    ):
        result = convcli(*REQUEST, "--panels", *more, cwd=tmp_path, stdin=IMAGE)
        assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_png_can_show_nan(tmp_path):
    out = succeed("grad", "-", "-k", "box", "-f", "png", cwd=tmp_path, stdin=npy(np.full((3, 3), np.nan)))
    assert (pixels(out) == 128).all(axis=0).sum() >= 64 * 64 * 9 * 0.8


def test_text_shows_shapes_and_numbers_without_escapes(tmp_path):
    out = succeed(*REQUEST, "--wrt", "bias,kernel", "-f", "text", cwd=tmp_path, stdin=IMAGE).decode()
    assert "\x1b" not in out
    for shown in ["V (2, 5, 7)", "K (3, 2, 2, 3)", "Z (3, 3, 6)", "(3, 2, 2, 3)"]:
        assert shown in out
    for number in [*GRADIENTS.bias, *GRADIENTS.kernel[0, 0].ravel()]:
        assert f" {number:.6g}" in out


WIDE = fractions((2, 14, 11), seed=9)


@pytest.mark.parametrize(
    ("wrt", "last"),
    [
        (
            "input",
            ["... not shown: rows 12..13 of 14 and columns 9..10 of 11", "... not shown: planes [1]..[1], 1 of 2"],
        ),
        ("kernel", []),
    ],
)
def test_text_says_what_it_does_not_show(tmp_path, wrt, last):
    out = succeed("grad", "-", "-k", "box", "--wrt", wrt, "-f", "text", cwd=tmp_path, stdin=npy(WIDE)).decode()
    assert [line.strip() for line in out.splitlines() if "not shown" in line] == last
    assert out.endswith("\n\n--full shows every number\n") == bool(last)
    assert out.count("--full") == bool(last)


def numbers_of(text):
    """Return the numbers in the lines that hold only numbers."""
    return [float(word) for line in text.splitlines() if re.fullmatch(r"[-+.e\d ]+", line) for word in line.split()]


@pytest.mark.parametrize("output", ["-", "all.txt"])
def test_full_text_has_every_number(tmp_path, output):
    G = fractions(WIDE.shape, seed=1)
    np.save(tmp_path / "G.npy", G)
    request = ["grad", "-", "-k", "binomial", "-f", "text", "--wrt", "kernel,input", "-G", "G.npy"]
    out = succeed(*request, "--full", "-o", output, cwd=tmp_path, stdin=npy(WIDE)).decode()
    text = out if output == "-" else (tmp_path / output).read_text()
    found = conv2d_grad(WIDE, BINOMIAL, G, padding="same")
    expected = [*found.kernel.ravel(), *found.input.ravel()]
    assert numbers_of(text) == [float(f"{value:.6g}") for value in expected]
    assert "not shown" not in text
    assert "--full" not in text


def test_the_longest_numbers_do_not_touch(tmp_path):
    G = npy(np.full((1, 1, 3), -1.23456789e-308))
    (tmp_path / "G.npy").write_bytes(G)
    request = ["grad", "-", "-k", "[[1]]", "-G", "G.npy", "-f", "text", "--wrt", "dV"]
    out = succeed(*request, cwd=tmp_path, stdin=npy(np.ones((1, 3)))).decode()
    assert numbers_of(out[out.index("dV  (") :]) == [-1.23457e-308] * 3


def test_small_operands_are_shown_before_the_gradients(tmp_path):
    request = ["grad", "[[1,2,3],[4,5,6],[7,8,9]]", "-k", "[[1,0],[0,-1]]", "-p", "valid", "-G", "at:0,1"]
    out = succeed(*request, "--bias", "0.5", "--wrt", "dK", "-f", "text", cwd=tmp_path).decode()
    assert out.startswith(
        "V (3, 3)  K (2, 2)  Z (2, 2)\n\n"
        "V  (3, 3)\n   1  2  3\n   4  5  6\n   7  8  9\n\n"
        "K  (2, 2)\n    1   0\n    0  -1\n\n"
        "b  ()\n   0.5\n\n"
        "Z  (2, 2)\nZ[j,k] = b + sum over m,n of V[j + m, k + n] * K[m,n]\n   -3.5  -3.5\n   -3.5  -3.5\n\n"
        "G  (2, 2)\n   0  1\n   0  0\n\n"
        "dK  (2, 2)  "
    )


def test_operands_that_do_not_fit_are_not_shown(tmp_path):
    out = succeed("grad", "-", "-k", "box", "-f", "text", "--full", cwd=tmp_path, stdin=npy(WIDE)).decode()
    assert re.findall(r"^(\w+)  \(", out, re.MULTILINE) == ["dK", "dV", "db"]


def test_full_changes_nothing_where_a_format_holds_all_numbers(tmp_path):
    plain = succeed(*REQUEST, "-f", "json", cwd=tmp_path, stdin=IMAGE)
    assert succeed(*REQUEST, "-f", "json", "--full", cwd=tmp_path, stdin=IMAGE) == plain


def formulas(text):
    """Return the line below each tensor's name and shape."""
    return dict(re.findall(r"^(d\w)  \(.*\n(.*)", text, re.MULTILINE))


def test_text_gives_each_tensor_its_letter_and_formula(tmp_path):
    out = succeed(*REQUEST, "-f", "text", cwd=tmp_path, stdin=IMAGE).decode()
    assert formulas(out) == {
        "dK": "dK[i,l,m,n] = sum over j,k of G[i,j,k] * V'[l, j*sy + m, k + n*dx]",
        "dV": "dV = (adjoint of the padding)(dV'), dV'[l,a,c] = sum over i,j,k,m,n "
        "with j*sy + m = a, k + n*dx = c, of G[i,j,k] * K[i,l,m,n]",
        "db": "db[i] = sum over j,k of G[i,j,k]",
    }


def test_formulas_depend_on_batch_rank_and_flip(tmp_path):
    np.save(tmp_path / "a.npy", V)
    out = succeed("grad", "a.npy", "a.npy", "-k", "box", "--flip", "-f", "text", cwd=tmp_path).decode()
    found = formulas(out)
    assert found["dK"] == (
        "dK[m,n] = sum over batch,l,j,k of G[batch,l,j,k] * V'[batch, l, j + (kh-1-m), k + (kw-1-n)]"
    )
    assert found["db"] == "db = sum over batch,l,j,k of G[batch,l,j,k]"


def test_the_extension_decides_the_format(tmp_path):
    """There is one file for all gradients, or one per gradient where the format holds a single tensor."""
    for name in ["all.json", "all.npz", "{wrt}.npy", "{wrt}.csv", "all.txt"]:
        assert succeed(*REQUEST, "-o", name, cwd=tmp_path, stdin=IMAGE) == b""
    assert_gradients(values_of((tmp_path / "all.json").read_bytes()))
    with np.load(tmp_path / "all.npz") as saved:
        assert_gradients(dict(saved))
    assert_gradients({name: np.load(tmp_path / f"{name}.npy") for name in WRT})
    texts = {name: (tmp_path / f"{name}.csv").read_text() for name in WRT}
    assert_gradients({name: from_csv(texts[name], getattr(GRADIENTS, name).shape)[2] for name in WRT})
    assert "\x1b" not in (tmp_path / "all.txt").read_text()


@pytest.mark.parametrize("output", ["all", "-"])
def test_a_format_for_one_tensor_refuses_several(tmp_path, output):
    result = convcli(*REQUEST, "-f", "npy", "-o", output, "--wrt", "kernel,bias", cwd=tmp_path, stdin=IMAGE)
    assert (result.code, result.out, list(tmp_path.iterdir())) == (2, b"", [])
    assert result.err == (
        "convcli: error: npy holds one tensor, given 2 (kernel, bias): use --format npz, json or csv, "
        "choose one with --wrt, or name a file for each, as in --output 'grad-{wrt}.npy'\n"
    )


def test_a_template_names_image_kernel_and_parameter(tmp_path):
    np.save(tmp_path / "in.npy", V)
    succeed("grad", "in.npy", "-k", "box:3", "--wrt", "kernel", "-o", "{stem}.{kernel}.{wrt}.npy", cwd=tmp_path)
    expected = conv2d_grad(V, np.ones((3, 3)), np.ones(V.shape), padding="same")
    assert_same(np.load(tmp_path / "in.box-3.kernel.npy"), expected.kernel)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("-o out", ["in.box-3.npz"]),
        ("-o out/", ["in.box-3.npz"]),
        ("-o out -f json", ["in.box-3.json"]),
        ("-o out -f text", ["in.box-3.txt"]),
        ("-o out -f png", ["in.box-3.png"]),
        ("-o out/{wrt}.png --wrt kernel,bias", ["bias.png", "kernel.png"]),
        ("-o out -f npy --wrt input", ["in.box-3.npy"]),
        ("-o out -f csv --wrt kernel,bias", ["in.box-3.csv"]),
        ("-o out -f npy --wrt kernel,bias", ["in.box-3.bias.npy", "in.box-3.kernel.npy"]),
        ("-o {dir}/out/{kernel}.{ext}", ["box-3.npz"]),
    ],
)
def test_in_a_folder_files_are_named_after_image_kernel_and_format(tmp_path, arguments, names):
    np.save(tmp_path / "in.npy", V)
    (tmp_path / "out").mkdir()
    assert succeed("grad", "in.npy", "-k", "box:3", *arguments.split(), cwd=tmp_path) == b""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_the_default_format_in_a_folder_is_npz(tmp_path):
    succeed(*REQUEST, "-o", ".", cwd=tmp_path, stdin=IMAGE)
    with np.load(tmp_path / "stdin.inline.npz") as saved:
        assert_gradients(dict(saved))


def test_existing_files_in_a_folder_are_not_replaced(tmp_path):
    succeed(*REQUEST, "-o", ".", cwd=tmp_path, stdin=IMAGE)
    result = convcli(*REQUEST, "-o", ".", cwd=tmp_path, stdin=IMAGE)
    message = "stdin.inline.npz exists: use --overwrite to replace it, or --output to write elsewhere"
    assert (result.code, result.err) == (1, f"convcli: error: {message}\n")
    succeed(*REQUEST, "-o", ".", "--overwrite", cwd=tmp_path, stdin=IMAGE)


def test_several_images_are_a_batch(tmp_path):
    batch = RANDOM.normal(size=(3, 2, 5, 7))
    for name, image in zip("abc", batch, strict=True):
        np.save(tmp_path / f"{name}.npy", image)
    out = succeed("grad", "?.npy", "-k", BANK, *WORDS, "-G", "normal:3", cwd=tmp_path)
    G = np.random.default_rng(3).standard_normal((3, 3, 3, 6))
    singles = [conv2d_grad(image, K, g, **OPTIONS) for image, g in zip(batch, G, strict=True)]
    found = values_of(out)
    assert close(found["kernel"], sum(each.kernel for each in singles))
    assert close(found["bias"], sum(each.bias for each in singles))
    assert close(found["input"], np.stack([each.input for each in singles]))


def test_a_batch_needs_one_shape(tmp_path):
    np.save(tmp_path / "a.npy", V)
    np.save(tmp_path / "b.npy", V[:, 1:])
    result = convcli("grad", "a.npy", "b.npy", "-k", BANK, cwd=tmp_path)
    message = "a batch needs images of one shape: a.npy is (2, 5, 7), b.npy is (2, 4, 7)"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


UPSTREAM = RANDOM.integers(0, 256, (3, 5, 7)).astype(np.uint8)


SOURCES = {
    "npy": "G.npy",
    "json": "G.json",
    "picture": "G.png",
    "inline": json.dumps(UPSTREAM.tolist()),
    "stdin": "-",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_upstream_gradient(tmp_path, source):
    np.save(tmp_path / "in.npy", V)
    np.save(tmp_path / "G.npy", UPSTREAM)
    save_picture(tmp_path / "G.png", UPSTREAM)
    (tmp_path / "G.json").write_text(json.dumps(UPSTREAM.tolist()))
    out = succeed("grad", "in.npy", "-k", BANK, "-G", source, cwd=tmp_path, stdin=npy(UPSTREAM))
    assert_gradients(values_of(out), conv2d_grad(V, K, UPSTREAM, padding="same"))


def test_a_gray_picture_is_an_upstream_gradient_of_one_map(tmp_path):
    save_picture(tmp_path / "G.png", UPSTREAM[:1])
    out = succeed("grad", "-", "-k", "binomial", "-G", "G.png", cwd=tmp_path, stdin=npy(V[:1]))
    assert_gradients(values_of(out), conv2d_grad(V[:1], BINOMIAL, UPSTREAM[:1], padding="same"))


@pytest.mark.parametrize(
    ("bias", "like"),
    [("0.5,1,2", np.ones(3)), ("untied.npy", np.ones((3, 3, 6)))],
    ids=["one a channel", "one a unit"],
)
def test_the_bias_gradient_is_shaped_like_the_bias(tmp_path, bias, like):
    np.save(tmp_path / "untied.npy", like)
    out = succeed(*REQUEST, "--wrt", "bias", "--bias", bias, cwd=tmp_path, stdin=IMAGE)
    assert_gradients(values_of(out), conv2d_grad(V, K, G, bias=like, **OPTIONS), ["bias"])


def test_flip_keeps_gradients_with_respect_to_the_kernel_as_given(tmp_path):
    out = succeed(*REQUEST, "--flip", cwd=tmp_path, stdin=IMAGE)
    assert_gradients(values_of(out), conv2d_grad(V, K, G, **OPTIONS, flip=True))


def test_groups(tmp_path):
    depthwise = K[:2, :1]
    out = succeed("grad", "-", "-k", json.dumps(depthwise.tolist()), "-g", "2", cwd=tmp_path, stdin=IMAGE)
    assert_gradients(values_of(out), conv2d_grad(V, depthwise, np.ones(V.shape), padding="same", groups=2))


def test_gray_and_unit_change_the_input(tmp_path):
    save_picture(tmp_path / "in.png", UPSTREAM)
    out = succeed("grad", "in.png", "-k", "binomial", "--gray", "--unit", cwd=tmp_path)
    gray = np.einsum("cyx,c->yx", UPSTREAM.astype(float), (0.299, 0.587, 0.114))[np.newaxis] / 255
    expected = conv2d_grad(gray, BINOMIAL, np.ones(gray.shape), padding="same", edge="replicate")
    # Gray is computed in float32.
    for name, values in values_of(out).items():
        np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-6)


def test_alpha_is_not_an_input_channel(tmp_path):
    save_picture(tmp_path / "in.png", [*UPSTREAM, UPSTREAM[0]])
    out = succeed("grad", "in.png", "-k", "binomial", "-q", cwd=tmp_path)
    expected = conv2d_grad(UPSTREAM, BINOMIAL, np.ones(UPSTREAM.shape), padding="same", edge="replicate")
    assert_gradients(values_of(out), expected)


def test_alpha_that_is_ignored_is_told(tmp_path):
    save_picture(tmp_path / "rgba.png", [*UPSTREAM, UPSTREAM[0]])
    save_picture(tmp_path / "rgb.png", UPSTREAM)
    result = convcli("grad", "rgba.png", "rgb.png", "-k", "box", cwd=tmp_path)
    told = "convcli: note: rgba.png: alpha is ignored: the numbers are those of the colours alone\n"
    assert (result.code, result.err) == (0, told)


def test_what_each_file_holds_is_said(tmp_path):
    result = convcli(*REQUEST, "-o", "{wrt}.npy", "--wrt", "bias,input", cwd=tmp_path, stdin=IMAGE)
    assert result.result == "convcli: wrote bias.npy, db\nconvcli: wrote input.npy, dV\n"


def test_verbose_reports_the_pads(tmp_path):
    result = convcli(*REQUEST, "-v", cwd=tmp_path, stdin=IMAGE)
    assert result.err == "convcli: note: pads: top 1, bottom 0, left 2, right 1, filled with reflect; output 3x3x6\n"


def test_json_refuses_nan_before_it_prints_anything(tmp_path):
    result = convcli("grad", "-", "-k", "box", cwd=tmp_path, stdin=npy(np.full((3, 3), np.nan)))
    message = "the kernel gradient holds NaN or infinity, which JSON cannot hold: use --format npz"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_json_contradicts_another_format(tmp_path):
    result = convcli(*REQUEST, "--json", "-f", "csv", "--wrt", "bias", cwd=tmp_path, stdin=IMAGE)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("convcli: error: --json ")


TARGET = fractions((3, 3, 6), seed=8)


class TestSquaredError:
    def test_the_upstream_gradient_is_the_difference(self, tmp_path):
        np.save(tmp_path / "T.npy", TARGET)
        difference = conv2d(V, K, **OPTIONS) - TARGET
        document = json.loads(succeed(*REQUEST[:-1], "mse:T.npy", cwd=tmp_path, stdin=IMAGE))
        assert document["loss"] == 0.5 * np.vdot(difference, difference)
        assert_gradients(values_of(json.dumps(document)), conv2d_grad(V, K, difference, **OPTIONS))

    def test_text_shows_the_loss(self, tmp_path):
        out = succeed("grad", "[[1,2]]", "-k", "[[3]]", "-G", "mse:[[1,4]]", "-f", "text", cwd=tmp_path).decode()
        assert out.splitlines()[:2] == ["V (1, 2)  K (1, 1)  Z (1, 2)", "J 4"]

    def test_formats_without_the_loss_report_it_on_stderr(self, tmp_path):
        arguments = ["grad", "[[1,2]]", "-k", "[[3]]", "-G", "mse:[[1,4]]", "-o", "g.npz"]
        result = convcli(*arguments, cwd=tmp_path)
        assert (result.code, result.out, result.err) == (0, b"", "convcli: loss: J = 4.0\n")
        assert succeed(*arguments, "--overwrite", "-q", cwd=tmp_path) == b""

    def test_a_target_is_prepared_like_the_image(self, tmp_path):
        """A picture in the same gray and the same unit."""
        colours = RANDOM.integers(0, 256, (2, 3, 4, 5)).astype(np.uint8)
        save_picture(tmp_path / "V.png", colours[0])
        save_picture(tmp_path / "T.png", colours[1])
        arguments = ["-k", "identity", "-G", "mse:T.png", "--gray", "--unit", "--wrt", "bias"]
        document = json.loads(succeed("grad", "V.png", *arguments, cwd=tmp_path))
        grays = np.tensordot(colours.astype(int), [299, 587, 114], (1, 0)) / 255_000
        difference = grays[0] - grays[1]
        # Gray and unit are computed in float32.
        assert np.isclose(document["loss"], 0.5 * np.vdot(difference, difference), rtol=1e-5)

    def test_a_batch_has_a_target_per_image(self, tmp_path):
        np.save(tmp_path / "a.npy", V)
        np.save(tmp_path / "b.npy", 2 * V)
        np.save(tmp_path / "T.npy", np.stack([TARGET, TARGET]))
        request = ["grad", "a.npy", "b.npy", "-k", BANK, *WORDS, "-G", "mse:T.npy", "--wrt", "kernel"]
        difference = np.stack([conv2d(V, K, **OPTIONS), conv2d(2 * V, K, **OPTIONS)]) - TARGET
        expected = conv2d_grad(np.stack([V, 2 * V]), K, difference, **OPTIONS)
        assert_gradients(values_of(succeed(*request, cwd=tmp_path)), expected, ["kernel"])

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            ("mse:[[1]]", 2, "target of mse: expected the output's shape (1, 2), given (1, 1)"),
            ("mse:absent.npy", 1, "--upstream: expected ones, at:I,J,K, normal:SEED, mse:TARGET, a file, inline JSON "
             "or -, given 'mse:absent.npy': cannot read absent.npy: No such file or directory"),
        ],
    )  # fmt: skip
    def test_a_target_that_does_not_fit(self, tmp_path, words, code, message):
        result = convcli("grad", "[[1,2]]", "-k", "[[3]]", "-G", words, cwd=tmp_path)
        assert (result.code, result.out, result.err) == (code, b"", f"convcli: error: {message}\n")


class TestStep:
    KERNEL = json.dumps({"name": "k", "weights": K.tolist(), "bias": [1.5, -2, 0]})

    def test_the_kernel_and_its_bias_go_downhill(self, tmp_path):
        kernel = json.loads(succeed("grad", "-", "-k", self.KERNEL, *WORDS, *UPSTREAM_WORDS, "--step", "0.25",
                                    cwd=tmp_path, stdin=IMAGE))  # fmt: skip
        assert kernel["name"] == "k"
        assert_same(np.array(kernel["weights"]), K - 0.25 * GRADIENTS.kernel)
        assert_same(np.array(kernel["bias"]), [1.5, -2, 0] - 0.25 * GRADIENTS.bias)

    def test_parameters_that_wrt_does_not_name_stay(self, tmp_path):
        request = ["grad", "-", "-k", self.KERNEL, *WORDS, *UPSTREAM_WORDS, "--step", "0.25", "--wrt", "bias,input"]
        kernel = json.loads(succeed(*request, cwd=tmp_path, stdin=IMAGE))
        assert_same(np.array(kernel["weights"]), K)
        assert_same(np.array(kernel["bias"]), [1.5, -2, 0] - 0.25 * GRADIENTS.bias)

    def test_steps_can_be_piped(self, tmp_path):
        """Pipe the kernel that a step prints into apply."""
        image, target = "'[[1,2,0],[3,1,2]]'", "'mse:[[2,4,0],[6,2,4]]'"
        step = f"convcli grad {image} -k '[[0]]' -G {target} --step 0.05 -q"
        result = shell(f"{step} | convcli apply {image} -k - -f npy -o -", tmp_path)
        assert (result.code, result.err) == (0, "")
        assert np.allclose(array(result.out), [[[1.9, 3.8, 0], [5.7, 1.9, 3.8]]])

    def test_a_file_and_its_name(self, tmp_path):
        request = ["grad", "[[1,2]]", "-k", "box:1", "-G", "mse:[[1,4]]", "--step", "0.5"]
        result = convcli(*request, "-o", ".", cwd=tmp_path)
        assert (result.code, result.out, result.err) == (0, b"", "convcli: loss: J = 2.0\n")
        assert json.loads((tmp_path / "box-1.json").read_text())["weights"] == [[3]]
        again = convcli(*request, "-o", "box-1.json", cwd=tmp_path)
        assert (again.code, again.out) == (1, b"")
        assert again.err.startswith("convcli: error: box-1.json exists")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--step", "1", "--wrt", "input"], "--step moves the kernel and its bias: expected one of them in --wrt, "
             "given only input"),
            (["--step", "1", "-f", "npz"], "--step gives kernel JSON: expected no --format, or json, given npz"),
            (["--step", "nan"], "--step: expected a finite rate, given nan"),
            (["--step", "1e308"], "--step: the kernel is not finite after a step of 1e+308: use a smaller rate"),
        ],
    )  # fmt: skip
    def test_wrong_steps(self, tmp_path, arguments, message):
        result = convcli("grad", "[[100,200]]", "-k", "[[3]]", *arguments, cwd=tmp_path)
        assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_text_needs_no_memory_for_operands_that_it_does_not_show():
    V = np.broadcast_to(np.uint8(1), (1 << 20, 1 << 22))
    prepared = Convolution.of([[1]]).at(V.shape, "float64")
    report = GradientReport({"bias": np.array(7.0)}, prepared, V, V)
    assert "".join(gradients_text(report, plain=True, full=False)).endswith("\n   7\n")
