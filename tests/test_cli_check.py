"""``convcli check``: its text, its JSON and its exit codes."""

import json

import numpy as np
import pytest
from support.command_line import convcli, npy, succeed, terminal, with_samples

from convcli import conv2d, conv2d_grad

IMAGE = "[[1,2,4],[3,5,-7]]"
K = "[[1,-2],[0,3]]"
V, WEIGHTS = np.array(json.loads(IMAGE), float)[None], np.array(json.loads(K), float)


def test_the_checks_of_a_photo_hold(tmp_path):
    words = ["-k", "sobel-x", "-s", "2", "-e", "reflect", "--flip"]
    out = succeed("check", "sample_images/camera.png", *words, cwd=with_samples(tmp_path)).decode()
    table, Z, samples = out.partition("checked Z[0,0,0], Z[0,")
    head, *rows = table.splitlines()
    assert head.split() == ["against", "checked", "worst", "error", "relative", "at"]
    assert [row.split()[:2] for row in rows] == [[name, "holds"] for name in ("Z", "dK", "dV", "db", "dK", "dV")]
    assert "12 of 262,144" in rows[2]
    assert Z
    assert "\nchecked dV[0,0,0], dV[0," in samples
    assert samples.endswith(" dV[0,511,511]\n")
    assert max(map(len, samples.splitlines())) <= 80


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_shows_the_whole_table(tmp_path, columns):
    code, shown, err = terminal("check", IMAGE, "-k", K, cwd=tmp_path, size=(24, columns))
    assert (code, err, shown.count("holds"), shown.count("central differences of J")) == (0, "", 6, 3)


def test_json(tmp_path):
    document = json.loads(succeed("check", IMAGE, "-k", K, "--json", "--all", cwd=tmp_path))
    assert document["holds"] is True
    assert [check["samples"] for check in document["checks"]] == [6, 4, 6, 1, 2, 2]


def test_every_algorithm_can_be_checked(tmp_path):
    image = npy(np.random.default_rng(0).normal(size=(2, 20, 30)))
    for algorithm in ("toeplitz", "im2col", "direct"):
        out = succeed("check", "-", "-k", "laplacian", "--algorithm", algorithm, cwd=tmp_path, stdin=image)
        assert b"DOES NOT HOLD" not in out


def test_a_tensor_that_equals_convclis(tmp_path):
    np.save(tmp_path / "dV.npy", conv2d_grad(V, WEIGHTS, np.ones(V.shape), padding="same").input.astype(np.float32))
    out = succeed("check", IMAGE, "-k", K, "--input-grad", "dV.npy", cwd=tmp_path).decode()
    difference = "the largest difference is 0 (0 of its terms' magnitudes), at dV[0,0]: 1 in yours, 1 in convcli's"
    assert out == f"your dV equals convcli's: {difference}\n"


@pytest.mark.parametrize("upstream", ["nosuch.npy", "mse:nosuch.npy"])
def test_a_missing_upstream_is_refused_where_z_alone_is_compared(tmp_path, upstream):
    result = convcli("check", IMAGE, "-k", K, "-G", upstream, "--output-map", "[[0]]", cwd=tmp_path)
    assert (result.code, result.out) == (1, b"")
    assert "cannot read nosuch.npy: No such file or directory" in result.err


def test_a_tensor_that_differs_is_explained(tmp_path):
    G = np.random.default_rng(3).standard_normal(V.shape)
    np.save(tmp_path / "dK.npy", conv2d_grad(V, WEIGHTS, G, padding="same", flip=True).kernel)
    Z = json.dumps(conv2d(V, WEIGHTS, padding="same").tolist())
    result = convcli(
        "check", IMAGE, "-k", K, "-G", "normal:3", "--kernel-grad", "dK.npy", "--output-map", Z, cwd=tmp_path
    )
    first, difference, confusion = result.out.decode().splitlines()
    assert (result.code, result.err) == (1, "")
    assert first.startswith("your Z equals convcli's: ")
    assert difference.startswith("your dK differs from convcli's, most at dK[")
    assert confusion == "your dK is that of the flipped kernel: add --flip"


def test_a_tensor_of_another_shape(tmp_path):
    result = convcli("check", IMAGE, "-k", K, "--kernel-grad", "-", cwd=tmp_path, stdin=npy(np.ones((3, 3))))
    assert (result.code, result.err) == (1, "")
    assert result.out.decode() == (
        "your dK has shape (3, 3), and convcli's has (2, 2)\nno common mistake explains the difference\n"
    )


def test_comparisons_as_json(tmp_path):
    result = convcli(
        "check", IMAGE, "-k", K, "--bias-grad", "2469", "-G", "[[1,2,3],[4,5,1219.5]]", "--json", cwd=tmp_path
    )
    document = json.loads(result.out)
    (found,) = document["comparisons"]
    assert (result.code, document["holds"], found["holds"]) == (1, False, False)
    assert found["worst"] == {"at": [], "ours": 1234.5, "theirs": 2469, "absolute": 1234.5, "relative": 1}
    assert (found["confusion"], found["kind"], found["cure"]) == ("is doubled", "fault", None)


def test_json_has_null_for_nan_and_infinity(tmp_path):
    theirs = npy(np.full((2, 2), np.nan))
    result = convcli("check", IMAGE, "-k", K, "--kernel-grad", "-", "--json", cwd=tmp_path, stdin=theirs)
    (found,) = json.loads(result.out)["comparisons"]
    assert (result.code, result.err, found["worst"]["theirs"], found["worst"]["relative"]) == (1, "", None, None)


def test_nan_in_the_input_is_an_error(tmp_path):
    result = convcli("check", "-", "-k", K, cwd=tmp_path, stdin=npy(np.full((3, 3), np.nan)))
    message = "input V: expected finite numbers to compute differences, given nan at [0,0]"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--tolerance", "-1"], 2, "--tolerance: expected a finite number of at least 0, given -1"),
        (["--kernel-grad", ""], 2, "expected a number, inline JSON or a file, given nothing"),
        (["--kernel-grad", "absent.npy"], 1, "cannot read absent.npy: No such file or directory"),
        (["--kernel-grad", "-", "-G", "-"], 2, "'-' is given more than once: stdin can be only one of the "
         "images, the kernel and G"),
        (["-G", "[[1]]"], 2, "upstream gradient G: expected the output's shape (2, 3), given (1, 1)"),
    ],
)  # fmt: skip
def test_wrong_requests(tmp_path, arguments, code, message):
    result = convcli("check", IMAGE, "-k", K, *arguments, cwd=tmp_path)
    assert (result.code, result.out, result.err) == (code, b"", f"convcli: error: {message}\n")
