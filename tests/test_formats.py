"""docs/json.md and docs/arrays.md name every key and name that commands print and write, and no other."""

import csv
import io
import json
import re

import numpy as np
import pytest
from support.command_line import convcli
from support.pages import codes, page, table

PAGE = page("docs/json.md")
SECTIONS = dict(re.findall(r"^## `([^`]*)`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
BANK = json.dumps({"name": "bank", "weights": [[[[1, -2]]], [[[3, 1]]]], "bias": [5, 6], "groups": 2})
IMAGE = "[[[1,2,3],[4,5,6]],[[7,8,9],[1,2,3]]]"
LAYOUTS = ["--layout", "hwc", "--kernel-layout", "ohwi"]

# For each section, commands that together print every key.
COMMANDS = {
    "apply --json": [["apply", "in.npy", "absent.npy", "-k", "box", "-f", "npy", "--json"]],
    "apply -f json": [["apply", IMAGE, "-k", "box", *LAYOUTS]],
    "apply --dry-run --json": [["apply", "in.npy", "-k", "sobel-x", "-f", "npy", "--dry-run", "--json"]],
    "grad --json": [
        ["grad", "in.npy", "-k", BANK, "--json"],
        ["grad", "in.npy", "-k", "box", "-G", "mse:in.npy", *LAYOUTS],
    ],
    "explain --json": [
        ["explain", IMAGE, "-k", "box:2", "--at", "0,1,2", "--bias", "1", "--json"],
        ["explain", IMAGE, "-k", "box:2", "--at", "0,1,2", "--of", "input", "-e", "wrap", "--json"],
        ["explain", IMAGE, "-k", "box:2", "--at", "1,1", "--of", "kernel", "--json"],
        ["explain", IMAGE, "-k", "box:2", "--of", "bias", "--json", *LAYOUTS],
        ["explain", IMAGE, "-k", "box:2", "--transpose", "--at", "1,1", "--of", "kernel", "--json"],
    ],
    "explain -o page.html": [
        ["explain", IMAGE, "-k", BANK, "-o", "-", "-f", "html"],
        ["explain", IMAGE, "-k", "box:2", "--of", "dV", "--at", "0,1,2", "-o", "-", "-f", "html"],
    ],
    "check --json": [["check", IMAGE, "-k", BANK, "--json"], ["check", IMAGE, "-k", "box", "--json", *LAYOUTS]],
    "check --kernel-grad ... --json": [
        ["check", IMAGE, "-k", "box:2", "--kernel-grad", "[[1,2],[3,4]]", "--json", *LAYOUTS],
        ["check", IMAGE, "-k", "box:2", "--kernel-grad", "[[1,2,3],[3,4,5]]", "--bias-grad", "12", "--json"],
    ],
    "plan --json": [
        ["plan", "--input-shape", "2,40,40", "-k", "gaussian:2", "--json"],
        ["plan", "--input-shape", "2,4,4", "-k", "box", "--transpose", "--json", *LAYOUTS],
    ],
    "plan --paddings --json": [["plan", "--input-shape", "1,4,4", "-k", "box", "--paddings", "--json"]],
    "plan MODEL --json": [["plan", "model.onnx", "--json"]],
    "doctor --json": [["doctor", "--json"]],
    "matrix --json": [["matrix", "--input-shape", "1,3,4", "-k", "box", "-e", "constant:2", "--json", *LAYOUTS]],
    "kernels --json": [["kernels", "--json"]],
    "kernels NAME --json": [["kernels", BANK, "--json"], ["grad", "[[1]]", "-k", "[[2]]", "--step", "1", *LAYOUTS]],
}


def keys(members, path=""):
    """Yield the path of every key of an object and of the objects in it."""
    for key, value in members.items():
        yield path + key
        if isinstance(value, dict):
            yield from keys(value, f"{path}{key}.")
        elif isinstance(value, list):
            for item in value:
                yield from keys(item, f"{path}{key}[].") if isinstance(item, dict) else ()


def documented(section):
    """Return the paths in the first column of a section's table."""
    return [path for row in table(section) for path in codes(row[0])]


def ancestors(path):
    """Return the path and those of the objects that hold it: a key that is documented introduces them."""
    parts = path.replace("[]", "").split(".")
    return {".".join(parts[: depth + 1]) for depth in range(len(parts))}


def pattern(path):
    """Return a regular expression for a path, in which ``*`` is any key."""
    return re.escape(path).replace(r"\*", r"[^.]+")


def documents(result):
    """Return the JSON objects of stdout: one, one per line, or the one in a page."""
    text = result.out.decode()
    if in_page := re.search(r'<script id="document"[^>]*>(.*?)</script>', text, re.DOTALL):
        return [json.loads(in_page[1])]
    return [json.loads(text)] if text.startswith("{\n") else [json.loads(line) for line in text.splitlines()]


def save_model(path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 4, 4])
    nodes = [onnx.helper.make_node("Conv", ["x", name], [f"{name} of x"]) for name in ("w", "unknown")]
    weights = onnx.numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [value], [], [weights])), path)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return the objects that the commands of a section print."""
    folder = tmp_path_factory.mktemp("formats")
    np.save(folder / "in.npy", np.arange(12.0).reshape(2, 2, 3))

    def run(section):
        if "MODEL" in section:
            save_model(folder / "model.onnx")
        results = [convcli(*command, cwd=folder) for command in COMMANDS[section]]
        return [document for result in results for document in documents(result)]

    return run


def test_every_command_has_a_section():
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("section", COMMANDS)
def test_the_page_names_every_key(printed, section):
    objects = printed(section)
    found = {path for members in objects for path in keys(members)}
    named = documented(SECTIONS[section])
    allowed = [pattern(each) for path in named for each in ancestors(path)]
    unnamed = {path for path in found if not any(re.fullmatch(each, path.replace("[]", "")) for each in allowed)}
    missing = {path for path in named if not any(re.fullmatch(pattern(path), each) for each in found)}
    assert (unnamed, missing) == (set(), set())
    assert {next(iter(members.items())) for members in objects} == {("convcli", 1)}


# For each row of the table of files, commands that together write every name.
UNTIED = json.dumps([[[1, 2, 3], [4, 5, 6]]])
FILES = {
    "grad -o g.npz": [["grad", IMAGE, "-k", "box", "-f", "npz", "-o", "-"]],
    "grad -o g.npy": [["grad", IMAGE, "-k", "box", "-f", "npy", "-o", "-", "--wrt", "dK"]],
    "grad -o g.csv": [
        ["grad", IMAGE, "-k", "[[[[1]],[[2]]]]", "--bias", UNTIED, "-f", "csv"],
        ["grad", f"[{IMAGE},{IMAGE}]", "-k", json.dumps([[[[[[1]], [[2]]]]]]), "-f", "csv"],
    ],
    "matrix -o m.npz": [["matrix", "--input-shape", "2,3", "-k", "box", "--bias", "1", "-f", "npz", "-o", "-"]],
    "matrix -o m.mtx": [["matrix", "--input-shape", "2,3", "-k", "box", "--bias", "1", "-f", "mtx"]],
    "kernels NAME -o k.npy": [["kernels", "box", "-o", "-", "-f", "npy"]],
    "kernels NAME -o k.csv": [["kernels", "box", "-o", "-", "-f", "csv"]],
    "apply -o z.npy": [["apply", IMAGE, "-k", "box", "-o", "-", "-f", "npy"]],
}
FILE_TABLE = page("docs/arrays.md")


def names_in(data):
    """Return the members of an .npz, or the columns of a CSV of gradients; an .npy and an .mtx have no names."""
    if data.startswith(b"PK"):
        with np.load(io.BytesIO(data)) as archive:
            return set(archive)
    return set(next(csv.reader(io.StringIO(data.decode())))) if data.startswith(b"tensor") else set()


def test_the_page_has_every_file():
    assert [codes(row[0])[0] for row in table(FILE_TABLE)] == list(FILES)


@pytest.mark.parametrize("file", FILES)
def test_the_page_names_everything_in_a_file(file, tmp_path):
    (row,) = [row for row in table(FILE_TABLE) if codes(row[0]) == [file]]
    results = [convcli(*command, cwd=tmp_path) for command in FILES[file]]
    assert [(result.code, result.err) for result in results] == [(0, "")] * len(results)
    assert set().union(*(names_in(result.out) for result in results)) == set(codes(row[1]))
