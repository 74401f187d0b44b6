"""Write JSON in pieces, so that the text of a large array is never in memory as a whole. Numbers read back exactly.

Every JSON object that a command prints starts with ``"convcli": 1``, the version of its keys. An object takes one line.
If it holds arrays, each of its members takes a line, and so does each row of an array::

    {
      "convcli": 1,
      "name": "sobel-x",
      "weights": [
        [-1.0, 0.0, 1.0],
        [-2.0, 0.0, 2.0],
        [-1.0, 0.0, 1.0]
      ]
    }
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, BinaryIO

import numpy as np

from convcli.arrays import Array, numerals
from convcli.errors import OptionError
from convcli.files.file_bytes import write_text
from convcli.version import JSON_VERSION

# The most numbers of an array that are converted to text at once.
NUMBERS_AT_ONCE = 1 << 16
# In arrays of this length numbers often repeat, and to look for repeated ones takes little of their time.
LONG = 1024

_encoded = json.JSONEncoder(allow_nan=False).encode


def write_json(stream: BinaryIO, members: Mapping[str, Any]) -> None:
    """Write an object, as ``json_document`` yields it."""
    write_text(stream, json_document(members))


def json_document(members: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of an object in pieces: the version, the members, a line break.

    A member is a value that ``json.dumps`` takes, an array of finite numbers, an iterator, or a mapping of members. An
    iterator yields the parts of one list: lists or 1-D arrays, each of which takes a line.
    """
    yield from _pieces({"convcli": JSON_VERSION, **members}, "\n")
    yield "\n"


def tensor_to_json(name: str, tensor: Array, remedy: str) -> dict[str, Any]:
    """Return the members that stand for a tensor: its shape, its type and its numbers.

    Raises OptionError, with this name and advice, if a number is NaN or infinite.
    """
    require_finite(name, tensor, remedy)
    return {"shape": tensor.shape, "dtype": str(tensor.dtype), "values": tensor}


def require_finite(name: str, numbers: Array | float, remedy: str) -> None:
    """Raise OptionError if a number is NaN or infinite, which JSON cannot hold. remedy: the advice in the message."""
    if not (isfinite(np.min(numbers, initial=0)) and isfinite(np.max(numbers, initial=0))):
        raise OptionError(f"{name} holds NaN or infinity, which JSON cannot hold: {remedy}")


def _pieces(value: Any, newline: str) -> Iterator[str]:
    """Yield the text of a value. newline: a line break and the indentation of the value's first line."""
    if _is_one_line(value):
        yield _encoded(value)
    elif isinstance(value, np.ndarray) and value.ndim < 2:
        yield from _numbers(value)
    elif isinstance(value, Mapping):
        yield from _lines("{}", (_member(key, member, newline) for key, member in value.items()), newline)
    elif isinstance(value, Iterator):
        yield from _lines("[]", ([_items(part)] for part in value), newline)
    else:
        yield from _lines("[]", (_pieces(row, newline + "  ") for row in value), newline)


def _is_one_line(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_one_line, value.values()))
    return not isinstance(value, np.ndarray | Iterator)


def _numbers(array: Array) -> Iterator[str]:
    """Yield the text of an array of rank 0 or 1, on one line."""
    if array.ndim == 0:
        yield _encoded(array.item())
        return
    yield "["
    for start in range(0, len(array), NUMBERS_AT_ONCE):
        yield ", " * (start > 0) + _items(array[start : start + NUMBERS_AT_ONCE])
    yield "]"


def _items(part: list[Any] | Array) -> str:
    if isinstance(part, np.ndarray) and len(part) >= LONG:
        if not np.isfinite(part).all():
            raise ValueError("expected finite numbers, because JSON has neither NaN nor infinity")
        return ", ".join(numerals(part))
    return _encoded(part.tolist() if isinstance(part, np.ndarray) else part)[1:-1]


def _member(key: str, member: Any, newline: str) -> Iterator[str]:
    yield f"{_encoded(key)}: "
    yield from _pieces(member, newline + "  ")


def _lines(brackets: str, items: Iterable[Iterable[str]], newline: str) -> Iterator[str]:
    """Yield items in brackets, each in a line of its own."""
    before = brackets[0]
    for item in items:
        yield f"{before}{newline}  "
        yield from item
        before = ","
    yield f"{newline}{brackets[1]}" if before == "," else brackets
