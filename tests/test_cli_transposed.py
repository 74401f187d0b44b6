"""``--transpose`` of apply, grad, check, plan, explain and matrix."""

import json

import numpy as np
import PIL.Image
import pytest
import scipy.sparse
from support import reference
from support.geometries import integers
from support.reference import assert_same
from typer.testing import CliRunner

from convcli import conv2d, conv2d_transpose
from convcli.cli.app import app

LAYER = {"stride": 2, "padding": 1, "output_padding": (1, 0), "groups": 2}
OPTIONS = ("--transpose", "-s", "2", "-p", "1", "--output-padding", "1,0", "-g", "2")
BIAS = "1,2,3,4"


@pytest.fixture(autouse=True)
def tensors(tmp_path, monkeypatch):
    """Save V, K, G and the four tensors of a transposed layer; return them by name."""
    monkeypatch.chdir(tmp_path)
    V, K, G = integers((6, 3, 4), seed=1), integers((6, 2, 3, 2), seed=2), integers((4, 6, 6), seed=3)
    options = {"stride": (2, 2), "pads": (1, 1, 1, 1), "dilation": (1, 1), "groups": 2, "edge": "zero"}
    dK, Z, _ = (each for each in reference.conv2d_grad(G[np.newaxis], K, V[np.newaxis], **options))
    bias = np.array([1.0, 2.0, 3.0, 4.0]).reshape(-1, 1, 1)
    dV = reference.conv2d(G[np.newaxis], K, **options)[0]
    found = {"V": V, "K": K, "G": G, "Z": Z[0] + bias, "dK": dK, "dV": dV, "db": G.sum(axis=(1, 2))}
    for name, tensor in found.items():
        np.save(f"{name}.npy", tensor)
    return found


def run(*arguments, code=0):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result


def test_apply(tensors):
    run("apply", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "-o", "up.npy")
    found = np.load("up.npy")
    assert_same(found, tensors["Z"])
    assert_same(found, conv2d_transpose(tensors["V"], tensors["K"], [1, 2, 3, 4], **LAYER))
    run("apply", "V.npy", "-k", "K.npy", *OPTIONS[:5], "-g", "2", "--output-shape", "6,6", "-o", "shaped.npy")
    assert_same(np.load("shaped.npy"), found - np.array([1.0, 2.0, 3.0, 4.0]).reshape(-1, 1, 1))


@pytest.mark.parametrize("name", ["dK", "dV", "db"])
def test_grad(tensors, name):
    run("grad", "V.npy", "-k", "K.npy", *OPTIONS, "-G", "G.npy", "--wrt", name, "-o", f"our-{name}.npy")
    assert_same(np.load(f"our-{name}.npy"), tensors[name])


def test_formulas():
    printed = run("grad", "V.npy", "-k", "K.npy", *OPTIONS, "-G", "G.npy", "-f", "text").stdout
    group = " (each group: co output, ci input channels)"
    assert "V (6, 3, 4)  K (6, 2, 3, 2)  Z (4, 6, 6)\n" in printed
    assert f"dK[i,l,m,n] = sum over j,k of V[i,j,k] * G'[i//co*ci + l, j*sy + m, k*sx + n]{group}\n" in printed
    assert f"dV[i,j,k] = sum over l,m,n of G'[i//co*ci + l, j*sy + m, k*sx + n] * K[i,l,m,n]{group}\n" in printed
    assert "db[l] = sum over a,c of G[l,a,c]\n" in printed


def test_the_indices_in_csv_are_those_of_the_formulas(tensors):
    printed = run("grad", "V.npy", "-k", "K.npy", *OPTIONS, "-G", "G.npy", "--wrt", "dV,db", "-f", "csv").stdout
    lines = printed.splitlines()
    assert lines[0] == "tensor,i,j,k,l,value"
    assert lines[1] == f"input,0,0,0,,{tensors['dV'][0, 0, 0]}"
    assert lines[-1] == f"bias,,,,3,{tensors['db'][3]}"


def test_a_step():
    printed = run("grad", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "-G", "G.npy", "--step", "1").stdout
    moved = json.loads(printed)
    assert_same(np.array(moved["weights"]), np.load("K.npy") - np.load("dK.npy"))
    assert_same(np.array(moved["bias"]), np.array([1.0, 2.0, 3.0, 4.0]) - np.load("db.npy"))


def test_a_loss_and_a_batch(tensors):
    """The target of mse has the shape of Z; db is summed over a batch."""
    arguments = ("grad", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS)
    printed = run(*arguments, "-G", "mse:Z.npy", "--wrt", "K", "-f", "json").stdout
    assert json.loads(printed)["loss"] == 0
    found = json.loads(run("grad", "V.npy", *arguments[1:], "-G", "ones", "--wrt", "b", "-f", "json").stdout)
    assert found["gradients"]["bias"]["values"] == [72.0] * 4


@pytest.mark.parametrize("edge", ["zero", "replicate"])
def test_check(edge):
    printed = run("check", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "-e", edge).stdout
    assert printed.count("holds") == 6
    assert "<G, conv_transpose(V, K)> = <dV, V>" in printed


def test_check_catches_a_wrong_gradient(monkeypatch):
    from convcli.convolution.transposed import PreparedTransposed

    genuine = PreparedTransposed.gradients

    def doubled(self, *arguments, **options):
        found = genuine(self, *arguments, **options)
        return found._replace(kernel=None if found.kernel is None else 2 * found.kernel)

    monkeypatch.setattr(PreparedTransposed, "gradients", doubled)
    printed = run("check", "V.npy", "-k", "K.npy", *OPTIONS, code=1).stdout
    assert [line.split()[0] for line in printed.splitlines() if "DOES NOT HOLD" in line] == ["dK", "dK"]


OURS = [("output-map", "Z"), ("kernel-grad", "dK"), ("input-grad", "dV"), ("bias-grad", "db")]


@pytest.mark.parametrize(("option", "name"), OURS)
def test_own_tensors_are_compared(option, name, tensors):
    arguments = ("check", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "-G", "G.npy", f"--{option}")
    assert f"your {name} equals convcli's" in run(*arguments, f"{name}.npy").stdout
    np.save("theirs.npy", 2 * tensors[name] if name != "Z" else 2 * tensors[name] - [[[1]], [[2]], [[3]], [[4]]])
    assert f"your {name} is doubled\n" in run(*arguments, "theirs.npy", code=1).stdout


def test_faults_are_named_in_the_letters_of_the_transpose(tensors):
    """The loop over the channels of V assigns; they are the output channels of the convolution."""
    Z, V, K = np.zeros((4, 8, 8)), tensors["V"], tensors["K"]
    for i, j, k in np.ndindex(*V.shape):
        first = 2 * (i // 3)
        Z[first : first + 2, 2 * j : 2 * j + 3, 2 * k : 2 * k + 2] = V[i, j, k] * K[i]
    np.save("theirs.npy", Z[:, 1:-1, 1:-1])
    printed = run("check", "V.npy", "-k", "K.npy", *OPTIONS, "--output-map", "theirs.npy", code=1).stdout
    expected = (
        "holds only the last window of the last input channel: `=` where `+=` is needed over channels and windows"
    )
    assert printed.endswith(f"your Z {expected}\n")


def test_the_mistake_in_another_output_is_named(tensors):
    """A convolution with the flipped kernel, the usual misreading of a transposed convolution."""
    arguments = ("check", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "--output-map", "theirs.npy")
    flipped = conv2d_transpose(tensors["V"], tensors["K"], [1, 2, 3, 4], flip=True, **LAYER)
    np.save("theirs.npy", flipped)
    assert "your Z is that of the flipped kernel: add --flip\n" in run(*arguments, code=1).stdout
    np.save("theirs.npy", tensors["Z"][:, :-1])
    assert "your Z has shape (4, 5, 6), and convcli's has (4, 6, 6)" in run(*arguments, code=1).stdout


def test_plan():
    printed = run("plan", "--input-shape", "6,3,4", "-k", "K.npy", *OPTIONS).stdout
    rows = dict(line.split(maxsplit=1) for line in printed.splitlines() if line.startswith(("V ", "K ", "Z ")))
    assert rows["V"] == "(6, 3, 4)"
    assert "Z                  (4, 6, 6), computed in float32\n" in printed
    assert "sizes of Z         5..6 x 6..7, by --output-shape\n" in printed
    assert "receptive field    2 x 1 numbers of V at most\n" in printed
    assert "footprint          3 x 2 numbers of Z for each of V, 2 x 2 apart\n" in printed
    assert "gradients          dK (6, 2, 3, 2), dV (6, 3, 4), db (4,)\n" in printed
    found = json.loads(run("plan", "--input-shape", "6,3,4", "-k", "K.npy", *OPTIONS, "--json").stdout)
    assert found["output_sizes"] == {"rows": [5, 6], "columns": [6, 7]}
    assert found["shape"] == {"input": [6, 3, 4], "kernel": [6, 2, 3, 2], "output": [4, 6, 6]}
    assert found["plans"].keys() == {"output", "kernel", "input"}


def test_plan_of_an_output_that_no_window_reaches():
    """A stride of 5 and pads of 2: the pixel that the window reads is cropped."""
    options = ("--transpose", "-s", "5", "-p", "2", "--output-padding", "4", "-k", "[[3]]")
    printed = run("plan", "--input-shape", "1,1,1", *options).stdout
    assert "untouched rows     0: 1 in all, where Z is the bias\n" in printed
    assert "Z by" not in printed
    found = json.loads(run("apply", "[[7]]", *options, "--bias", "5", "-o", "one.npy", "--json").stdout)
    assert (found["algorithm"], found["tiles"]) == ("none", {})
    assert np.load("one.npy").tolist() == [[5]]


class TestPictures:
    BILINEAR = '{"weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "divisor": 4}'

    def upsampled(self, *options):
        run("apply", "picture.png", "-k", self.BILINEAR, "--transpose", "-s", "2", "-o", "up.png", *options)
        return np.asarray(PIL.Image.open("up.png"))

    def test_every_channel_alone(self):
        pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
        PIL.Image.fromarray(pixels).save("picture.png")
        found = self.upsampled()
        assert found.shape == (10, 14, 3)
        Z = conv2d_transpose(
            np.moveaxis(pixels, -1, 0), np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4, stride=2, padding="same"
        )
        assert_same(np.moveaxis(found, -1, 0), np.rint(Z).astype(np.uint8))

    def test_alpha_is_upsampled_too(self):
        """Colours are weighted by alpha, so that a hidden colour stays hidden."""
        pixels = np.full((4, 4, 4), 255, np.uint8)
        pixels[:, 2:] = [0, 99, 0, 0]
        PIL.Image.fromarray(pixels).save("picture.png")
        found = self.upsampled()
        assert found.shape == (8, 8, 4)
        assert found[3, :, 3].tolist() == [128, 255, 255, 255, 128, 0, 0, 0]
        assert found[3, :, 1].tolist() == [255] * 5 + [0] * 3

    def test_kept_alpha_is_that_of_the_nearest_pixel(self):
        pixels = np.zeros((2, 2, 4), np.uint8)
        pixels[..., 3] = [[10, 20], [30, 40]]
        PIL.Image.fromarray(pixels).save("picture.png")
        run("apply", "picture.png", "-k", "box:2", "--transpose", "-s", "2", "--alpha", "keep", "-o", "up.png")
        alpha = np.asarray(PIL.Image.open("up.png"))[..., 3]
        assert alpha.tolist() == np.kron([[10, 20], [30, 40]], np.ones((2, 2), int)).tolist()

    def test_a_fill_that_copies_keeps_the_border(self):
        PIL.Image.new("L", (5, 4), 200).save("picture.png")
        weights = ("-k", "1 3 3 1; 3 9 9 3; 3 9 9 3; 1 3 3 1", "--divisor", "16")
        run("apply", "picture.png", *weights, "--transpose", "-s", "2", "-e", "replicate", "-o", "double.png")
        assert np.asarray(PIL.Image.open("double.png")).tolist() == [[200] * 10] * 8

    def test_lost_brightness_is_a_warning(self):
        """A blur's weights sum to 1, and a stride of 2 spreads them over four pixels."""
        PIL.Image.new("L", (6, 6), 200).save("picture.png")
        arguments = ("apply", "picture.png", "-k", "binomial:5", "--transpose", "-s", "2", "-o")
        warning = "have 0.25 of the image's brightness, because the stride spreads weights that sum to 1 over 4 pixels"
        assert f"{warning}: --divisor 0.25 restores it\n" in run(*arguments, "dark.png").stderr
        assert warning in run(*arguments, "max.png", "-k", "box", "--combine", "max").stderr
        assert "warning" not in run(*arguments, "right.png", "--divisor", "0.25").stderr
        assert "warning" not in run(*arguments[:5], "-o", "small.png").stderr
        assert np.asarray(PIL.Image.open("right.png"))[5:7, 5:7].tolist() == [[200, 200]] * 2

    def test_the_fill_is_zero(self):
        PIL.Image.new("L", (4, 4), 200).save("picture.png")
        document = json.loads(run("apply", "picture.png", "-k", "box", "--transpose", "-o", "up.png", "--json").stdout)
        assert document["edge"] == "zero"
        assert document["tiles"] == {document["algorithm"]: 1}


def test_several_kernels_are_combined(tensors):
    run(
        "apply",
        "V.npy",
        "-k",
        "[[1,2]]",
        "-k",
        "[[2,1]]",
        "--combine",
        "sum",
        "--transpose",
        "-s",
        "2",
        "-o",
        "sum.npy",
    )
    assert_same(np.load("sum.npy"), conv2d_transpose(tensors["V"], np.array([[3.0, 3.0]]), stride=2, padding="same"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--output-shape", "9,9"), "--output-shape: a convolution has only one size of output: add --transpose"),
        (("--output-padding", "1"), "--output-padding: a convolution has only one size of output: add --transpose"),
        (
            ("--transpose", "--output-shape", "9,9"),
            "--output-shape: expected 3 rows and 4 columns for an input of 3 x 4, given 9 and 9",
        ),
        (
            ("--transpose", "--output-shape", "3,4", "--output-padding", "0"),
            "--output-shape and --output-padding both set the output's size: give one",
        ),
    ],
)
def test_refusals(options, message):
    assert message in run("apply", "V.npy", "-k", "box", *options, "-o", "never.npy", code=2).stderr


def test_same_gives_back_the_size_that_it_reduced():
    V = integers((2, 7, 8), seed=5)
    np.save("small.npy", conv2d(V, [[1, 2]], stride=(2, 3), padding="same"))
    arguments = ("apply", "small.npy", "-k", "[[1,2]]", "--transpose", "-s", "2,3")
    run(*arguments, "--output-shape", "7,8", "-o", "large.npy")
    assert np.load("large.npy").shape == V.shape


@pytest.mark.parametrize(
    ("of", "at"), [("Z", "3,5,4"), ("Z", "0,0,0"), ("dK", "4,1,2,0"), ("dV", "5,2,1"), ("db", "2")]
)
def test_explain(tensors, of, at):
    words = ("explain", "V.npy", "-k", "K.npy", *OPTIONS, "--bias", BIAS, "-G", "G.npy", "--of", of, "--at", at)
    found = json.loads(run(*words, "--json", "--all").stdout)
    assert found["sum"] == tensors[of][tuple(map(int, at.split(",")))]
    assert sum(term["product"] for term in found["terms"]) + (found["bias"] or 0) == found["sum"]
    for term in found["terms"]:
        factors = {key: term[key] for key in term if key not in ("indices", "product")}
        assert set(factors) == {"Z": {"V", "K"}, "dK": {"V", "G'"}, "dV": {"G'", "K"}, "db": {"G"}}[of]
        for key, factor in factors.items():
            place = factor["from"] if key == "G'" else factor["at"]
            assert factor["value"] == (0 if place is None else tensors[key[0]][tuple(place)])


def test_an_explained_number_of_Z_names_what_the_fill_adds_up():
    printed = run("explain", "[[1,2],[3,4]]", "-k", "box:3", "--transpose", "-e", "replicate", "--at", "0,0").stdout
    formula, equation, copies = printed.splitlines()[:3]
    assert formula.startswith("Z = (adjoint of the padding)(Z'), Z'[a,c] = sum over j,k,m,n with j + m = a, k + n = c,")
    assert equation == "Z[0,0] = sum over j,k,m,n with j + m = 0 or 1, k + n = 0 or 1, of V[j,k] * K[m,n]"
    assert copies == "Z[0,0] is at Z'[0,0], Z'[0,1], Z'[1,0], Z'[1,1], which the adjoint of replicate adds up"
    assert "  j=0  m=0  k=0  n=1  V[0,0] = 1  * K[0,1] = 0.1111111111  = 0.1111111111\n" in printed


def test_an_explained_gradient_names_the_pixels_of_G():
    words = ("--transpose", "--bias", "0.5", "--at", "0,1", "--of", "dV", "-G", "[[5,6],[7,8]]")
    printed = run("explain", "[[1,2],[3,4]]", "-k", "[[1,-2],[0,3]]", *words).stdout
    assert "  m=0  n=0  G'[0,1] = 6  is G[0,1]      * K[0,0] =  1  = 6\n" in printed
    assert "  m=0  n=1  G'[0,2] = 0  padding: zero  * K[0,1] = -2  = 0\n" in printed


def test_a_number_of_Z_that_no_window_writes():
    printed = run("explain", "[[1,2]]", "-k", "[[1]]", "--transpose", "-s", "2", "--bias", "3", "--at", "0,1").stdout
    assert printed.splitlines()[2] == "no window writes it, because the stride and dilation skip it: no term adds to it"
    assert printed.splitlines()[-1] == "Z[0,1] = 3  the sum of 0 terms and b"


def test_matrix(tensors):
    words = ("matrix", "--input-shape", "6,3,4", "-k", "K.npy", *OPTIONS)
    run(*words, "--bias", BIAS, "-o", "M.npz")
    with np.load("M.npz") as members:
        offset = members["offset"]
    M = scipy.sparse.load_npz("M.npz")
    assert_same((M @ tensors["V"].ravel() + offset).reshape(4, 6, 6), tensors["Z"])
    assert_same((M.T @ tensors["G"].ravel()).reshape(6, 3, 4), tensors["dV"])
    printed = run(*words).stdout
    assert json.loads(printed)["shape"] == {
        "matrix": [4 * 6 * 6, 6 * 3 * 4],
        "input": [6, 3, 4],
        "kernel": [6, 2, 3, 2],
        "output": [4, 6, 6],
    }


def test_matrix_names_the_indices_of_its_rows_and_columns():
    words = ("matrix", "--input-shape", "2,1,2", "-k", "[[[[1,2]]],[[[3,4]]]]", "-p", "valid", "--transpose")
    lines = run(*words, "-f", "text").stdout.splitlines()
    assert lines[0] == "M (3, 4)  8 nonzeros  (66.7 %)"
    assert [line.split()[:2] for line in lines[4:7]] == [["V", "i"], ["V", "j"], ["V", "k"]]
    assert lines[7:] == ["Z[0,0,0] 1 . 3 .", "Z[0,0,1] 2 1 4 3", "Z[0,0,2] . 2 . 4"]
