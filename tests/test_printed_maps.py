"""``convcli apply`` of an array without an output prints Z; a batch keeps its axes, or becomes pictures."""

import json

import numpy as np
import PIL.Image
import pytest
from support.command_line import convcli, npy, pixels, succeed, terminal
from support.reference import assert_same

from convcli import conv2d

V = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
K = [[1, 0], [0, -1]]
REQUEST = ["apply", json.dumps(V), "-k", json.dumps(K), "-p", "valid"]
BATCH = np.random.default_rng(3).integers(0, 200, (2, 3, 5, 7), np.uint8)


def printed(*arguments, cwd, stdin=b""):
    return json.loads(succeed(*arguments, cwd=cwd, stdin=stdin))


def test_a_pipe_gets_json_that_is_read_as_an_array(tmp_path):
    document = printed(*REQUEST, cwd=tmp_path)
    assert document == {
        "convcli": 1,
        "kernel": "inline",
        "edge": "zero",
        "output": {"shape": [2, 2], "dtype": "float64", "values": [[-4, -4], [-4, -4]]},
    }
    again = printed("apply", "-", "-k", "[[1,1]]", cwd=tmp_path, stdin=json.dumps(document).encode())
    assert_same(np.array(again["output"]["values"]), conv2d([[-4, -4], [-4, -4]], [[1, 1]], padding="same"))


def test_json_is_a_format_of_output_too(tmp_path):
    succeed(*REQUEST, "-o", "Z.json", cwd=tmp_path)
    assert json.loads((tmp_path / "Z.json").read_text()) == printed(*REQUEST, cwd=tmp_path)
    np.save(tmp_path / "nan.npy", np.full((2, 2), np.nan))
    result = convcli("apply", "nan.npy", "-k", "[[1]]", cwd=tmp_path)
    message = "Z holds NaN or infinity, which JSON cannot hold: use --format npy"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5), (2, 3, 4, 5)])
def test_maps_have_the_rank_of_the_input(tmp_path, shape):
    image = np.arange(np.prod(shape), dtype=float).reshape(shape)
    found = printed("apply", "-", "-k", json.dumps(K), cwd=tmp_path, stdin=npy(image))["output"]
    assert_same(np.array(found["values"]), conv2d(image, K, padding="same"))
    assert found["shape"] == list(shape)


def test_too_many_numbers_ask_for_a_file(tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((65, 64)))
    result = convcli("apply", "large.npy", "-k", "box", cwd=tmp_path)
    expected = "expected a file, such as Z.npy, because Z has 4,160 numbers, and at most 4,096 are printed"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: --output: {expected}\n")
    rows = json.dumps(np.zeros((65, 64), int).tolist())
    assert printed("apply", rows, "-k", "box", cwd=tmp_path)["output"]["shape"] == [65, 64]


def test_several_arrays_are_files(tmp_path):
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.ones((2, 2)))
    succeed("apply", "a.npy", "b.npy", "-k", "box:1", cwd=tmp_path)
    assert {path.name for path in tmp_path.glob("*box*")} == {"a.box-1.npy", "b.box-1.npy"}


def test_a_batch_becomes_pictures_with_a_number_each(tmp_path):
    np.save(tmp_path / "x.npy", BATCH)
    (tmp_path / "out").mkdir()
    succeed("apply", "x.npy", "-k", "[[1]]", "-o", "out/", "-f", "png", cwd=tmp_path)
    for number, image in enumerate(BATCH):
        assert np.array_equal(pixels(tmp_path / "out" / f"x.{number}.png"), image)
    result = convcli("apply", "x.npy", "-k", "[[1]]", "-o", "x.png", cwd=tmp_path)
    advice = "add {frame} to the name, or write .tif, which can hold them all"
    assert result.err == f"convcli: error: 2 frames need one file each, but 'x.png' names one: {advice}\n"
    succeed("apply", "x.npy", "-k", "[[1]]", "-o", "x.tif", cwd=tmp_path)
    with PIL.Image.open(tmp_path / "x.tif") as pages:
        assert pages.n_frames == 2
        pages.seek(1)
        assert np.array_equal(np.moveaxis(np.asarray(pages), -1, 0), BATCH[1])


def test_a_batch_becomes_gray(tmp_path):
    succeed("apply", "-", "-k", "[[1]]", "--gray", "-o", "gray.npy", cwd=tmp_path, stdin=npy(BATCH))
    red, green, blue = BATCH.astype(float).transpose(1, 0, 2, 3)[:, :, np.newaxis]
    luma = (299 * red + 587 * green + 114 * blue) / 1000
    assert np.allclose(np.load(tmp_path / "gray.npy"), luma, rtol=1e-6)
    succeed("apply", "-", "-k", "[[1]]", "--gray", "--linear", "-o", "light.npy", cwd=tmp_path, stdin=npy(BATCH))
    assert np.load(tmp_path / "light.npy").shape == (2, 1, 5, 7)


def test_every_command_takes_a_batch(tmp_path):
    np.save(tmp_path / "x.npy", BATCH)
    bank = np.random.default_rng(4).integers(-3, 4, (2, 3, 2, 2)).tolist()
    words = ["x.npy", "-k", json.dumps(bank), "-s", "2", "-p", "1"]
    Z = conv2d(BATCH, bank, stride=2, padding=1)
    np.save(tmp_path / "Z.npy", Z)
    assert printed("plan", *words, "--json", cwd=tmp_path)["shape"]["output"] == list(Z.shape)
    assert printed("explain", *words, "--at", "1,1,2,3", "--json", cwd=tmp_path)["sum"] == Z[1, 1, 2, 3]
    assert printed("grad", *words, "--wrt", "db", "--json", cwd=tmp_path)["gradients"]["bias"]["values"] == [24, 24]
    assert printed("check", *words, "--output-map", "Z.npy", "--json", cwd=tmp_path)["holds"]


def test_a_terminal_gets_a_grid(tmp_path):
    code, out, _ = terminal(*REQUEST, cwd=tmp_path, NO_COLOR="1")
    assert (code, out.splitlines()) == (0, ["Z  (2, 2)", "   -4  -4", "   -4  -4"])


def test_text_is_a_grid_in_a_pipe_too(tmp_path):
    assert succeed(*REQUEST, "-f", "text", cwd=tmp_path) == b"Z  (2, 2)\n   -4  -4\n   -4  -4\n"
    result = convcli(*REQUEST, "-f", "text", "--json", cwd=tmp_path)
    message = "--json and --format text contradict each other: give one"
    assert (result.code, result.out, result.err) == (2, b"", f"convcli: error: {message}\n")


def test_a_terminal_is_told_the_same_as_a_pipe(tmp_path):
    _, _, told = terminal(*REQUEST, "-v", cwd=tmp_path, NO_COLOR="1")
    assert told == convcli(*REQUEST, "-v", cwd=tmp_path).err
    assert "filled with zero" in told
