"""Read JSON, with errors of the form ``source:line:column: path: message``; lines and columns count from 1.

``read_json`` decodes a document and passes it to a function that interprets it. For a wrong value, that function raises
``Fault`` with the value's path in the document; ``read_json`` then looks up the line and column of this path.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import JsonError
from convcli.files.file_bytes import read_errors
from convcli.files.memory import require_memory
from convcli.layouts import Layout
from convcli.text import BYTE_ORDER_MARK, any_of, shortened

JsonPath = tuple[str | int, ...]
Interpreted = TypeVar("Interpreted")

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")

# Objects become tuples of pairs, so that duplicate keys can be found. Integers are read as floats: int() refuses very
# long ones, float() makes them infinite, and infinite numbers are refused with their place.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=float)
# A file pattern: a choice of letters in brackets, and more text after them.
_FILE_PATTERN = re.compile(r"\s*\[[^][]+\]\s*\S")
# Bytes of Python's objects, measured: an item is a float and its place in two lists, and in an array.
_PER_BYTE, _PER_ITEM, _PER_LIST = 3, 60, 104
_SEPARATORS = re.compile(r"[ \t\n\r,:]*")


class Fault(Exception):
    """An error at a path of a JSON document.

    says_given: whether the message itself says what was given; otherwise the error quotes the text at the path.
    at_key: whether the key at the path is wrong, instead of its value.
    """

    def __init__(self, path: JsonPath, message: str, *, says_given: bool = False, at_key: bool = False) -> None:
        self.path, self.message, self.says_given, self.at_key = path, message, says_given, at_key


def read_json(text: str, source: str, interpret: Callable[[object], Interpreted]) -> Interpreted:
    """Decode a JSON document, and return the result of ``interpret``.

    interpret: takes objects as tuples of pairs, and every number as a float; raises ``Fault`` for a wrong value.
    source: the text's name in errors.  Raises JsonError if the text is not JSON, or for a ``Fault``.
    """
    try:
        return _interpreted(text, source, interpret)
    except RecursionError:
        raise JsonError(f"{place(source, text, 0)}: lists nested too deeply to read") from None


def is_inline_array(text: str) -> bool:
    """Return whether text is meant as a JSON list, even an invalid one, not as a file pattern such as ``[ab].png``."""
    return text.lstrip().startswith("[") and not _FILE_PATTERN.match(text)


def decoded(data: bytes, source: str, expected: str) -> str:
    """Decode JSON's UTF-8; raise JsonError with the place of the first byte that is not UTF-8, and what was expected.

    Raises FileError if what the JSON holds would exceed half of the free memory.
    """
    with read_errors(source):
        require_memory(_size_in_memory(data), "as lists of numbers it takes about", ": use .npy")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        where = place(source, before, len(before))
        raise JsonError(f"{where}: expected {expected}, given byte 0x{data[error.start]:02x}") from None


def _size_in_memory(data: bytes) -> int:
    """Return an upper bound of the bytes that the text, its lists and its numbers take."""
    opened = data.count(b"[") + data.count(b"{")
    return _PER_BYTE * len(data) + _PER_ITEM * data.count(b",") + _PER_LIST * opened


def place(source: str, text: str, offset: int) -> str:
    """Return ``source:line:column`` of the character at an offset of the text."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return f"{source}:{line}:{column}"


def _interpreted(text: str, source: str, interpret: Callable[[object], Interpreted]) -> Interpreted:
    if text.startswith(BYTE_ORDER_MARK):
        raise JsonError(f"{place(source, text, 0)}: expected UTF-8 without a byte order mark, given one")
    try:
        return interpret(_DECODER.decode(text))
    except json.JSONDecodeError as error:
        where = repr(text[error.pos]) if error.pos < len(text) else "the end of the text"
        raise JsonError(f"{place(source, text, error.pos)}: invalid JSON at {where}: {error.msg}") from None
    except Fault as fault:
        raise JsonError(_report(fault, source, text)) from None


def rectangle(value: object, path: JsonPath) -> tuple[tuple[int, ...], list[float]]:
    """Return the shape of nested lists, taken from the first item at each depth, and their numbers in row-major order.

    path: the path of the lists in the document.  Raises Fault at a list of another length, or at an item that is not a
    number.
    """
    shape: tuple[int, ...] = ()
    level: list[Any] = [value]
    while level and isinstance(level[0], list):
        length = len(level[0])
        for ordinal, item in enumerate(level):
            if not isinstance(item, list) or len(item) != length:
                first = _path_text(path + (0,) * len(shape))
                raise Fault(path + _index(ordinal, shape), f"expected a list of length {length}, like {first}")
        level = list(chain.from_iterable(level))
        shape += (length,)
    for ordinal, item in enumerate(level):
        if not isinstance(item, float):
            raise Fault(path + _index(ordinal, shape), "expected a number")
    return shape, level


def finite(numbers: list[float], shape: tuple[int, ...], path: JsonPath) -> FloatArray:
    """Return numbers as a float64 array of this shape. Raises Fault at the first number that is not finite."""
    values = np.array(numbers, np.float64).reshape(shape)
    index = first_non_finite(values)
    if index is not None:
        raise Fault(path + index, "expected a finite number")
    return values


def said_layout(members: Mapping[str, object], key: str, known: Mapping[str, Layout]) -> Layout | None:
    """Return the layout that a member of a document names, or None without the member. Raises Fault for others."""
    if key not in members:
        return None
    name = members[key]
    if not isinstance(name, str) or name not in known:
        raise Fault((key,), f"expected {any_of(list(known))}")
    return known[name]


def _index(ordinal: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return an item's index from its position in row-major order; there may be more axes than NumPy allows."""
    index: tuple[int, ...] = ()
    for length in reversed(shape):
        ordinal, last = divmod(ordinal, length)
        index = (last, *index)
    return index


def _report(fault: Fault, source: str, text: str) -> str:
    position = _position(text, fault.path, fault.at_key)
    path = f"{_path_text(fault.path)}: " if fault.path else ""
    given = "" if fault.says_given else f", given {_given(text, position)}"
    return f"{place(source, text, position)}: {path}{fault.message}{given}"


def _path_text(path: JsonPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else _key_text(step) for step in path)


def _key_text(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else shortened(json.dumps(key))


def _position(text: str, path: JsonPath, at_key: bool) -> int:
    """Return the offset of the value at a path of valid JSON, or of its key; of duplicate keys, the last counts."""
    key = value = _past_separators(text, 0)
    for step in path:
        found = ((at, after) for name, at, after in _items(text, value) if name == step)
        # Of a list, only the items before the wanted one are decoded: a deep path costs no more than the text.
        key, value = next(found) if isinstance(step, int) else deque(found, maxlen=1).pop()
    return key if at_key else value


def _items(text: str, opening: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield the index or key, its offset, and the value's offset of each item of a list or object.

    opening: the offset of the bracket or brace.
    """
    position = _past_separators(text, opening + 1)
    index = 0
    while text[position] not in "]}":
        name: str | int = index
        value = position
        if text[opening] == "{":
            name, end = _DECODER.raw_decode(text, position)
            value = _past_separators(text, end)
        yield name, position, value
        position = _past_separators(text, _DECODER.raw_decode(text, value)[1])
        index += 1


def _past_separators(text: str, position: int) -> int:
    match = _SEPARATORS.match(text, position)
    return position if match is None else match.end()


def _given(text: str, position: int) -> str:
    value, end = _DECODER.raw_decode(text, position)
    if isinstance(value, list):
        return f"a list of length {len(value)}"
    if isinstance(value, tuple):
        return "an object"
    return shortened(json.dumps(value) if isinstance(value, str) else text[position:end])
