"""Kernel JSON and JSON of other tensors, broken in every way: an error is one line with its place."""

import json
import random
import sys

import numpy as np
import pytest
from hypothesis import strategies as st
from many_commands import Commands, assert_well_mannered

from convcli.errors import ConvcliError, KernelError
from convcli.files.json_tensors import read_json_tensor
from convcli.files.json_writing import json_document
from convcli.files.source import Source
from convcli.files.stored_tensors import Wanted
from convcli.kernels.json_format import kernel_to_json, parse_kernel_json
from convcli.kernels.kernel import require_kernel_shape
from convcli.kernels.loading import read_kernel

GRID = b"[[1, -2.5e-1, 3], [4, 5, 6]]"
BANK = b'{"name": "two\\u00e9", "weights": [[[[1, 2]]], [[[3, 4]]]],\n "bias": [5, -0.0], "groups": 2, "divisor": 4}'
DEEP = 100_000
# Since Python 3.13 the decoder points at the comma instead of at what follows it.
TRAILING_COMMA = "k:1:7: invalid JSON at ',': " if sys.version_info >= (3, 13) else "k:1:8: invalid JSON at ']': "

MISTAKES = [
    (b"\xef\xbb\xbf[[1]]", "k:1:1: expected UTF-8 without a byte order mark, given one"),
    (
        "[[1]]".encode("utf-16"),
        "k: expected kernel JSON, rows of numbers or .npy, given text in UTF-16: save it in UTF-8",
    ),
    ("[[1]]".encode("utf-16-le"), "k:1:2: invalid JSON at '\\x00': Expecting value"),
    (
        b'{"weights": [[1]], "name": "\xff"}',
        "k:1:29: expected kernel JSON or rows of numbers in UTF-8, or .npy, given byte 0xff",
    ),
    (b"[[1\0]]", "k:1:4: invalid JSON at '\\x00': Expecting ',' delimiter"),
    (
        b"\0" * 10,
        "k: expected kernel JSON, rows of numbers or .npy, given a file that begins with zeros: if its content is "
        "lost, copy or download it again",
    ),
    (b"[" * DEEP, "k:1:1: lists nested too deeply to read"),
    (b"[" * DEEP + b"]" * DEEP, "k:1:1: lists nested too deeply to read"),
    (b'{"weights": ' * DEEP, "k:1:1: lists nested too deeply to read"),
    (b'{"weights": ' + b"[" * DEEP + b"1" + b"]" * DEEP + b"}", "k:1:1: lists nested too deeply to read"),
    (b'["' + b"[" * DEEP + b'"]', f'k:1:2: [0]: expected a number, given "{"[" * 39}...'),
    (b"[[1, 1e999]]", "k:1:6: [0][1]: expected a finite number, given 1e999"),
    (b"[[1, " + b"9" * 5000 + b"]]", f"k:1:6: [0][1]: expected a finite number, given {'9' * 40}..."),
    (b"[[1, -Infinity]]", "k:1:6: [0][1]: expected a finite number, given -Infinity"),
    (b'[[1, "2"]]', 'k:1:6: [0][1]: expected a number, given "2"'),
    (b"[[1, 2,]]", TRAILING_COMMA),
    (b"[[1, 2]] // the ridge", "k:1:10: invalid JSON at '/': Extra data"),
    (b'{"weights": [[1]], "weights": [[2]]}', "k:1:20: weights: given twice; keep one"),
    (b'{"weights": [[1e308, 1]], "scale": 1e10}', "k:1:36: scale: expected a number that leaves the weights finite"),
    (b'{"weights": [[1]], "name": "a\\u001b[31mb"}', "k:1:28: name: expected a string of printable characters"),
    (b'{"weights": [[1]], "name": "\\ud800"}', "k:1:28: name: expected a string of printable characters"),
    (b'{"weights": [[1]], "\\u001b[31m": 1}', 'k:1:20: "\\u001b[31m": unknown key; the keys are name, weights, '),
]

EDGES = [
    (b"[[1e-320, -0.0, 5e-324]]", [[1e-320, -0.0, 5e-324]]),
    (b"[[1e308, 1e308], [1e308, -1e308]]", [[1e308, 1e308], [1e308, -1e308]]),
    (b"[[1e-999, 0.1e1, 9007199254740993]]", [[0, 1, 9007199254740992]]),
    (b"\r\n\t [[1]] \n\n", [[1]]),
]


@pytest.mark.parametrize(("data", "message"), MISTAKES, ids=[str(data[:30]) for data, _ in MISTAKES])
def test_mistakes(data, message):
    with pytest.raises(KernelError) as error:
        read_kernel(Source.of_bytes(data, "k"))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("data", "weights"), EDGES, ids=[str(data[:30]) for data, _ in EDGES])
def test_numbers_at_the_ends_of_float64(data, weights):
    found = read_kernel(Source.of_bytes(data, "k")).weights
    assert np.array_equal(found, weights)
    assert np.array_equal(np.signbit(found), np.signbit(weights))


def read(parse, *arguments):
    """Return the result and no error, or None and the message of the error."""
    try:
        return parse(*arguments), ""
    except ConvcliError as error:
        return None, str(error)


def assert_placed(error):
    assert error.startswith("source:")
    assert len(error.splitlines()) == 1


def hold(data):
    """Assert that the data is a kernel that can be written and read again, or gives one line that names the source."""
    kernel, error = read(read_kernel, Source.of_bytes(data, "source"))
    if error:
        assert_placed(error)
        return
    require_kernel_shape(kernel.weights.shape)
    assert np.isfinite(kernel.weights).all()
    again = parse_kernel_json("".join(json_document(kernel_to_json(kernel))), "again", "again")
    assert (again.name, again.groups) == (kernel.name, kernel.groups)
    np.testing.assert_array_equal(again.weights, kernel.weights)
    np.testing.assert_array_equal(again.bias, kernel.bias)


@pytest.mark.parametrize("text", [GRID, BANK], ids=["list", "object"])
def test_truncated_at_every_byte(text):
    for length in range(len(text)):
        with pytest.raises(KernelError, match=r"^source:"):
            read_kernel(Source.of_bytes(text[:length], "source"))


@pytest.mark.parametrize("text", [GRID, BANK], ids=["list", "object"])
def test_every_bit_flipped(text):
    for bit in range(8 * len(text)):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        hold(bytes(flipped))


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
KEYS = st.sampled_from(["name", "weights", "bias", "scale", "divisor", "groups", "weight", ""])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def grids(rank):
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    for _ in range(rank):
        numbers = st.lists(numbers, min_size=1, max_size=2)
    return numbers


NEARLY_KERNELS = st.fixed_dictionaries(
    {"weights": st.one_of(grids(2), grids(4), grids(6), VALUES)},
    optional={
        "convcli": LEAVES,
        "name": st.text(),
        "bias": VALUES | grids(1),
        "scale": LEAVES,
        "divisor": LEAVES,
        "groups": LEAVES,
    },
)
DOCUMENTS = st.one_of(VALUES, NEARLY_KERNELS).map(lambda value: json.dumps(value).encode())


@pytest.mark.slow
def test_any_value(try_many):
    try_many(DOCUMENTS, hold, 200)


@pytest.mark.slow
def test_any_bytes(try_many):
    try_many(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), hold, 400)


@pytest.mark.slow
def test_mutations_of_kernels(seed, soak, tried):
    """Texts are cut, doubled, and get characters of JSON's syntax anywhere."""
    draw = random.Random(seed)
    for _ in range(8000 * soak):
        text = bytearray(draw.choice([GRID, BANK]))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text) + 1)
            end = draw.randint(at, min(len(text), at + 6))
            text[at:end] = draw.choice(
                [b"", text[at:end] * 2, bytes(draw.choices(b'[]{},:"0159.eE+-nN \\\n\0\xff', k=3))]
            )
        hold(bytes(text))
    tried(8000 * soak)


@pytest.mark.slow
def test_any_value_as_another_tensor(try_many):
    def hold_tensor(data):
        tensor, error = read(read_json_tensor, data.decode(), "source", Wanted("source"))
        assert error or np.isfinite(tensor).all()
        if error:
            assert_placed(error)

    try_many(VALUES.map(lambda value: json.dumps(value).encode()), hold_tensor, 200)


ROW = "[" + ",".join(["0.5"] * 1000) + "]"
MILLION = {
    "weights": "[" + ",".join([ROW] * 1000) + "]",
    "bank": "[[[" + ",".join([ROW] * 1000) + "]]]",
    "flat": "[" + ",".join(["0.5"] * 1_000_000) + "]",
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MILLION["weights"][:-6] + ",null]]", "k:1:{at}: [999][999]: expected a number, given null"),
        (MILLION["flat"][:-1] + ",]", "k:1:{at}: invalid JSON at "),
        pytest.param(
            MILLION["weights"][:-2] + ",true]]",
            "k:1:{at}: [999]: expected a list of length 1000, like [0], given a list of",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            MILLION["bank"][:-7] + "1e999]]]]",
            "k:1:{at}: [0][0][999][999]: expected a finite number, given ",
            marks=pytest.mark.slow,
        ),
        pytest.param(MILLION["flat"], "k:1:1: expected weights of rank 2: ", marks=pytest.mark.slow),
    ],
    ids=["null", "comma", "ragged", "infinite", "flat"],
)
def test_a_million_weights_with_a_mistake_at_their_end(text, message):
    with pytest.raises(KernelError) as error:
        parse_kernel_json(text, "k", "k")
    where = str(error.value).split(":")[2]
    assert str(error.value).startswith(message.format(at=where))
    assert message.startswith("k:1:1:") or int(where) > len(text) - 5000


@pytest.mark.parametrize("name", ["weights", pytest.param("bank", marks=pytest.mark.slow)])
def test_a_million_weights_can_be_used_within_memory(tmp_path, name):
    (tmp_path / "k.json").write_text(MILLION[name])
    np.save(tmp_path / "v.npy", np.ones((1, 4, 5), np.uint8))
    with Commands(tmp_path, memory=2 << 30) as commands:
        result = commands.run("apply", "v.npy", "-k", "k.json", "-o", "z.npy")
        assert_well_mannered(result)
        assert result.code == 0
        np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), np.full((1, 4, 5), 10.0))
        refused = commands.run("apply", "v.npy", "-k", "k.json", "-p", "valid", "-o", "y.npy")
        assert refused.code == 2
        assert "kernel larger than the padded input: the kernel reaches 1000x1000 pixels" in refused.err


@pytest.mark.slow
def test_a_hundred_megabytes(tmp_path):
    """A text much larger than any kernel is refused by its shape, in memory of a few times the text."""
    row = "[" + ",".join(["0.123456789"] * 3000) + "]"
    (tmp_path / "k.json").write_text("[" + ",".join([row] * 2800) + ",[1]]")
    assert (tmp_path / "k.json").stat().st_size > 100e6
    with Commands(tmp_path, memory=2 << 30) as commands:
        result = commands.run("kernels", "k.json")
    assert_well_mannered(result)
    assert "[2800]: expected a list of length 3000, like [0], given a list of length 1" in result.err
