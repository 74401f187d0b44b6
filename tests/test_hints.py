"""Advice on command lines that other programs understand in another way, and on weights that brighten an image."""

import numpy as np
import pytest
from support.command_line import convcli, save_picture, shell

from convcli import filter_image


@pytest.fixture
def folder(tmp_path):
    save_picture(tmp_path / "in.png", np.full((1, 4, 4), 200, np.uint8))
    return tmp_path


def test_the_last_file_is_not_the_output(folder):
    result = convcli("apply", "in.png", "-k", "box", "out.png", cwd=folder)
    assert (result.code, result.err.splitlines()) == (
        1,
        [
            "convcli: help: out.png is taken for an image to read: to write it, use --output out.png",
            "convcli: error: cannot read out.png: No such file or directory",
        ],
    )


@pytest.mark.parametrize("names", [["in.png", "absent"], ["absent.png"], ["in.png", "*.gif"], ["absent.png", "in.png"]])
def test_other_missing_files_get_no_advice(names, folder):
    assert "help" not in convcli("apply", *names, "-k", "box", cwd=folder).err
    assert "help" not in convcli("apply", *names, "-k", "box", "-o", "new/", cwd=folder).err


def test_a_redirected_stdout_gets_nothing(folder):
    advice = "convcli: help: the output does not go to stdout: for that, use --output -\n"
    script = "convcli apply in.png -k box > a.png; convcli apply in.png -k blur -o - > b.png"
    result = shell(f"{script}; convcli apply in.png -k box:5 > log 2>&1; grep -c help log", folder)
    assert (result.err, result.out) == (advice, b"0\n")
    assert [(folder / name).stat().st_size > 0 for name in ("a.png", "b.png")] == [False, True]


def test_a_failure_gets_no_advice_on_stdout(folder):
    result = shell("convcli apply absent.png -k box > a.png", folder)
    assert result.err == "convcli: error: cannot read absent.png: No such file or directory\n"


def test_weights_that_brighten_an_image(folder):
    arguments = ("apply", "in.png", "-k", "[[1,2],[3,4]]", "-o", "-", "-f", "png")
    advice = "the weights of inline add up to 10, which makes the image so many times brighter: "
    assert (
        f"convcli: warning: -: {advice}--normalize divides them by their sum\n" in convcli(*arguments, cwd=folder).err
    )
    assert convcli(*arguments, "--normalize", cwd=folder).err == ""


@pytest.mark.parametrize(
    "kernel", ["sharpen", "sobel-x", [[0.5, 0.5]], [[[[1.0]]], [[[2]]], [[[3]]]], [[3.0]], [[1, 1.0]]]
)
def test_other_weights_get_no_advice(kernel):
    """A bank's maps are no brighter image, a single weight is meant so, and a dark image is not clipped."""
    V = np.zeros((1, 6, 6), np.uint8)
    V[0, 3, 3] = 255 if kernel != [[1, 1.0]] else 80
    assert not any("add up" in warning for warning in filter_image(V, kernel).warnings)
