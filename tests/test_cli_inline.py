"""Images as JSON: typed on the command line, in a file, or through a pipe."""

import json

import numpy as np
import pytest
from support.command_line import array, convcli, succeed
from support.reference import assert_same

from convcli import conv2d

SMALL = "[[1,2],[3,4]]"
K = [[0, 1, 2], [4, 8, 16]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "V"),
    [
        (SMALL, [[1, 2], [3, 4]]),
        (" [[[1, 2.5]], [[-3, 4]]]", [[[1, 2.5]], [[-3, 4]]]),
    ],
    ids=["(H, W)", "(C, H, W)"],
)
def test_an_image_can_be_typed(tmp_path, text, V):
    expected = conv2d(np.array(V, float), K, padding="same")
    arguments = ["-k", json.dumps(K), "-f", "npy", "-o", "-"]
    (tmp_path / "image.json").write_text(text)
    for image, stdin in ((text, b""), ("image.json", b""), ("-", text.encode())):
        assert_same(array(succeed("apply", image, *arguments, cwd=tmp_path, stdin=stdin)), expected)


def test_outputs_of_a_typed_image_have_a_name(tmp_path):
    succeed("apply", SMALL, "-k", "box", "-f", "npy", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["inline.box.npy"]


def test_plan_takes_a_typed_image(tmp_path):
    plan = json.loads(succeed("plan", "[[1,2,3],[4,5,6]]", "-k", "box", "--json", cwd=tmp_path))
    assert plan["shape"]["input"] == [2, 3]


def test_a_file_whose_name_starts_with_a_bracket_is_a_file(tmp_path):
    np.save(tmp_path / "[1].npy", np.ones((2, 2)))
    found = json.loads(succeed("grad", "[1].npy", "-k", "[[1]]", "--wrt", "bias", cwd=tmp_path))
    assert found["gradients"]["bias"]["values"] == 4


@pytest.mark.parametrize(
    ("image", "code", "message"),
    [
        ("[[1,2],[3]]", 2, "inline array:1:8: [1]: expected a list of length 2, like [0], given a list of length 1"),
        ("[[1,2],[3,", 2, "inline array:1:11: invalid JSON at the end of the text: Expecting value"),
        ("[[1,NaN]]", 2, "inline array:1:5: [0][1]: expected a finite number, given NaN"),
        (
            "[1,2]",
            1,
            "cannot read inline array: expected an array (H, W) or (..., C, H, W) that is not empty, given shape (2,)",
        ),
        ("[1,\udcff]", 2, "inline array:1:4: expected JSON in UTF-8, given byte 0xff"),
        ("bad.json", 2, "bad.json:1:3: [0]: expected a number, given true"),
    ],
)
def test_wrong_typed_images(tmp_path, image, code, message):
    (tmp_path / "bad.json").write_text("[ true]")
    result = convcli("apply", image, "-k", "box", cwd=tmp_path)
    assert (result.code, result.out, result.err) == (code, b"", f"convcli: error: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]
