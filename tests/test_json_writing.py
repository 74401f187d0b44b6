"""JSON in pieces: its layout, its numbers, and what it refuses."""

import json

import numpy as np
import pytest

from convcli.errors import OptionError
from convcli.files.json_writing import LONG, NUMBERS_AT_ONCE, json_document, require_finite


def text_of(**members):
    return "".join(json_document(members))


def test_an_object_without_arrays_takes_one_line():
    assert text_of(name="é\udc80", pads=(1, 2), worst={"at": [], "error": None}) == (
        '{"convcli": 1, "name": "\\u00e9\\udc80", "pads": [1, 2], "worst": {"at": [], "error": null}}\n'
    )


def test_each_row_of_an_array_takes_a_line():
    text = text_of(kernel={"dtype": "float64", "values": np.array([[[0.5, -1.0], [2.0, 1e300]]])}, bias=np.array(3))
    assert text == (
        "{\n"
        '  "convcli": 1,\n'
        '  "kernel": {\n'
        '    "dtype": "float64",\n'
        '    "values": [\n'
        "      [\n"
        "        [0.5, -1.0],\n"
        "        [2.0, 1e+300]\n"
        "      ]\n"
        "    ]\n"
        "  },\n"
        '  "bias": 3\n'
        "}\n"
    )


def test_an_iterator_yields_a_list_in_parts():
    parts = iter([[{"m": 0}], [{"m": 1}, 5], np.array([6, 7])])
    assert text_of(terms=parts) == (
        '{\n  "convcli": 1,\n  "terms": [\n    {"m": 0},\n    {"m": 1}, 5,\n    6, 7\n  ]\n}\n'
    )
    assert text_of(terms=iter([])) == '{\n  "convcli": 1,\n  "terms": []\n}\n'


@pytest.mark.parametrize(
    "shape", [(), (0,), (3,), (0, 3), (3, 0), (2, 3, 4), (NUMBERS_AT_ONCE + 1,), (2, LONG), (1, 1, 1, 1)]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_numbers_read_back_exactly(shape, dtype):
    values = np.asarray(1e3 * np.random.default_rng(0).standard_normal(shape), dtype)
    found = np.array(json.loads(text_of(values=values))["values"], dtype)
    assert np.array_equal(found.reshape(shape), values)


def test_a_large_array_is_never_text_as_a_whole():
    pieces = list(json_document({"values": np.zeros((50, 1000)), "vector": np.zeros(3 * NUMBERS_AT_ONCE)}))
    assert max(map(len, pieces)) <= len("0.0, ") * NUMBERS_AT_ONCE


@pytest.mark.parametrize("numbers", [np.array([1, np.nan]), np.array([[-np.inf]]), np.array(np.inf), np.nan])
def test_numbers_that_json_does_not_have_are_refused(numbers):
    with pytest.raises(OptionError, match=r"^dK holds NaN or infinity, which JSON cannot hold: use `format` npz$"):
        require_finite("dK", numbers, "use `format` npz")
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        text_of(values=numbers)
    with pytest.raises(ValueError, match="expected finite numbers"):
        text_of(values=np.resize(numbers, LONG))


@pytest.mark.parametrize("numbers", [np.zeros((0, 3)), np.array(-1e308), 5e-324, np.array([2, 3], np.uint8)])
def test_finite_numbers_are_accepted(numbers):
    require_finite("dK", numbers, "use `format` npz")
