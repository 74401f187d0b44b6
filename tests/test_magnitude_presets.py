"""Presets that are the magnitude of two kernels: sobel and its siblings, and edges."""

import numpy as np
import pytest
from support.command_line import SAMPLES, convcli, pixels, succeed

from convcli import KernelError, conv2d, load_kernel
from convcli.kernels.magnitudes import MAGNITUDES, magnitude_of

V = pixels(SAMPLES / "coffee.png").astype(float)


def magnitude(V, name):
    maps = (conv2d(V, load_kernel(f"{name}-{axis}"), padding="same", edge="replicate") for axis in "xy")
    return np.hypot(*maps)


GAINS = {"Sobel": 1, "prewitt": 8 / 6, "scharr": 1 / 4, "roberts": 4, "frei-chen": 8 / (4 + 2 * np.sqrt(2))}


@pytest.mark.parametrize(("name", "gain"), GAINS.items())
def test_it_is_the_magnitude_of_both_components(tmp_path, name, gain):
    succeed("apply", SAMPLES / "coffee.png", "-k", name, "-q", "-o", "out.png", cwd=tmp_path)
    expected = np.clip(magnitude(V, name.lower()) * gain, 0, 255)
    assert np.abs(pixels(tmp_path / "out.png") - expected).max() <= 0.501


def test_both_kernels_get_the_parameters(tmp_path):
    succeed("apply", SAMPLES / "coffee.png", "-k", "Sobel:5", "-q", cwd=tmp_path)
    pair = magnitude_of("sobel:5").kernels
    maps = [conv2d(V, load_kernel(name), padding="same", edge="replicate") for name in pair]
    assert pair == ("sobel-x:5", "sobel-y:5")
    gain = 8 / np.abs(load_kernel("sobel-x:5").weights).sum()
    expected = np.clip(np.hypot(*maps) * gain, 0, 255)
    assert np.abs(pixels(tmp_path / "coffee.Sobel-5.png") - expected).max() <= 0.501


def test_parameters_that_the_kernels_do_not_have_are_refused(tmp_path):
    result = convcli("apply", "sample:coffee", "-k", "prewitt:5", cwd=tmp_path)
    line = "convcli: error: prewitt-x: expected at most 0 parameters, given 1; usage: prewitt-x\n"
    assert (result.code, result.err) == (2, line)


def test_edges_are_white_lines_on_black(tmp_path):
    succeed("apply", SAMPLES / "coffee.png", "-k", "edges", "-q", cwd=tmp_path)
    gray = np.einsum("cyx,c->yx", V, (0.299, 0.587, 0.114))
    found = pixels(tmp_path / "coffee.edges.png")
    assert found.shape == gray.shape
    assert np.abs(found - np.clip(magnitude(gray, "sobel"), 0, 255)).max() <= 0.501
    assert np.median(found) < 40
    assert np.percentile(found, 99) > 200


@pytest.mark.parametrize("name", MAGNITUDES)
def test_it_is_no_single_kernel(name):
    message = f"^{name} is no single kernel: in apply it stands for `kernel` .*-x `kernel` .*-y `combine` magnitude"
    with pytest.raises(KernelError, match=message):
        load_kernel(name)


@pytest.mark.parametrize("command", ["grad", "explain", "check", "matrix", "plan", "kernels"])
def test_other_commands_say_what_it_stands_for(tmp_path, command):
    arguments = ["edges"] if command == "kernels" else ["[[1,2],[3,4]]", "-k", "edges"]
    result = convcli(command, *arguments, cwd=tmp_path)
    line = (
        "edges is no single kernel: in apply it stands for --kernel sobel-x --kernel sobel-y --combine magnitude --gray"
    )
    assert (result.code, result.err) == (2, f"convcli: error: {line}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-k", "sobel", "-k", "box", "--combine", "max"],
            "sobel is a combination already, of two kernels: expected no",
        ),
        (["-k", "edges", "-k", "box"], "edges is of the gray picture, and other kernels are not: add --gray, or apply"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, arguments, message):
    result = convcli("apply", "[[1,2],[3,4]]", *arguments, cwd=tmp_path)
    assert result.code == 2
    assert result.err.startswith(f"convcli: error: {message}")
