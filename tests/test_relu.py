"""``--relu``: A = max(Z, 0) in apply, and the gradients through it in grad and check."""

import json

import numpy as np
import pytest
from support.command_line import save_picture
from support.geometries import BY_NAME, integers
from support.reference import assert_same, conv2d_grad
from typer.testing import CliRunner

from convcli import conv2d, filter_image
from convcli.check import gradcheck
from convcli.check.gradcheck import check_gradients
from convcli.cli.app import app
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import TransposedConvolution
from convcli.grad.upstream import Readers, upstream_through_relu

V = np.array([[[1.0, 2, 0, 3], [4, 1, 5, 2], [0, 3, 1, 1]]])
K = np.array([[1.0, -2], [0, 3]])
# Z is 0 in two places, and negative in one.
Z = np.array([[0, 17, 0], [11, -6, 4]])
DA = np.array([[1.0, 0, 2], [-1, 3, 2]])
TEXTS = {"V": json.dumps(V[0].tolist()), "K": json.dumps(K.tolist()), "dA": json.dumps(DA.tolist())}
REQUEST = [TEXTS["V"], "-k", TEXTS["K"], "-p", "valid", "--relu"]
TYPED = Readers(tensor=lambda text: np.array(json.loads(text)), input=lambda text: np.array(json.loads(text)))


def run(*arguments, code=0):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def gradients(*arguments):
    found = json.loads(run("grad", *arguments, "--json"))["gradients"]
    return {name: np.array(each["values"]) for name, each in found.items()}


def expected(dA, V=V, K=K):
    """Return dK, dV and db for the masked dJ/dA, by plain loops."""
    G = np.where(conv2d(V, K) > 0, dA, 0)
    dK, dV, db = conv2d_grad(
        V[np.newaxis], K[np.newaxis, np.newaxis], G[np.newaxis], (1, 1), (0, 0, 0, 0), (1, 1), 1, "zero"
    )
    return {"kernel": dK[0, 0], "input": dV[0, 0], "bias": db[0]}


def test_apply_replaces_negative_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = json.loads(run("apply", *REQUEST))["output"]["values"]
    run("apply", *REQUEST, "-o", "A.npy")
    for A in (printed, np.load("A.npy")):
        assert np.array_equal(np.squeeze(A), np.maximum(Z, 0))


def test_apply_adds_the_bias_and_combines_kernels_first():
    below = json.loads(run("apply", *REQUEST, "--bias", "-5"))["output"]["values"]
    both = json.loads(run("apply", *REQUEST, "-k", "[[0,0],[0,-1]]", "--combine", "sum"))["output"]["values"]
    assert np.array_equal(below, np.maximum(Z - 5, 0))
    assert np.array_equal(both, np.maximum(Z - V[0, 1:, 1:], 0))


@pytest.mark.parametrize("range_", ["clip", "abs", "offset", "minmax"])
def test_pixels_are_those_of_the_rectified_map(tmp_path, monkeypatch, range_):
    """Also with alpha, whose rule adds the bias after a division: max(Z, 0) comes last."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(1, 256, (4, 9, 11), np.uint8)
    save_picture(tmp_path / "in.png", pixels)
    request = ["-k", "[[0.5,0.5]]", "--bias", "-90", "--alpha", "premultiply", "-e", "zero", "--range", range_]
    run("apply", "in.png", *request, "--relu", "-o", "A.png", "-q")
    run("apply", "in.png", *request[:-1], "raw", "-o", "Z.npy", "-q")
    A = filter_image(np.maximum(np.load("Z.npy"), 0).astype(np.float32), "identity", range=range_, white=255)
    found = filter_image(tmp_path / "A.png", "identity", alpha="drop")
    assert np.load("Z.npy").min() < 0
    assert np.array_equal(found.maps.values, A.maps.values)


def test_grad_masks_the_upstream_gradient():
    found = gradients(*REQUEST, "-G", TEXTS["dA"])
    for name, gradient in expected(DA).items():
        assert np.array_equal(found[name], gradient), name
    # Without the mask, or with one of Z >= 0, dK is another.
    assert found["kernel"].tolist() == [[6, 3], [2, -1]]


def test_the_squared_error_is_that_of_the_rectified_output():
    target = np.array([[1.0, 2, -1], [3, 1, 0]])
    report = json.loads(run("grad", *REQUEST, "-G", f"mse:{json.dumps(target.tolist())}", "--json"))
    dA = np.maximum(Z, 0) - target
    assert report["loss"] == 0.5 * np.sum(dA**2)
    assert np.array_equal(report["gradients"]["kernel"]["values"], expected(dA)["kernel"])


def test_text_shows_the_steps():
    shown = run("grad", *REQUEST, "-G", TEXTS["dA"], "-f", "text")
    assert "A = max(Z, 0)\n    0  17   0\n   11   0   4\n" in shown
    assert "G = dJ/dZ = dA where Z > 0, and 0 elsewhere\n    0   0   0\n   -1   0   2\n" in shown


def test_latex_shows_the_steps():
    shown = run("grad", *REQUEST, "-G", TEXTS["dA"], "-f", "latex")
    assert "A &= \\max(Z, 0) \\\\\nA &= \\begin{bmatrix} 0 & 17 & 0" in shown
    assert "G &= \\frac{\\partial J}{\\partial Z} = \\begin{cases} \\frac{\\partial J}{\\partial A} & Z > 0" in shown
    plain = run("grad", *REQUEST[:-1], "-f", "latex")
    assert "max" not in plain
    assert "G &= \\frac{\\partial J}{\\partial Z} \\\\" in plain


def test_two_layers_by_commands_alone(tmp_path, monkeypatch):
    """The gradient of the first kernel through conv, ReLU, conv; compared with central differences of commands."""
    monkeypatch.chdir(tmp_path)
    V, K1, K2 = integers((2, 6, 7), seed=1), integers((3, 2, 3, 2), seed=2), integers((2, 3, 2, 2), seed=3)
    for name, tensor in {"V": V, "K1": K1, "K2": K2}.items():
        np.save(f"{name}.npy", tensor)
    first, second = ["-k", "K1.npy", "-p", "valid", "--relu"], ["-k", "K2.npy", "-p", "valid"]
    run("apply", "V.npy", *first, "-o", "A.npy")
    run("grad", "A.npy", *second, "-G", "normal:1", "--wrt", "dV", "-o", "dA.npy")
    run("grad", "V.npy", *first, "-G", "dA.npy", "--wrt", "dK,dV", "-o", "g.npz")
    G = np.random.default_rng(1).standard_normal((2, 3, 5))
    Z = conv2d(V, K1)

    def J(V, K1):
        return np.vdot(G, conv2d(np.maximum(conv2d(V, K1), 0), K2))

    assert np.abs(Z).min() >= 1  # So that a small step passes no kink.
    with np.load("g.npz") as stored:
        found = dict(stored)
    for name, parameter, function in (("kernel", K1, lambda K: J(V, K)), ("input", V, lambda V: J(V, K1))):
        for at in np.ndindex(parameter.shape):
            step = np.zeros(parameter.shape)
            step[at] = 2.0**-10
            difference = (function(parameter + step) - function(parameter - step)) / 2**-9
            # The rounding of a sum of thousands, divided by the step.
            assert abs(difference - found[name][at]) < 1e-8, (name, at)


@pytest.mark.parametrize("transposed", [False, True], ids=["convolution", "transposed"])
@pytest.mark.parametrize("edge", ["zero", "reflect"])
def test_check_goes_through_the_relu(edge, transposed):
    case, draw = BY_NAME[f"everything-{edge}"], np.random.default_rng(3).standard_normal
    kind = TransposedConvolution if transposed else Convolution
    shape = conv2d(np.zeros(case.V[1:]), np.zeros(case.K), **case.options).shape if transposed else case.V[1:]
    prepared = kind.of(draw(case.K), None, **case.options).at(shape, np.float64)
    checks = check_gradients(prepared, draw(shape), draw(prepared.output_shape), relu=True)
    assert all(check.holds for check in checks), checks
    assert [check.reference for check in checks[1:4]] == ["central differences with ReLU"] * 3


@pytest.mark.parametrize("wrong", [lambda dA, A: dA, lambda dA, A: np.where(A > 0, 0, dA)], ids=["none", "other"])
def test_check_finds_a_wrong_mask(monkeypatch, wrong):
    monkeypatch.setattr(gradcheck, "relu_adjoint", wrong)
    checks = check_gradients(Convolution.of(K).at(V.shape, np.float64), V, DA[np.newaxis], relu=True)
    assert [check.holds for check in checks] == [True, False, False, False, True, True]


def test_check_of_outputs_that_are_all_0_has_no_kink_to_avoid():
    checks = check_gradients(Convolution.of(K).at(V.shape, np.float64), 0 * V, DA[np.newaxis], relu=True)
    assert all(check.holds for check in checks)


def test_check_compares_gradients_of_others():
    dK = json.dumps(expected(DA)["kernel"].tolist())
    assert "equals convcli's" in run("check", *REQUEST, "-G", TEXTS["dA"], "--kernel-grad", dK)
    refused = run("check", *REQUEST, "--output-map", TEXTS["dA"], code=2)
    assert refused == "convcli: error: --output-map is Z, which a ReLU follows: expected no --relu\n"


def test_nan_passes_through_as_in_pytorch():
    prepared = Convolution.of([[1.0]]).at((1, 1, 3), np.float64)
    found = upstream_through_relu("[[[5,6,7]]]", prepared, np.array([[[np.nan, -1, 1]]]), TYPED)
    assert_same(found.G, np.array([[[5.0, 0, 7]]]))


def test_explain_takes_the_masked_upstream_gradient():
    found = run("explain", *REQUEST, "-G", TEXTS["dA"], "--of", "dK", "--at", "0,1")
    assert "G[1,1] =  0  * V[1,2] = 5  =  0" in found
    assert "dK[0,1] = 3  the sum of 6 terms" in found


def test_explain_refuses_a_relu_that_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = "convcli: error: a ReLU changes no sum of Z: expected no --relu, or --of dK, dV or db\n"
    assert run("explain", *REQUEST, "--at", "0,0", code=2) == expected
    page = run("explain", *REQUEST, "--of", "dK", "-o", "page.html", code=2)
    assert page == "convcli: error: a page computes gradients anew, without a ReLU: expected no --relu\n"
    assert not (tmp_path / "page.html").exists()
