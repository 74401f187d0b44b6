"""``convcli kernels``: the presets as a table, and any kernel as a grid or as JSON for ``-k``."""

import io
import json
import os

import numpy as np
import PIL.Image
import pytest
from support.command_line import SAMPLES, convcli, npy, succeed, terminal

from convcli.cli.text.large_kernels import factors_of, weight_lines
from convcli.drawing.palette import signed_colours
from convcli.errors import OptionError
from convcli.files.source import Source
from convcli.kernels.catalogue import GROUPS, PRESETS
from convcli.kernels.kernel import Kernel, divided, normalised
from convcli.kernels.loading import read_kernel
from convcli.kernels.magnitudes import MAGNITUDES
from convcli.kernels.presets import preset

PARAMETERS = {
    "gaussian": "gaussian:2.3,4",
    "motion": "motion:9,30",
    "kirsch": "kirsch:sw",
    "gabor": "gabor:6,40,2,0.5,90",
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return the JSON that the program prints for each preset."""
    folder = tmp_path_factory.mktemp("kernels")
    return {name: convcli("kernels", PARAMETERS.get(name, name), "--json", cwd=folder) for name in PRESETS}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_json_that_reads_back(printed, name):
    result = printed[name]
    assert (result.code, result.err) == (0, "")
    kernel, expected = read_kernel(Source.of_bytes(result.out, "<stdin>")), preset(PARAMETERS.get(name, name))
    assert (kernel.name, kernel.bias, kernel.groups) == (expected.name, None, 1)
    assert np.array_equal(kernel.weights, expected.weights)


def test_the_list_has_the_use_and_the_summary_of_each_preset(tmp_path):
    """A use that is long has a line of its own; no line is longer than the screen."""
    text = succeed("kernels", cwd=tmp_path).decode()
    listed = " ".join(text.split())
    rows = [(each.usage, each.summary) for each in PRESETS.values()]
    rows += [(name, each.summary) for name, each in MAGNITUDES.items()]
    assert [usage for usage, summary in rows if f" {usage} {summary} " not in f"{listed} "] == []
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if line and line[0] != " "][3:] == ["Edges (only in apply)", *GROUPS]


def test_the_table_as_json(tmp_path):
    presets = [{"name": each.name, "parameters": each.parameters, "summary": each.summary} for each in PRESETS.values()]
    assert json.loads(succeed("kernels", "--json", cwd=tmp_path)) == {"convcli": 1, "presets": presets}


BANK_GRIDS = [
    *("[0, 0]", "-1 0 1", "-2 0 2", "-1 0 1"),
    *("[1, 0]", "-1 -2 -1", "0 0 0", "1 2 1"),
    *("[2, 0]", "0 1 0", "1 -4 1", "0 1 0"),
]


@pytest.mark.parametrize(
    ("source", "facts", "grid"),
    [
        ("sobel-x", "# sobel-x (3, 3) sum 0 rank 1 separable", ["-1, 0, 1", "-2, 0, 2", "-1, 0, 1"]),
        ("laplacian", "# laplacian (3, 3) sum 0 rank 2 not separable", ["0, 1, 0", "1, -4, 1", "0, 1, 0"]),
        ("0.1 0.2 -0.3", "# inline (1, 3) sum 0 rank 1 separable", ["0.1, 0.2, -0.3"]),
        ("[[1, 2, 3], [4, 5, 6.5]]", "# inline (2, 3) sum 21.5 rank 2 not separable", ["1, 2, 3", "4, 5, 6.5"]),
        (SAMPLES / "bank.json", "edges (3, 1, 3, 3) sum 0 rank 1..2 not separable", BANK_GRIDS),
    ],
    ids=["rank 1", "rank 2", "a sum of rounding", "inline", "bank"],
)
def test_a_kernel_is_shown_as_a_grid(tmp_path, source, facts, grid):
    lines = succeed("kernels", source, cwd=tmp_path).decode().splitlines()
    assert [" ".join(line.split()) for line in lines] == [facts, *grid]


def test_a_wide_kernel_is_not_wrapped(tmp_path):
    _, *rows = succeed("kernels", "gaussian:8", cwd=tmp_path).decode().splitlines()
    assert np.array_equal(np.array([row.split(",") for row in rows], float), preset("gaussian:8").weights)


def test_a_terminal_shows_a_large_separable_kernel_as_its_factors(tmp_path):
    code, out, _ = terminal("kernels", "gaussian:2", cwd=tmp_path, NO_COLOR="1")
    assert code == 0
    head, name, *numbers, note = out.splitlines()
    assert head == "gaussian:2  (17, 17)  sum 1  rank 1  separable"
    assert (name, note) == ("  column (17) = row", "  the kernel is the column times the row; --json shows all digits")
    column = np.array(" ".join(numbers).split(), float)
    assert np.abs(np.outer(column, column) - preset("gaussian:2").weights).max() < 5e-5
    assert max(map(len, out.splitlines())) < 80


def test_a_terminal_shows_other_large_kernels_in_whole_units(tmp_path):
    code, out, _ = terminal("kernels", "log:2", cwd=tmp_path, NO_COLOR="1")
    assert code == 0
    _, *rows, note = out.splitlines()
    assert note == "  each times 0.0002; --json shows all digits"
    assert np.abs(np.array([row.split() for row in rows], float) * 2e-4 - preset("log:2").weights).max() <= 1e-4 * 1.001


@pytest.mark.parametrize(
    "weights", [np.outer([1.0, 2, 3], [4.0, 5]), np.outer([1.0, 2], [-1.0, 0, 1]), np.zeros((2, 3))]
)
def test_factors_of_weights(weights):
    assert np.abs(np.outer(*factors_of(weights)) - weights).max() <= 1e-12


def test_weights_that_are_no_product_have_no_factors():
    assert factors_of(np.eye(2)) is None
    assert factors_of(np.outer([1.0, 2, 3], [4.0, 5]) + 1e-9 * np.eye(3, 2)) is None


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["  -20  40   .", "  -20 -70   .", "  each times 0.02; --json shows all digits"]),
        (12, ["  -2  4  .", "  -2 -7  .", "  each times 0.2; --json shows all digits"]),
        (8, ["  -2  .", "  means of 2 x 2 weights, each times 0.2; --json shows all digits"]),
    ],
)
def test_weights_in_units_fit_the_width(width, lines):
    plane = np.array([[-0.4, 0.8, 0.0], [-0.4, -1.4, 0.0]])
    assert [line.plain for line in weight_lines(plane, width)] == lines


def test_weights_from_stdin(tmp_path):
    out = succeed("kernels", "-", "--json", cwd=tmp_path, stdin=npy(np.array([[1, 2.5]])))
    assert json.loads(out) == {"convcli": 1, "name": "stdin", "weights": [[1, 2.5]]}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("gaussian:2 --json -o g.json", "g.json"),
        ("gaussian:2 -o G.JSON", "G.JSON"),
        ("gaussian:2 --json -o .", "gaussian-2.json"),
        ("gaussian:2 --json -o {kernel}", "gaussian-2"),
    ],
)
def test_a_kernel_is_saved_as_json(tmp_path, arguments, name):
    printed = succeed("kernels", "gaussian:2", "--json", cwd=tmp_path)
    assert succeed("kernels", *arguments.split(), cwd=tmp_path) == b""
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == printed


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(["box"], "box.txt"), ([], "presets.txt"), (["--json"], "presets.json")],
    ids=["kernel", "table", "table as JSON"],
)
def test_a_file_holds_what_would_be_printed(tmp_path, arguments, name):
    printed = succeed("kernels", *arguments, cwd=tmp_path)
    assert succeed("kernels", *arguments, "-o", ".", cwd=tmp_path) == b""
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == printed


def test_a_file_has_no_escapes(tmp_path):
    result = convcli("kernels", "laplacian", "-o", "a.txt", cwd=tmp_path, env={"FORCE_COLOR": "1"})
    assert (result.code, result.out) == (0, b"")
    assert b"\x1b" not in (tmp_path / "a.txt").read_bytes()


@pytest.mark.parametrize("name", ["g.json", "g.npy", "g.csv", "g.txt"])
def test_a_saved_kernel_reads_back_exactly(tmp_path, name):
    succeed("kernels", "Gaussian:sigma_y=1,sigma_x=2", "-o", name, cwd=tmp_path)
    read = read_kernel(Source.of_file(str(tmp_path / name)))
    np.testing.assert_array_equal(read.weights, preset("gaussian:sigma_y=1,sigma_x=2").weights)


def test_the_grids_of_a_large_bank_have_one_unit_and_their_indices():
    bank = np.zeros((2, 1, 2, 3))
    bank[0, 0, 1, 2], bank[1, 0, 0, 0] = -0.5, 8
    lines = [line.plain for line in weight_lines(bank, 80, ["[0, 0]", "[1, 0]"])]
    assert lines == [
        *("[0, 0]", "   .  .  .", "   .  . -5"),
        *("[1, 0]", "  80  .  .", "   .  .  ."),
        "  each times 0.1; --json shows all digits",
    ]
    *_, note = [line.plain for line in weight_lines(bank, 80, ["[0, 0]"])]
    assert note == "  1 of 2 planes, each times 0.1; --json shows all digits"


@pytest.mark.parametrize("name", ["k.csv", "k.txt"])
@pytest.mark.parametrize("weights", [[[2, 1], [3, 4]], [[2], [1]], [[5]], [[1e-300, -0.1, 1 / 3]]], ids=str)
def test_rows_that_other_readers_could_take_for_a_header_read_back(tmp_path, name, weights):
    succeed("kernels", json.dumps(weights), "-o", name, cwd=tmp_path)
    np.testing.assert_array_equal(read_kernel(Source.of_file(str(tmp_path / name))).weights, weights)


def test_what_a_pipe_gets_is_a_kernel(tmp_path):
    out = succeed("kernels", "gaussian:0.5", cwd=tmp_path)
    assert json.loads(succeed("kernels", "-", "--json", cwd=tmp_path, stdin=out))["weights"] == (
        preset("gaussian:0.5").weights.tolist()
    )


def test_text_in_a_file_holds_no_bank(tmp_path):
    result = convcli("kernels", "[[[[1, 2]]]]", "-o", "k.txt", cwd=tmp_path)
    message = "--format: text holds a 2-D kernel, given shape (1, 1, 1, 2): use json or npy"
    assert (result.code, result.err) == (2, f"convcli: error: {message}\n")
    assert os.listdir(tmp_path) == []


def test_a_heatmap_has_a_colour_for_each_weight(tmp_path):
    succeed("kernels", "sobel-x", "-o", "k.png", cwd=tmp_path)
    with PIL.Image.open(tmp_path / "k.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(100_000)}
    assert set(map(tuple, signed_colours(np.array([-2.0, -1, 0, 1, 2]), 2).tolist())) <= colours


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "box -o k.doc",
            "--output: expected a name that ends in .txt, .json, .npy, .csv or .png, or in / for a folder, given "
            "'k.doc': add an extension, or use --format",
        ),
        ("box --json -o k.png", "--output: expected a name that ends in .json, as the format is json, given 'k.png'"),
        (
            "-o k.csv",
            "--output: expected a name that ends in .txt or .json, or in / for a folder, given 'k.csv': add an "
            "extension, or use --format",
        ),
        ("pillow:emboss -o k.npy", "--format: npy holds weights only, and this kernel has a bias: use json"),
        ("bank.json -o k.csv", "--format: csv holds a 2-D kernel, given shape (3, 1, 3, 3): use json or npy"),
    ],
)
def test_files_that_cannot_hold_the_kernel_are_refused(tmp_path, arguments, message):
    (tmp_path / "bank.json").write_bytes((SAMPLES / "bank.json").read_bytes())
    result = convcli("kernels", *arguments.split(), cwd=tmp_path)
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")
    assert os.listdir(tmp_path) == ["bank.json"]


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ("--divisor 4", [[0.25, 0.5], [0.75, -1]]),
        ("--normalize", [[0.5, 1], [1.5, -2]]),
    ],
)
def test_weights_are_divided(tmp_path, options, weights):
    arguments = "apply [[1,2],[3,4]] -p valid -o - -f npy"
    out = succeed(*arguments.split(), "-k", "1 2; 3 -4", *options.split(), cwd=tmp_path)
    Z = np.load(io.BytesIO(out))
    np.testing.assert_array_equal(Z, [[np.sum(np.array(weights) * [[1, 2], [3, 4]])]])


def test_weights_that_sum_to_0_are_divided_by_their_magnitudes(tmp_path):
    arguments = "grad [[1]] -k laplacian --normalize --wrt input --json"
    out = succeed(*arguments.split(), cwd=tmp_path)
    assert json.loads(out)["gradients"]["input"]["values"] == [[-0.5]]


def test_a_bank_is_normalised_by_output_channel():
    bank = Kernel("bank", np.array([[[[1.0, 3]]], [[[2.0, -2]]]]))
    np.testing.assert_array_equal(normalised(bank).weights, [[[[0.25, 0.75]]], [[[0.5, -0.5]]]])


def test_factors_are_divided_with_the_weights():
    kernel = divided(preset("sobel-x"), 8)
    np.testing.assert_array_equal(kernel.weights, preset("sobel-x").weights / 8)
    np.testing.assert_array_equal(sum(np.outer(u, v) for u, v in kernel.factors), kernel.weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--divisor 0", "--divisor: expected weights that stay finite and are not all 0, given 0"),
        ("--divisor 2 --normalize", "--divisor and --normalize contradict each other: give one"),
        (
            "--normalize",
            "--normalize: expected weights that stay finite and are not all 0, given an output channel of zeros",
        ),
    ],
)
def test_weights_that_cannot_be_divided_are_refused(tmp_path, options, message):
    result = convcli("plan", "--input-shape", "1,4,4", "-k", "[[0, 0]]", *options.split(), cwd=tmp_path)
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


@pytest.mark.parametrize("divisor", [np.inf, 1e-308, 1e308])
def test_a_divisor_that_spoils_all_weights_is_refused(divisor):
    kernel = Kernel("k", np.array([[1e-308 if divisor > 1 else 1e308]]))
    with pytest.raises(OptionError, match=r"^divisor: expected weights that stay finite and are not all 0, given "):
        divided(kernel, divisor)


@pytest.mark.parametrize("weight", [1.7e308, 1.0, 1e-308, 5e-324])
def test_weights_of_any_size_are_normalised(weight):
    np.testing.assert_array_equal(normalised(Kernel("k", np.full((1, 2), weight))).weights, [[0.5, 0.5]])
    np.testing.assert_array_equal(normalised(Kernel("k", np.array([[weight, -weight]]))).weights, [[0.5, -0.5]])


def test_existing_files_are_kept(tmp_path):
    (tmp_path / "g.json").write_text("{}")
    result = convcli("kernels", "box", "--json", "-o", "g.json", cwd=tmp_path)
    message = "g.json exists: use --overwrite to replace it, or --output to write elsewhere"
    assert (result.code, result.out, result.err) == (1, b"", f"convcli: error: {message}\n")
    assert (tmp_path / "g.json").read_text() == "{}"
    succeed("kernels", "box", "--json", "-o", "g.json", "--overwrite", cwd=tmp_path)
    assert json.loads((tmp_path / "g.json").read_text())["name"] == "box"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [("-q", ""), ("", "convcli: wrote g.json, box 3x3\n")],
    ids=["quiet", "neither"],
)
def test_what_was_saved_is_said(tmp_path, arguments, told):
    result = convcli("kernels", "box", "-o", "g.json", *arguments.split(), cwd=tmp_path)
    assert (result.code, result.out, result.err, result.result) == (0, b"", "", told)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("sobelx", "sobel-x"), ("guassian:2", "gaussian"), ("Laplacien", "laplacian"), ("edge", "edges")],
)
def test_a_misspelt_name_gets_a_suggestion(tmp_path, name, nearest):
    result = convcli("kernels", name, cwd=tmp_path)
    given = name.partition(":")[0]
    assert (result.code, result.out) == (2, b"")
    assert result.err == (
        f"convcli: error: expected the name of a preset, given {given!r} "
        f"(`convcli kernels` lists all); did you mean {nearest}?\n"
    )
