"""The default edge fill: replicate for a picture, zero for an array, in every command."""

import json

import numpy as np
import pytest
from support.command_line import convcli, save_picture, succeed

from convcli import conv2d, filter_image

V = np.array([[[200, 10, 70], [30, 90, 250], [110, 60, 140]]], np.uint8)
K = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, -1.0], [5.0, 0.0, 4.0]])
KERNEL = json.dumps(K.tolist())


def as_json(*arguments, **extra):
    return json.loads(succeed(*arguments, "--json", **extra))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the same pixels as a picture and as an array."""
    save_picture(tmp_path / "in.png", V)
    np.save(tmp_path / "in.npy", V)
    return tmp_path


@pytest.mark.parametrize(("image", "edge"), [("in.png", "replicate"), ("in.npy", "zero")])
def test_every_command_computes_the_same_numbers(folder, image, edge):
    Z = conv2d(V, K, padding="same", edge=edge)
    applied = as_json("apply", image, "-k", KERNEL, "-f", "npy", "-o", "Z.npy", cwd=folder)
    assert np.array_equal(np.load(folder / "Z.npy"), Z)
    explained = as_json("explain", image, "-k", KERNEL, "--at", "0,0", cwd=folder)
    assert explained["sum"] == Z[0, 0, 0]
    G = json.dumps(np.eye(3)[np.newaxis].tolist())
    graded = as_json("grad", image, "-k", KERNEL, "-G", G, "--wrt", "dK", cwd=folder)
    checked = as_json("check", image, "-k", KERNEL, "--output-map", "Z.npy", cwd=folder)
    assert checked["holds"]
    found = [applied, explained, graded, checked]
    found += [as_json(command, image, "-k", KERNEL, cwd=folder) for command in ("check", "plan")]
    assert [each["edge"] for each in found] == [edge] * 6


def test_the_content_decides_for_stdin(folder):
    data = (folder / "in.png").read_bytes()
    assert as_json("explain", "-", "-k", KERNEL, "--at", "0,0", cwd=folder, stdin=data)["edge"] == "replicate"
    data = (folder / "in.npy").read_bytes()
    assert as_json("explain", "-", "-k", KERNEL, "--at", "0,0", cwd=folder, stdin=data)["edge"] == "zero"


def test_formulas_and_the_matrix_have_zeros(folder):
    assert as_json("explain", "[[1,2],[3,4]]", "-k", "box", "--at", "0,0", cwd=folder)["edge"] == "zero"
    assert as_json("plan", "--input-shape", "3,3", "-k", "box", cwd=folder)["edge"] == "zero"
    assert as_json("matrix", "in.png", "-k", "box", cwd=folder)["edge"] == "zero"


def test_a_batch_of_apply_fills_each_image_as_its_source_needs(folder):
    np.save(folder / "array.npy", V)
    out = succeed("apply", "in.png", "array.npy", "-k", KERNEL, "-o", "{stem}-Z.npy", "--json", cwd=folder)
    assert [json.loads(line)["edge"] for line in out.splitlines()] == ["replicate", "zero"]


def test_a_batch_of_grad_has_one_fill(folder):
    result = convcli("grad", "in.png", "in.npy", "-k", KERNEL, cwd=folder)
    assert result.code == 2
    assert result.err == (
        "convcli: error: --edge: a batch of pictures and arrays has no default fill (replicate for pictures, zero for "
        "arrays): give one\n"
    )
    assert as_json("grad", "in.png", "in.npy", "-k", KERNEL, "-e", "wrap", cwd=folder)["edge"] == "wrap"


def test_a_flag_overrides_the_default(folder):
    assert as_json("explain", "in.png", "-k", KERNEL, "--at", "0,0,0", "-e", "zero", cwd=folder)["edge"] == "zero"


@pytest.mark.parametrize("command", ["apply", "grad", "explain", "check", "matrix"])
def test_v_names_the_fill(folder, command):
    more = {"apply": ["-o", "out.png"], "explain": ["--at", "0,0,0"]}.get(command, [])
    result = convcli(command, "in.png", "-k", "box", *more, "-v", cwd=folder)
    assert result.code == 0
    assert f"filled with {'zero' if command == 'matrix' else 'replicate'}" in result.err


def test_check_names_the_zeros_of_another_program(folder):
    np.save(folder / "Z.npy", conv2d(V, K, padding="same"))
    result = convcli("check", "in.png", "-k", KERNEL, "--output-map", "Z.npy", cwd=folder)
    assert result.code == 1
    assert b"your Z was made with the edge fill zero: add --edge zero\n" in result.out


def test_from_python_a_picture_has_no_dark_border(folder):
    same = filter_image(folder / "in.png", K, range="raw", format="npy").maps.values
    assert np.array_equal(same, conv2d(V, K, padding="same", edge="replicate"))
