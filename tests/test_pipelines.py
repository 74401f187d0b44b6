"""The pipelines of docs/pipelines.md run, and print what they are said to print."""

import csv
import io
import json
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from support.command_line import ENVIRONMENT, SAMPLES, shell
from support.pages import page

from convcli import conv2d_grad, conv2d_plan, preset
from convcli.engine import Estimate

pytestmark = pytest.mark.slow

SECTION = page("docs/pipelines.md")
PIPELINES = dict(re.findall(r"^([A-Z][^\n]*):\n\n```sh\n(.*?)```", SECTION, re.DOTALL | re.MULTILINE))
V, K = (np.random.default_rng(0).integers(-9, 10, shape).astype(float) for shape in ((3, 8, 9), (4, 3, 3, 3)))
G = np.random.default_rng(1).standard_normal((4, 8, 9))


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the pipeline whose description begins so, and returns its exit code and stdout."""
    np.save(tmp_path / "V.npy", V)
    np.save(tmp_path / "K.npy", K)
    np.save(tmp_path / "theirs.npy", conv2d_grad(V, K, G, padding="same", flip=True).kernel)
    (tmp_path / "photos").mkdir()
    with PIL.Image.open(SAMPLES / "coffee.png") as photo:
        for size in (30, 60):
            photo.resize((size, size)).save(tmp_path / "photos" / f"{size}.png")

    def pipeline(beginning):
        (script,) = [script for text, script in PIPELINES.items() if text.startswith(beginning)]
        for tool in ("jq", "duckdb"):
            if re.search(rf"\b{tool} ", script) and not shutil.which(tool, path=ENVIRONMENT["PATH"]):
                pytest.skip(f"{tool} is not installed")
        result = shell(script, tmp_path)
        assert result.err == ""
        return result.code, result.out.decode()

    return pipeline


def test_the_sum_of_each_preset(run):
    code, out = run("The sum of the weights")
    sums = dict(line.split("\t") for line in out.splitlines())
    assert (code, len(sums) > 25) == (0, True)
    for name, total in sums.items():
        assert float(total) == pytest.approx(preset(name).weights.sum(), abs=1e-9)


def test_the_largest_entry_of_each_channel(run):
    dK = conv2d_grad(V, K, G, padding="same", wrt="dK").kernel.reshape(4, -1)
    largest = dK[np.arange(4), np.abs(dK).argmax(axis=1)].tolist()
    code, out = run("The largest entry")
    assert (code, json.loads(out)) == (0, largest)


def test_the_weights_that_depend_on_the_fill(run):
    code, out = run("The five weights")
    zero, wrap = (conv2d_grad(V, K, G, padding="same", edge=edge, wrt="dK").kernel for edge in ("zero", "wrap"))
    order = np.argsort(-np.abs(zero - wrap), axis=None)[:5]
    places = list(zip(*np.unravel_index(order, K.shape), strict=True))
    expected = [[*map(str, place), repr(float(zero[place])), repr(float(wrap[place]))] for place in places]
    assert (code, list(csv.reader(io.StringIO(out)))) == (0, [["i", "l", "m", "n", "zero", "wrap"], *expected])


def test_a_wrong_gradient_fails_and_is_named(run):
    assert run("A step of continuous integration") == (
        1,
        "::error::kernel: is that of the flipped kernel, add --flip\n",
    )


def test_the_fastest_algorithms(run):
    code, out = run("The algorithms that can")
    choice = conv2d_plan("3,224,224", K, padding="same").output.first
    others = {name: each for name, each in choice.others.items() if isinstance(each, Estimate)}
    able = {choice.algorithm: choice.estimate, **others}
    fastest = sorted(able, key=lambda name: able[name].seconds)
    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (0, fastest)


def test_the_pictures_that_were_clipped(run):
    code, out = run("The pictures of a folder")
    head, *rows = csv.reader(io.StringIO(out))
    assert (code, head) == (0, ["output", "clipped"])
    assert sorted(name for name, _ in rows) == ["sharp/30.png", "sharp/60.png"]
    assert int(rows[0][1]) >= int(rows[1][1]) > 0


def test_every_pipeline_is_tested():
    assert len(PIPELINES) == SECTION.count("```sh") == 6
