"""``convcli plan``: what would be computed, from headers and shapes alone."""

import json

import numpy as np
import PIL.Image
import pytest
from support.command_line import SAMPLES, convcli, npy, save_picture, succeed

from convcli import conv2d, conv2d_grad
from convcli.engine import CONVOLUTIONS


def planned(*arguments, cwd, **extra):
    return json.loads(succeed("plan", *arguments, "--json", cwd=cwd, **extra))


def test_shapes_pads_and_cost(tmp_path):
    found = planned("--input-shape", "3,50,41", "-k", "gaussian:1,2", "-s", "3,2", "-e", "reflect", cwd=tmp_path)
    assert found["shape"] == {"input": [3, 50, 41], "kernel": [5, 5], "output": [3, 17, 21]}
    assert found["pads"] == {"top": 1, "bottom": 2, "left": 2, "right": 2}
    assert found["receptive_field"] == [5, 5]
    assert found["multiplications"] == 3 * 17 * 21 * 25
    assert found["gradients"] == {"kernel": [5, 5], "input": [3, 50, 41], "bias": []}
    assert (found["edge"], found["stride"], found["dtype"]) == ("reflect", [3, 2], "float32")
    assert found["plans"]["input"]["passes"] == 6


def test_untouched_rows_are_those_where_dV_is_zero(tmp_path):
    found = planned("--input-shape", "1,12,11", "-k", "box:2", "-s", "4,3", "-p", "1,0,0,0", cwd=tmp_path)
    V, K = np.ones((1, 12, 11)), np.ones((2, 2))
    options = {"stride": (4, 3), "padding": (1, 0, 0, 0)}
    dV = conv2d_grad(V, K, np.ones_like(conv2d(V, K, **options)), **options).input[0]
    assert found["untouched"] == {"rows": [[1, 2], [5, 6], [9, 11]], "columns": [[2, 2], [5, 5], [8, 8]]}
    for axis, name in ((1, "rows"), (0, "columns")):
        zero = np.flatnonzero(~dV.any(axis=axis)).tolist()
        assert zero == [n for first, last in found["untouched"][name] for n in range(first, last + 1)]


def test_windows_that_lie_in_the_padding(tmp_path):
    """No window reads the only column, so dV costs nothing."""
    found = planned("--input-shape", "1,1,1", "-k", "[[2]]", "-s", "1,2", "-p", "1", cwd=tmp_path)
    assert found["plans"].keys() == {"output", "kernel"}
    assert found["untouched"]["columns"] == [[0, 0]]


def test_the_time_of_gradients(tmp_path):
    """That of dV has two parts: the image, and the strips of pads that copy pixels."""
    arguments = ("--input-shape", "3,2000,2000", "-k", "disk:100", "-e", "replicate")
    plans = planned(*arguments, cwd=tmp_path)["plans"]
    assert {name: plan["algorithm"] for name, plan in plans.items()} == dict.fromkeys(plans, "fft")
    assert plans["kernel"]["total_seconds"] == plans["kernel"]["seconds"] > plans["output"]["seconds"]
    assert plans["input"]["total_seconds"] > plans["input"]["seconds"]
    text = succeed("plan", *arguments, cwd=tmp_path).decode()
    for name, plan in zip(("Z", "dK", "dV"), plans.values(), strict=True):
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} by"))
        seconds = plan["total_seconds"]
        assert line.endswith(f"; {seconds:.3g} s" if seconds >= 1 else f"; {seconds * 1e3:.3g} ms")


@pytest.mark.parametrize("algorithm", ["toeplitz", "im2col", "winograd", "direct"])
def test_a_requested_algorithm(tmp_path, algorithm):
    np.save(tmp_path / "bank.npy", np.random.default_rng(0).random((64, 32, 3, 3)))
    arguments = ("--input-shape", "64,70,70", "-k", "bank.npy", "-g", "2", "--algorithm", algorithm)
    plan = planned(*arguments, cwd=tmp_path)["plans"]["output"]
    assert (plan["algorithm"], plan["chosen_by"]) == (algorithm, "request")
    assert set(plan["others"]) == set(CONVOLUTIONS) - {algorithm}


def test_a_refused_algorithm_is_one_line_with_the_reason(tmp_path):
    result = convcli("plan", "--input-shape", "1,9,9", "-k", "box:3", "--algorithm", "winograd", cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("convcli: error: --algorithm: winograd cannot do this: ")
    assert result.err.endswith("; use auto\n")


def test_the_table_names_every_algorithm_and_has_no_escapes_in_a_pipe(tmp_path):
    text = succeed("plan", SAMPLES / "astronaut.png", "-k", "kirsch:n", cwd=tmp_path).decode()
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "Z                  (3, 512, 512), computed in float32\n" in text
    for name in CONVOLUTIONS:
        assert any(line.startswith(f"{name} ") for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(7, 5), (5, 7)], ids=str)
def test_headers_agree_with_decoded_images(tmp_path, size):
    rng = np.random.default_rng(0)
    files = {
        "rgb.png": rng.integers(0, 256, (3, *size), np.uint8),
        "gray.png": rng.integers(0, 256, (1, *size), np.uint8),
        "rgba.png": rng.integers(0, 256, (4, *size), np.uint8),
        "deep.png": rng.integers(0, 65536, (1, *size), np.uint16),
        "deep.pgm": rng.integers(0, 65536, (1, *size), np.uint16),
        "float.tif": rng.random((1, *size), np.float32),
    }
    for name, channels in files.items():
        save_picture(tmp_path / name, channels)
        found = planned(name, "-k", "identity", cwd=tmp_path)
        assert found["shape"]["input"] == [min(len(channels), 3), *size], name
        assert found["dtype"] == "float32"


def test_a_sideways_picture_is_upright_in_its_header(tmp_path):
    save_sideways(tmp_path / "phone.jpg")
    assert planned("phone.jpg", "-k", "identity", cwd=tmp_path)["shape"]["input"] == [3, 9, 6]
    assert planned("phone.jpg", "-k", "identity", "--gray", cwd=tmp_path)["shape"]["input"] == [1, 9, 6]


def save_sideways(path):
    exif = PIL.Image.Exif()
    exif[274] = 6
    save_picture(path, np.zeros((3, 6, 9), np.uint8), exif=exif.tobytes())


def test_arrays_and_stdin(tmp_path):
    data = npy(np.zeros((2, 8, 9)))
    found = planned("-", "-k", "box:3", cwd=tmp_path, stdin=data)
    assert (found["shape"]["input"], found["dtype"]) == ([2, 8, 9], "float64")
    assert planned("-", "-k", "box:3", "--dtype", "float32", cwd=tmp_path, stdin=data)["dtype"] == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected either an image or --input-shape"),
        (("x.png", "--input-shape", "3,4,5"), "expected either an image or --input-shape"),
        (
            ("--input-shape", "3"),
            "--input-shape: expected integers of at least 1 as H,W or C,H,W or N,C,H,W, given '3'",
        ),
        (
            ("--input-shape", "3,0,2"),
            "--input-shape: expected integers of at least 1 as H,W or C,H,W or N,C,H,W, given '3,0,2'",
        ),
        (("--input-shape", "3,a,2"), "--input-shape: expected H,W or C,H,W or N,C,H,W, given '3,a,2'"),
        (
            ("--input-shape", "3,9,9", "--memory", "lots"),
            "--memory: expected at least 64K bytes, as in 500K, 64M or 2G, given 'lots'",
        ),
        (("--input-shape", "3,9,9", "--memory", "1"), "--memory: expected at least 64K bytes, as in 500K, "),
        (("--input-shape", "3,9,9", "--threads", "0"), "--threads: expected an integer of at least 1, given 0"),
        (("--input-shape", "3,9,9", "--dtype", "half"), "--dtype: expected float32 or float64, given 'half'"),
        (("--input-shape", "3,9,9", "--algorithm", "best"), "--algorithm: expected auto, toeplitz, "),
    ],
)
def test_wrong_requests(tmp_path, arguments, message):
    result = convcli("plan", *arguments, "-k", "box:3", cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(f"convcli: error: {message}")
    assert result.err.count("\n") == 1


def test_memory_limits_the_workspace(tmp_path):
    arguments = ("--input-shape", "3,3000,4000", "-k", "box:3", "--memory")
    for memory, most in (("1M", 1 << 20), ("300k", 300 << 10), ("2G", 2 << 30)):
        assert planned(*arguments, memory, cwd=tmp_path)["plans"]["output"]["workspace"] <= most


def test_a_truncated_file_is_one_line(tmp_path):
    (tmp_path / "broken.png").write_bytes((SAMPLES / "astronaut.png").read_bytes()[:20])
    result = convcli("plan", "broken.png", "-k", "box:3", cwd=tmp_path)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert result.err.startswith("convcli: error: cannot read broken.png: ")


def test_an_unknown_algorithm_gets_a_list_of_all(tmp_path):
    result = convcli("plan", "--input-shape", "4,4", "-k", "box", "--algorithm", "toplitz", cwd=tmp_path)
    *names, last = CONVOLUTIONS
    expected = f"expected auto, {', '.join(names)} or {last}, given 'toplitz'; did you mean toeplitz?"
    assert (result.code, result.err) == (2, f"convcli: error: --algorithm: {expected}\n")
