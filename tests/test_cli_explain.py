"""``convcli explain``: the sum behind one number as text and JSON."""

import json

import numpy as np
import pytest
from support.command_line import SAMPLES, convcli, npy, pixels, shell, succeed, terminal, with_samples

from convcli import conv2d, conv2d_grad

SMALL = "[[1,2],[3,4]]"
K = "[[1,-2],[0,1]]"
EXPECTED = "Z has shape (2, 2): expected j,k from 0,0 to 1,1"


def explained(*arguments, cwd, stdin=b""):
    return succeed("explain", *arguments, cwd=cwd, stdin=stdin).decode()


def test_a_textbook_sum_on_one_line(tmp_path):
    assert explained(SMALL, "-k", K, "--at", "0,1", "-e", "replicate", "--bias", "0.5", cwd=tmp_path) == (
        "Z[j,k] = b + sum over m,n of V'[j + m, k + n] * K[m,n]\n"
        "Z[0,1] = b + sum over m,n of V'[0 + m, 1 + n] * K[m,n]\n"
        "\n"
        "  m=0  n=0  V'[0,1] = 2  is V[0,1]                     * K[0,0] =  1  =  2\n"
        "  m=0  n=1  V'[0,2] = 2  padding: replicate of V[0,1]  * K[0,1] = -2  = -4\n"
        "  m=1  n=0  V'[1,1] = 4  is V[1,1]                     * K[1,0] =  0  =  0\n"
        "  m=1  n=1  V'[1,2] = 4  padding: replicate of V[1,1]  * K[1,1] =  1  =  4\n"
        "  b = 0.5\n"
        "\n"
        "Z[0,1] = 2.5  the sum of 4 terms and b\n"
    )


def test_the_gradient_of_a_pixel_lists_the_outputs_that_read_it(tmp_path):
    arguments = ["--of", "input", "-G", "[[1,2],[3,4]]", "-e", "constant:7"]
    assert explained(SMALL, "-k", K, "--at", "1,1", *arguments, cwd=tmp_path) == (
        "dV = (adjoint of the padding)(dV'), dV'[a,c] = sum over j,k,m,n with j + m = a, k + n = c, "
        "of G[j,k] * K[m,n]\n"
        "dV[1,1] = sum over j,k,m,n with j + m = 1, k + n = 1, of G[j,k] * K[m,n]\n"
        "V[1,1] is at V'[1,1]\n"
        "\n"
        "  j=0  m=1  k=0  n=1  G[0,0] = 1  * K[1,1] =  1  =  1\n"
        "  j=0  m=1  k=1  n=0  G[0,1] = 2  * K[1,0] =  0  =  0\n"
        "  j=1  m=0  k=0  n=1  G[1,0] = 3  * K[0,1] = -2  = -6\n"
        "  j=1  m=0  k=1  n=0  G[1,1] = 4  * K[0,0] =  1  =  4\n"
        "\n"
        "dV[1,1] = -1  the sum of 4 terms\n"
    )


def test_an_upstream_gradient_of_1_in_one_place(tmp_path):
    arguments = ["--of", "dK", "--at", "0,1", "-p", "valid"]
    found = json.loads(explained("[[1,2,5],[3,4,6]]", "-k", K, *arguments, "-G", "at:0,1", "--json", cwd=tmp_path))
    assert [term["G"]["value"] for term in found["terms"]] == [0, 1]
    assert found["sum"] == 5


def test_a_pixel_that_no_window_reads_is_explained(tmp_path):
    image = json.dumps(np.arange(12.0).reshape(3, 4).tolist())
    out = explained(image, "-k", K, "-p", "valid", "-s", "2", "--of", "input", "--at", "2,1", cwd=tmp_path)
    reading, _, total = out.splitlines()[2:]
    assert reading == "no window reads it, because the stride and dilation skip it: its gradient is 0"
    assert total == "dV[2,1] = 0  the sum of 0 terms"


def test_copies_of_a_pixel_are_counted(tmp_path):
    out = explained("[[5]]", "-k", "box:3", "-e", "wrap", "--of", "input", "--at", "0,0", cwd=tmp_path)
    places = ", ".join(f"V'[{row},{column}]" for row in (0, 1) for column in (0, 1, 2))
    assert out.splitlines()[2] == f"V[0,0] is at {places} and 3 more, copied by wrap"


def test_the_default_padding_is_zero(tmp_path):
    out = explained(SMALL, "-k", "box:3", "--at", "0,0", cwd=tmp_path)
    assert "  m=0  n=0  V'[0,0] = 0  padding: zero  * K[0,0] = 0.1111111111  =            0\n" in out


LONG = ["sample_images/camera.png", "-k", "sobel-x", "--of", "kernel", "--at", "0,2", "-G", "normal:1"]


def test_a_long_sum_shows_its_largest_terms_on_one_screen(tmp_path):
    lines = explained(*LONG, cwd=with_samples(tmp_path)).splitlines()
    count = 512 * 512
    assert len(lines) == 3 + 1 + 12 + 1 + 2
    assert lines[3].startswith(f"  the 12 largest of {count:,} terms, 0.0")
    assert lines[4].startswith("  j=59   k=58   G[59,58]   =  4.406353523  * V'[59,60]   = 207  is V[58,59]")
    assert lines[16].startswith(f"  the other {count - 12:,} terms = ")
    assert lines[18].endswith(f"  the sum of {count:,} terms")


def test_the_largest_terms_of_a_short_sum(tmp_path):
    out = explained(SMALL, "-k", K, "-p", "valid", "--at", "0,0", "--bias", "2", "--largest", "3", cwd=tmp_path)
    assert out == (
        "Z[j,k] = b + sum over m,n of V[j + m, k + n] * K[m,n]\n"
        "Z[0,0] = b + sum over m,n of V[0 + m, 0 + n] * K[m,n]\n"
        "\n"
        "  the 3 largest of 4 terms, 100% of all magnitudes; --all shows all\n"
        "  m=0  n=1  V[0,1] = 2  * K[0,1] = -2  = -4\n"
        "  m=1  n=1  V[1,1] = 4  * K[1,1] =  1  =  4\n"
        "  m=0  n=0  V[0,0] = 1  * K[0,0] =  1  =  1\n"
        "  the other term = 0\n"
        "  b = 2\n"
        "\n"
        "Z[0,0] = 3  the sum of 4 terms and b\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--largest", "0"], "--largest: expected at least 1, given 0"),
        (["--largest", "3", "--all"], "--largest and --all contradict each other: give one"),
    ],
)
def test_wrong_counts_of_terms(tmp_path, arguments, message):
    result = convcli("explain", SMALL, "-k", K, "--at", "0,0", *arguments, cwd=tmp_path)
    assert (result.code, result.err) == (2, f"convcli: error: {message}\n")


def test_all_shows_every_term(tmp_path):
    image = npy(np.random.default_rng(0).normal(size=(70, 80)))
    lines = explained("-", "-k", "box", "--of", "bias", "--all", cwd=tmp_path, stdin=image).splitlines()
    assert len(lines) == 2 + 70 * 80 + 2
    assert lines[-3].split()[:3] == ["j=69", "k=79", "G[69,79]"]


def test_a_narrow_terminal_breaks_formulas_between_their_parts(tmp_path):
    words = ("explain", SMALL, "-k", K, "--of", "dV", "--at", "0,1", "-p", "valid")
    _, out, _ = terminal(*words, "--bias", "1", cwd=tmp_path, size=(24, 40), NO_COLOR="1")
    assert out.splitlines()[:4] == [
        "dV[a,c] = sum over j,k,m,n with",
        "    j + m = a, k + n = c, of G[j,k] *",
        "    K[m,n]",
        "dV[0,1] = sum over j,k,m,n with",
    ]
    assert max(map(len, out.splitlines())) <= 40


@pytest.mark.parametrize(
    ("width", "term"),
    [
        (100, "  m=0  n=0  V'[0,0] = 0.3333333333  is V[0,0]      * K[0,0] = 0.1428571429  = 0.04761904762"),
        (80, "  m=0  n=0  V'[0,0] = 0.333333  is V[0,0]      * K[0,0] = 0.142857  = 0.047619"),
        (70, "  V'[0,0] = 0.333333  is V[0,0]      * K[0,0] = 0.142857  = 0.047619"),
        (65, "  V'[0,0] = 0.3333  is V[0,0]      * K[0,0] = 0.1429  = 0.04762"),
    ],
)
def test_terms_fit_a_terminal(tmp_path, width, term):
    V, kernel = [[1 / 3]], [[1 / 7, 1]]
    words = ("explain", json.dumps(V), "-k", json.dumps(kernel), "--at", "0,0")
    _, out, _ = terminal(*words, cwd=tmp_path, size=(24, width), NO_COLOR="1")
    lines = out.splitlines()
    assert term in lines
    notes = [line for line in lines if line.startswith("  (rounded to ")]
    digits = 4 if width == 65 else 6
    assert notes == [f"  (rounded to {digits} digits to fit the screen; --json shows all)"] * (width < 100)
    assert lines[-1].startswith("Z[0,0] = 0.04761904762")


def test_a_reader_can_stop_early(tmp_path):
    """Lines are printed one by one: this sum has 40 MB of them."""
    np.save(tmp_path / "in.npy", np.zeros((500, 500), np.uint8))
    for form in ("", "--json"):
        words = f"convcli explain in.npy -k box --of bias --all {form} | head -c 200"
        assert len(shell(words, tmp_path).out) == 200


def test_json_sums_to_the_number_of_the_library(tmp_path):
    folder = with_samples(tmp_path)
    V = pixels(SAMPLES / "camera.png").astype(float)[None]
    G = np.random.default_rng(1).standard_normal(V.shape)
    sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    dK = conv2d_grad(V, sobel, G, padding="same", edge="replicate", wrt="kernel").kernel
    found = json.loads(explained(*LONG, "--json", cwd=folder))
    assert np.isclose(found["sum"], dK[0, 2], rtol=1e-12)
    assert (len(found["terms"]), found["omitted"]) == (12, 512 * 512 - 12)
    shown = [term["product"] for term in found["terms"]]
    assert np.isclose(sum(shown) + found["omitted_sum"], found["sum"], rtol=1e-12)
    products = np.abs(G * np.pad(V[0], 1, mode="edge")[:-2, 2:])
    assert np.isclose(found["share"], np.abs(shown).sum() / products.sum(), rtol=1e-9)
    every = json.loads(explained(*LONG, "-s", "40", "--json", "--all", cwd=folder))
    assert len(every["terms"]) == 13 * 13
    assert np.isclose(sum(term["product"] for term in every["terms"]), every["sum"], rtol=1e-12)


def test_a_layer_without_shared_weights(tmp_path):
    V, K = np.arange(12.0).reshape(1, 3, 4), np.random.default_rng(0).integers(-5, 5, (2, 2, 3, 1, 2, 2)).astype(float)
    np.save(tmp_path / "tiled.npy", K)
    found = json.loads(explained("-", "-k", "tiled.npy", "--at", "1,2,3", "--json", cwd=tmp_path, stdin=npy(V)))
    assert found["sum"] == conv2d(V, K, padding="same")[1, 2, 3]
    assert found["equation"] == "Z[1,2,3] = sum over m,n of V'[2 + m, 3 + n] * K[1,0,0,m,n]"
    assert found["terms"][0]["K"]["at"] == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--at", "0,2,0"], f"--at: {EXPECTED}, given 0,2,0"),
        ([], f"--at: {EXPECTED}, given nothing"),
        (["--of", "kernel", "-G", "at:0,2"], f"--upstream: {EXPECTED}, given 0,2"),
        (["--of", "loss"], "--of: expected Z, dK, dV, db, output, kernel, input or bias, given 'loss'"),
        (["--of", "bias", "--at", "0"], "--at: db has shape (): expected nothing, given 0"),
        (["--at", "a"], "--at: expected integers as in I,J,K, given 'a'"),
    ],
)
def test_wrong_indices(tmp_path, arguments, message):
    result = convcli("explain", SMALL, "-k", K, *arguments, cwd=tmp_path)
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_json_cannot_hold_nan(tmp_path):
    result = convcli("explain", "-", "-k", K, "--at", "0,0", "--json", cwd=tmp_path, stdin=npy(np.full((2, 2), np.nan)))
    message = "the sum holds NaN or infinity, which JSON cannot hold: print it without --json"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_a_walk_is_printed_and_drawn(tmp_path):
    words = [SMALL, "-k", K, "-p", "valid", "--walk"]
    assert explained(*words, cwd=tmp_path).splitlines()[3:] == [
        "step 1 of 1: Z[0,0]",
        "V       * K         = products  -> sum  -> Z",
        "[1][2]      1  -2       1  -4       1      [1]",
        "[3][4]      0   1       0   4",
        "Z[0,0] = 1 - 4 + 0 + 4 = 1",
    ]
    for name, start in (("walk.gif", b"GIF89a"), ("walk.svg", b"<svg "), ("walk.txt", b"Z[j,k] = ")):
        result = convcli("explain", *words, "-o", name, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
        assert (tmp_path / name).read_bytes().startswith(start)


def test_equations_are_written_to_files(tmp_path):
    words = [SMALL, "-k", K, "--at", "0,1"]
    for name, format in (("sum.tex", "latex"), ("sum.md", "markdown"), ("sum.txt", "text"), ("sum.json", "json")):
        assert explained(*words, "-f", format, cwd=tmp_path) == explained(*words, "-f", format, "-o", "-", cwd=tmp_path)
        assert convcli("explain", *words, "-o", name, cwd=tmp_path).code == 0
        assert (tmp_path / name).read_text() == explained(*words, "-f", format, cwd=tmp_path)
    result = convcli("explain", *words, "-f", "latex", "-o", "sum.md", cwd=tmp_path)
    assert result.err == (
        "convcli: error: --output: expected a name that ends in .tex, as the format is latex, given 'sum.md'\n"
    )


def test_the_walk_around_a_number_of_a_photograph(tmp_path):
    words = ["sample_images/camera.png", "-k", "sobel-x", "--walk", "--at", "100,200", "--steps", "1"]
    lines = explained(*words, cwd=with_samples(tmp_path)).splitlines()
    assert lines[1].startswith("V is 512 x 512 pixels: this is the crop of rows 96 to 103 and columns 196 to")
    assert "step 1 of 64: Z[0,0]" in lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--walk", "--json"], "a walk is text, gif or svg: expected one of them, or no --walk, given json"),
        (
            ["-f", "svg", "--largest", "2"],
            "--largest and --all are for the terms of one sum, and a walk shows all: give neither",
        ),
        (["--steps", "1"], "--steps is for a walk: add --walk"),
        (["--walk", "--steps", "0"], "--steps: expected N, N-M, N- or -M with steps from 1 to 4, given '0'"),
    ],
)
def test_what_does_not_go_with_a_walk_is_refused(tmp_path, words, message):
    result = convcli("explain", SMALL, "-k", K, *words, cwd=tmp_path)
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")
