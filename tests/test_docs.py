"""The commands in the documentation print what the pages show, and the names in them exist."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer.main
from support.command_line import pixels, run_line, shell, with_samples
from support.pages import ROOT, codes, page, table
from typer.testing import CliRunner

import convcli
from convcli import load_kernel
from convcli.apply.appearance import ALPHA
from convcli.apply.combining import COMBINE_RULES
from convcli.apply.pixels import MODES
from convcli.cli.app import app
from convcli.engine import CONVOLUTIONS
from convcli.geometry.fills import FILLS
from convcli.geometry.options import PADDING_RULES

DOCS = ROOT / "docs"
MATHEMATICS = page("docs/mathematics.md")
COLOURS = page("docs/colours.md")
PHOTOGRAPHS = page("docs/photographs.md")
LEARNING = page("docs/learning.md")
COLOUR_COMMANDS = re.findall(r"^convcli .*", COLOURS, re.MULTILINE)
BATCHES = page("docs/batches.md")
BATCH_COMMANDS = [
    line for line in re.search(r"```sh\n(.*?)```", BATCHES, re.DOTALL)[1].splitlines() if not line.startswith("jq")
]
EXECUTION = page("docs/execution.md")
RELIABILITY = [page("docs/reliability.md"), page("docs/bad-input.md")]
PYTHON = page("docs/python.md")
SESSIONS = dict(re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", MATHEMATICS, re.DOTALL | re.MULTILINE))


def test_there_are_sessions():
    """Also in each answer to an exercise, so that the tests compute it."""
    assert len(SESSIONS) >= 30
    answers = re.findall(
        r"^<details><summary>Answer</summary>\n(.*?)^</details>$", MATHEMATICS, re.DOTALL | re.MULTILINE
    )
    assert len(answers) == MATHEMATICS.count("**Try it.**") >= 10
    assert [answer for answer in answers if "```console" not in answer and "the book" not in answer] == []


@pytest.mark.parametrize("command", SESSIONS)
def test_sessions_print_what_the_page_shows(command):
    program, *arguments = shlex.split(command)
    result = CliRunner().invoke(app, arguments)
    assert (program, result.stderr) == ("convcli", "")
    assert comparable(result.stdout) == comparable(SESSIONS[command])


def comparable(text):
    """Return the lines with one word for numbers that are only rounding, and without aligning spaces."""
    return [re.sub(r"\b(0|[\d.]+e-1\d)\b", "~0", " ".join(line.split())) for line in text.splitlines()]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(convcli(?:\.\w+)+)`", MATHEMATICS))))
def test_named_functions_exist(name):
    module, _, last = name.rpartition(".")
    assert hasattr(import_module(module), last) or import_module(name)


@pytest.mark.parametrize(
    ("edge", "sources"),
    [("replicate", [0, 0, 0, 1, 2, 2, 2]), ("wrap", [1, 2, 0, 1, 2, 0, 1]), ("reflect", [2, 1, 0, 1, 2, 1, 0])],
)
def test_the_table_of_fills(edge, sources):
    modes = {"replicate": "edge", "wrap": "wrap", "reflect": "reflect"}
    assert np.pad(np.arange(3), 2, mode=modes[edge]).tolist() == sources
    assert f"| `{edge}` | {' '.join(map(str, sources))} |" in MATHEMATICS


@pytest.mark.slow
def test_the_page_about_photographs_runs_and_shows_what_is_printed(tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```$", PHOTOGRAPHS, re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"^## \d+\. ", PHOTOGRAPHS, re.MULTILINE)) == len(blocks) - 1 == 10
    results = [run_line(line, tmp_path) for block in blocks for line in block.splitlines()]
    assert {result.code for result in results} == {0}
    printed = "".join(result.err + result.result for result in results)
    shown = re.findall(r"^    (convcli: .*\n)", PHOTOGRAPHS, re.MULTILINE)
    assert len(shown) >= 2
    assert [line for line in shown if line not in printed] == []


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    folder = with_samples(tmp_path_factory.mktemp("colours"))
    return folder, {command: run_line(command, folder) for command in COLOUR_COMMANDS}


def test_there_are_commands_for_every_option_of_colours():
    options = {"--alpha", "--linear", "--gray", "--combine", "--range"}
    assert options <= set(" ".join(COLOUR_COMMANDS).split())


@pytest.mark.parametrize("command", COLOUR_COMMANDS)
def test_commands_for_colours_make_pictures(colours, command):
    folder, results = colours
    assert results[command].code == 0, results[command].err
    name = command.rpartition(" ")[2].strip("'").format(stem="astronaut", kernel="sobel-x+sobel-y")
    assert pixels(folder / name).dtype == np.uint8


@pytest.mark.parametrize("picture", re.findall(r"\]\((pictures/.*?)\)", COLOURS))
def test_pictures_of_colours_exist_and_are_small(picture):
    assert (DOCS / picture).stat().st_size < 100_000


@pytest.mark.slow
@pytest.mark.parametrize("command", BATCH_COMMANDS)
def test_commands_for_batches(tmp_path, command):
    (tmp_path / "photos" / "july").mkdir(parents=True)
    (tmp_path / "anims").mkdir()
    (tmp_path / "last").touch()
    frames = [PIL.Image.fromarray(np.full((30, 40, 3), shade, np.uint8)) for shade in (50, 90)]
    for name in ("photos/a.jpg", "photos/july/b.jpg"):
        frames[0].save(tmp_path / name)
    for name in ("scan.tif", "anims/wave.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    before = sorted(tmp_path.rglob("*.*"))
    result = shell(command, tmp_path)
    assert result.code == 0, result.err
    assert (sorted(tmp_path.rglob("*.*")) == before) == ("--dry-run" in command)


def commands_of(name):
    """Return the lines of a page's shell blocks that start with convcli."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page(f"docs/{name}.md"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("convcli ")]


@pytest.mark.slow
def test_commands_for_arrays_larger_than_memory(tmp_path):
    """With small arrays, and without the commands that need a scheduler or photographs."""
    rng = np.random.default_rng(0)
    for name in ("huge", "G", "target"):
        np.save(tmp_path / f"{name}.npy", rng.random((30, 40), np.float32))
    (tmp_path / "bank.json").write_text("[[1, 2, 3], [4, 5, 6], [7, 8, 9]]")
    commands = [line for line in commands_of("scaling") if not re.search("tcp:|file:|photos", line)]
    assert len(commands) == 6
    assert [run_line(f"{line} --overwrite", tmp_path).code for line in commands if "#" not in line] == [0, 0, 0]
    assert [shell(line.replace("#", "--overwrite #"), tmp_path).code for line in commands if "#" in line] == [0, 0, 0]


@pytest.mark.slow
def test_the_page_about_the_command_line_runs(tmp_path):
    blocks = re.findall(r"^```sh\n(convcli (?!--).*?)^```$", page("docs/command-line.md"), re.DOTALL | re.MULTILINE)
    commands = "".join(blocks).splitlines()
    assert {line.split()[1] for line in commands} == set(typer.main.get_command(app).commands) - {"help"}
    for command in commands:
        assert shell(command, tmp_path).code == 0, command


@pytest.mark.slow
def test_commands_for_checking_a_layer(tmp_path):
    rng = np.random.default_rng(0)
    x, w, b, dout = (rng.integers(-9, 10, shape).astype(float) for shape in ((2, 8, 9), (3, 2, 3, 3), 3, (3, 4, 5)))
    names = {"x": x, "w": w, "b": b, "dout": dout, "z": convcli.conv2d(x, w, b, stride=2, padding=1)}
    gradients = convcli.conv2d_grad(x, w, dout, bias=b, stride=2, padding=1)
    names |= {"dw": gradients.kernel, "dx": gradients.input, "db": gradients.bias}
    for name, array in names.items():
        np.save(tmp_path / f"{name}.npy", array)
    results = [run_line(line, tmp_path) for line in commands_of("checking")]
    assert [result.code for result in results] == [0, 0, 1, 0, 0]
    (verdict,) = re.findall(r"^    (your .*)$", page("docs/checking.md"), re.MULTILINE)
    assert results[2].out.decode().splitlines()[-1] == verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("copy", "steps", "least"), [("blurred.png", 5, 276_000), ("blurred.npy", 5, 92_000)], ids=["picture", "array"]
)
def test_a_kernel_is_learned(tmp_path, copy, steps, least):
    """The script of the page, with fewer steps, and also with a copy that was not rounded."""
    (script,) = re.findall(r"^```sh\n(.*?)^```$", LEARNING, re.DOTALL | re.MULTILINE)
    result = shell(script.replace("seq 20", f"seq {steps}").replace("blurred.png", copy), with_samples(tmp_path))
    assert result.code == 0
    losses = [float(line.removeprefix("convcli: loss: J = ")) for line in result.err.splitlines()]
    shown = [float(number) for number in re.findall(r"loss: J = (\S+)", LEARNING)]
    assert len(losses) == steps
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < least
    if copy.endswith("png"):
        assert np.allclose(losses, shown, rtol=1e-9)
    learned, blur = load_kernel(tmp_path / "learned.json"), load_kernel("binomial:5")
    assert np.abs(learned.weights - blur.weights).max() < 0.02


TESTS_NAMED = sorted(set(re.findall(r"`tests/([\w/]+\.py)::(\w+)`", "".join(RELIABILITY))))


@pytest.mark.parametrize(("file", "name"), TESTS_NAMED)
def test_named_tests_exist(file, name):
    assert re.search(rf"^(def|class) {name}\b", (Path(__file__).parent / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("text", RELIABILITY, ids=["reliability", "bad-input"])
def test_every_row_of_reliability_has_a_footnote_that_names_a_test(text):
    heads = ("| ---", "| what is given |", "| what happens |", "| what differs |")
    rows = [row for row in text.splitlines() if row.startswith("| ") and not row.startswith(heads)]
    labels = [re.findall(r"\[\^([\w-]+)\] \|$", row) for row in rows]
    notes = re.findall(r"^\[\^([\w-]+)\]: `tests/", text, re.MULTILINE)
    assert [row for row, found in zip(rows, labels, strict=True) if len(found) != 1] == []
    assert sorted(label for found in labels for label in found) == sorted(notes)


def test_the_page_about_conformance_names_every_file_of_comparisons():
    named = [codes(cells[-1]) for cells in table(page("docs/conformance.md"))]
    assert sorted(named) == sorted([path.name] for path in (ROOT / "tests/conformance").glob("test_*.py"))


CHOICES = {
    "--padding": PADDING_RULES,
    "--edge": FILLS,
    "--alpha": ALPHA,
    "--combine": COMBINE_RULES,
    "--range": (*MODES, "raw"),
}


@pytest.mark.parametrize("option", CHOICES)
def test_the_help_lists_every_choice(option):
    helps = {parameter.help for parameter in all_options() if option in parameter.opts}
    assert helps
    for text in helps:
        assert [each for each in CHOICES[option] if not re.search(rf"\b{re.escape(each)}\b", text)] == []


def test_help_of_conv2d_lists_every_padding_and_fill():
    listed = re.findall(r"``(.*?)``", convcli.conv2d.__doc__)
    assert [name for name in (*PADDING_RULES, *FILLS) if name not in listed] == []


def test_pages_describe_every_algorithm_and_fill():
    assert [name for name in CONVOLUTIONS if f"\n| `{name}` |" not in EXECUTION] == []
    assert [fill for fill in FILLS if not re.search(rf"^\| .*`{fill}`.* \|$", MATHEMATICS, re.MULTILINE)] == []


def test_the_page_about_python_runs():
    rng = np.random.default_rng(0)
    names = {"V": rng.random((3, 16, 14)), "G": rng.random((3, 8, 14))}
    for block in re.findall(r"^```python\n(.*?)^```$", PYTHON, re.DOTALL | re.MULTILINE):
        exec(block, names)
    assert names["gradients"].kernel.shape == names["kernel"].weights.shape
    assert names["Z"].shape == (3, 8, 7)


def test_the_page_about_python_names_every_public_function():
    functions = {name for name in convcli.__all__ if name.islower() and not name.startswith("_")}
    assert functions == functions & set(re.findall(r"\w+", PYTHON))


def all_options():
    """Yield every option of every command."""
    group = typer.main.get_command(app)
    for command in group.commands.values():
        yield from (parameter for parameter in command.params if parameter.param_type_name == "option")
