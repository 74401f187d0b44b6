"""Kernel JSON: its grammar, the exact text of its errors, and round trips."""

import json
import re

import numpy as np
import pytest

from convcli.errors import JsonError, KernelError
from convcli.files import json_reading
from convcli.files.json_tensors import read_json_tensor
from convcli.files.json_writing import json_document
from convcli.files.stored_tensors import Wanted
from convcli.kernels.catalogue import PRESETS
from convcli.kernels.json_format import kernel_to_json, parse_kernel_json
from convcli.kernels.kernel import Kernel
from convcli.kernels.presets import preset

RANKS = (
    "expected weights of rank 2: (kh, kw), which filters every channel alone, "
    "rank 4: (C_out, C_in/groups, kh, kw), a bank, "
    "or rank 6: (C_out, tr, tc, C_in/groups, kh, kw), tiled or locally connected; given "
)
KEYS = "the keys are name, weights, bias, scale, divisor, groups, kernel_layout, convcli"
BANK = '{"weights": [[[[1, 2]]], [[[3, 4]]]]'

KERNELS = [
    ("[[1, 2, 3]]", Kernel("k", np.array([[1.0, 2, 3]]))),
    (" [[1e0],\r\n\t[-2.5E-1]] \n", Kernel("k", np.array([[1], [-0.25]]))),
    ("[[[[1, 2]]], [[[3, 4]]]]", Kernel("k", np.array([[[[1.0, 2]]], [[[3, 4]]]]))),
    ('{"weights": [[1, 2]]}', Kernel("k", np.array([[1.0, 2]]))),
    ('{"convcli": 1, "weights": [[1, 2]]}', Kernel("k", np.array([[1.0, 2]]))),
    (
        '{"groups": 1, "bias": -3, "scale": 0.5, "weights": [[1, 2]], "name": "ridge"}',
        Kernel("ridge", np.array([[0.5, 1]]), np.array(-3.0)),
    ),
    ('{"weights": [[1, 2]], "divisor": 3}', Kernel("k", np.array([[1 / 3, 2 / 3]]))),
    (
        BANK + ', "bias": [5, 6], "groups": 2, "divisor": 4}',
        Kernel("k", np.array([[[[0.25, 0.5]]], [[[0.75, 1]]]]), np.array([5.0, 6]), 2),
    ),
    (
        BANK + ', "bias": [[[1, 2, 3]], [[4, 5, 6]]]}',
        Kernel("k", np.array([[[[1.0, 2]]], [[[3, 4]]]]), np.array([[[1.0, 2, 3]], [[4, 5, 6]]])),
    ),
]

MISTAKES = [
    ("", "1:1: invalid JSON at the end of the text: Expecting value"),
    ("[[1, 2]", "1:8: invalid JSON at the end of the text: Expecting ',' delimiter"),
    ("[[1, 2],\n [3 4]]", "2:5: invalid JSON at '4': Expecting ',' delimiter"),
    ("[[1]] [[2]]", "1:7: invalid JSON at '[': Extra data"),
    ("\ufeff[[1]]", "1:1: expected UTF-8 without a byte order mark, given one"),
    ("[" * 100_000, "1:1: lists nested too deeply to read"),
    ("[" * 100 + "1" + "]" * 100, f"1:1: {RANKS}rank 100"),
    ("7", "1:1: expected nested lists of weights or an object, given 7"),
    ('\n "sobel-x"', '2:2: expected nested lists of weights or an object, given "sobel-x"'),
    ("null", "1:1: expected nested lists of weights or an object, given null"),
    ("[]", "1:1: expected at least one weight, given shape (0,)"),
    ("[[], []]", "1:1: expected at least one weight, given shape (2, 0)"),
    ("[1, 2]", f"1:1: {RANKS}rank 1"),
    ("[[[1]]]", f"1:1: {RANKS}rank 3"),
    ('{"weights": [[[[[1]]]]]}', f"1:13: weights: {RANKS}rank 5"),
    ("[[1, 2],\n [3]]", "2:2: [1]: expected a list of length 2, like [0], given a list of length 1"),
    (
        '{"weights": [[[[1, 2]]],\n[[[1]]]]}',
        "2:3: weights[1][0][0]: expected a list of length 2, like weights[0][0][0], given a list of length 1",
    ),
    ("[[1], 2]", "1:7: [1]: expected a list of length 1, like [0], given 2"),
    ("[[1, [2]]]", "1:6: [0][1]: expected a number, given a list of length 1"),
    ("[[1, {}]]", "1:6: [0][1]: expected a number, given an object"),
    ("[[NaN]]", "1:3: [0][0]: expected a finite number, given NaN"),
    ("[[1,\n-Infinity]]", "2:1: [0][1]: expected a finite number, given -Infinity"),
    ("[[1, 1e999]]", "1:6: [0][1]: expected a finite number, given 1e999"),
    ("[[1, -" + "9" * 5000 + "]]", f"1:6: [0][1]: expected a finite number, given -{'9' * 39}..."),
    (
        '{\n "name": "x]\\"", "bias": {"a": [1]},\n "weights": [[[[1, 2, 3]]], [[[4, 5, true]]]]}',
        "3:38: weights[1][0][0][2]: expected a number, given true",
    ),
    ("[[null]]", "1:3: [0][0]: expected a number, given null"),
    ('[["1\u2028"]]', '1:3: [0][0]: expected a number, given "1\\u2028"'),
    ("{}", "1:1: expected the key weights, given no keys"),
    ('{"name": "x", "bias": 1}', "1:1: expected the key weights, given name, bias"),
    ('{"weights": 5}', "1:13: weights: expected nested lists of numbers, given 5"),
    ('{"weights": [[1]],\n "wieghts": 1}', f"2:2: wieghts: unknown key; {KEYS}; did you mean weights?"),
    ('{"\u2028": 1}', f'1:2: "\\u2028": unknown key; {KEYS}'),
    ('{"weights": [[1]],\n "weights": [[1]]}', "2:2: weights: given twice; keep one"),
    ('{"divisor": 1, "weights": [[1]], "scale": 1}', "1:2: divisor: given besides scale; keep one"),
    (
        '{"weights": [[1]], "divisor": 0}',
        "1:31: divisor: expected a number that leaves the weights finite, and not all of them 0, given 0",
    ),
    (
        '{"weights": [[1e-300]], "divisor": 1e300}',
        "1:36: divisor: expected a number that leaves the weights finite, and not all of them 0, given 1e300",
    ),
    (
        '{"weights": [[9e300]], "scale": 1e9}',
        "1:33: scale: expected a number that leaves the weights finite, and not all of them 0, given 1e9",
    ),
    ('{"weights": [[1]], "scale": [2]}', "1:29: scale: expected a number, given a list of length 1"),
    ('{"weights": [[1]], "scale": NaN}', "1:29: scale: expected a finite number, given NaN"),
    (
        '{"convcli": 2, "taps": [[1]]}',
        "1:13: convcli: expected 1, the version of kernel JSON that this convcli reads, given 2",
    ),
    (
        '{"weights": [[1]], "convcli": true}',
        "1:31: convcli: expected 1, the version of kernel JSON that this convcli reads, given true",
    ),
    ('{"weights": [[1]], "name": 5}', "1:28: name: expected a string of printable characters, given 5"),
    ('{"weights": [[1]], "name": " "}', '1:28: name: expected a string of printable characters, given " "'),
    ('{"weights": [[1]], "name": "a\\nb"}', '1:28: name: expected a string of printable characters, given "a\\nb"'),
    ('{"weights": [[1]], "groups": 0}', "1:30: groups: expected a whole number of at least 1, given 0"),
    ('{"weights": [[1]], "groups": 1.5}', "1:30: groups: expected a whole number of at least 1, given 1.5"),
    ('{"weights": [[1]], "groups": true}', "1:30: groups: expected a whole number of at least 1, given true"),
    (
        '{"weights": [[1]], "groups": 2}',
        "1:30: groups: expected 1, because weights (kh, kw) filter every channel alone, given 2",
    ),
    (BANK + ', "groups": 3}', "1:49: groups: expected a divisor of C_out = 2, given 3"),
    ('{"weights": [[1]], "bias": [1]}', "1:28: bias: expected a number, given shape (1,)"),
    ('{"weights": [[1]], "bias": null}', "1:28: bias: expected a number, given null"),
    (BANK + ', "bias": 1}', "1:47: bias: expected shape (2,), or untied (2, OH, OW), given shape ()"),
    (BANK + ', "bias": [1, 2, 3]}', "1:47: bias: expected shape (2,), or untied (2, OH, OW), given shape (3,)"),
    (BANK + ', "bias": [[1], [2]]}', "1:47: bias: expected shape (2,), or untied (2, OH, OW), given shape (2, 1)"),
    (BANK + ', "bias": [[[]], [[]]]}', "1:47: bias: expected shape (2,), or untied (2, OH, OW), given shape (2, 1, 0)"),
    (BANK + ', "bias": [1, Infinity]}', "1:51: bias[1]: expected a finite number, given Infinity"),
]


def text_of(kernel):
    return "".join(json_document(kernel_to_json(kernel)))


def assert_same(kernel, expected):
    assert (kernel.name, kernel.groups, kernel.factors) == (expected.name, expected.groups, ())
    assert_same_numbers(kernel.weights, expected.weights)
    assert (kernel.bias is None) == (expected.bias is None)
    if expected.bias is not None:
        assert_same_numbers(kernel.bias, expected.bias)


def assert_same_numbers(given, expected):
    assert (given.dtype, given.shape, given.tobytes()) == (np.float64, expected.shape, expected.tobytes())


@pytest.mark.parametrize(("text", "expected"), KERNELS, ids=[text for text, _ in KERNELS])
def test_the_grammar(text, expected):
    assert_same(parse_kernel_json(text, "bank.json", "k"), expected)


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_are_one_line_with_their_position(text, message):
    with pytest.raises(KernelError, match=f"^bank.json:{re.escape(message)}$") as caught:
        parse_kernel_json(text, "bank.json", "k")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("depth", range(900, 1000, 9))
@pytest.mark.parametrize("document", ['{"weights": %s}', "[%s, 2]"])
def test_nesting_near_the_limit_of_the_reader_is_an_error(depth, document):
    given = r"(given rank \d+|given 2|lists nested too deeply to read)$"
    with pytest.raises(KernelError, match=given):
        parse_kernel_json(document % ("[" * depth + "1" + "]" * depth), "bank.json", "k")


def test_each_row_of_weights_takes_a_line():
    kernel = Kernel("edge", np.array([[[[0.1, -1], [2, 3]]], [[[4, 5], [6, 1e-300]]]]), np.array([1.0, 2]), 2)
    assert text_of(kernel) == (
        "{\n"
        '  "convcli": 1,\n'
        '  "name": "edge",\n'
        '  "weights": [\n'
        "    [\n"
        "      [\n"
        "        [0.1, -1.0],\n"
        "        [2.0, 3.0]\n"
        "      ]\n"
        "    ],\n"
        "    [\n"
        "      [\n"
        "        [4.0, 5.0],\n"
        "        [6.0, 1e-300]\n"
        "      ]\n"
        "    ]\n"
        "  ],\n"
        '  "bias": [1.0, 2.0],\n'
        '  "groups": 2\n'
        "}\n"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_read_back_exactly(name):
    kernel = preset(name)
    assert_same(parse_kernel_json(text_of(kernel), "bank.json", "k"), kernel)


@pytest.mark.parametrize("bias_shape", [(4,), (4, 5, 6)])
def test_banks_read_back_exactly(bias_shape):
    random = np.random.default_rng(5)
    weights = random.normal(size=(4, 3, 2, 5)) * 10.0 ** random.integers(-300, 300, (4, 3, 2, 5))
    weights[0, 0, 0] = [-0.0, 5e-324, 1.7976931348623157e308, 0.1, 2**53 + 1]
    kernel = Kernel("bank é", weights, random.normal(size=bias_shape), 2)
    assert_same(parse_kernel_json(text_of(kernel), "bank.json", "k"), kernel)


def test_a_million_weights_read_back_exactly():
    weights = np.random.default_rng(6).integers(-9, 9, (1000, 1000)).astype(float)
    text = text_of(Kernel("k", weights))
    assert_same(parse_kernel_json(text, "bank.json", "k"), Kernel("k", weights))


def test_an_invalid_weight_among_a_million_is_found():
    rows = np.ones((1000, 1000), int).astype(object)
    rows[700, 31] = "x"
    text = json.dumps(rows.tolist())
    place = f'bank.json:1:{text.index("x")}: [700][31]: expected a number, given "x"'
    with pytest.raises(KernelError, match=re.escape(place)):
        parse_kernel_json(text, "bank.json", "k")


@pytest.mark.parametrize("mistake", ["x", "1e999"])
def test_the_position_of_a_deep_mistake_costs_no_more_than_the_text(mistake, monkeypatch):
    class CountingDecoder(json.JSONDecoder):
        characters = 0

        def raw_decode(self, text, idx=0):
            value, end = super().raw_decode(text, idx)
            CountingDecoder.characters += end - idx
            return value, end

    monkeypatch.setattr(json_reading, "_DECODER", CountingDecoder(object_pairs_hook=tuple, parse_int=float))
    number = mistake if mistake[0] == "1" else f'"{mistake}"'
    text = "[" * 60 + ",".join(["1"] * 5000 + [number]) + "]" * 60
    message = r"^deep\.json:1:10061: (\[0\]){59}\[5000\]: expected a (finite )?number, given "
    with pytest.raises(JsonError, match=message):
        read_json_tensor(text, "deep.json", Wanted("deep.json"))
    assert CountingDecoder.characters < 3 * len(text)
