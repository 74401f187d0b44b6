"""JSON with places: whatever is wrong is told as ``source:line:column: path: message``, counted from 1.

``read_json`` decodes and hands the document to an interpreter, which raises ``Fault`` at a path of the document.
The place of that path in the text is looked for only then.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from convcli.arrays import FloatArray, first_non_finite
from convcli.errors import JsonError

JsonPath = tuple[str | int, ...]
Interpreted = TypeVar("Interpreted")

_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_QUOTE = 40
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")

# Objects become tuples of pairs, so that a duplicate key is still there to be found. Integers are read as floats:
# int() refuses very long ones, float() makes them infinite, and infinite numbers are refused with their place.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=float)
# Letters to choose from, and more behind them.
_NAME = re.compile(r"\s*\[[^][]+\]\s*\S")
_SEPARATORS = re.compile(r"[ \t\n\r,:]*")


class Fault(Exception):
    """What is wrong at a path. Unless the message says what was given, the text at the path is quoted."""

    def __init__(self, path: JsonPath, message: str, *, says_given: bool = False, at_key: bool = False) -> None:
        self.path, self.message, self.says_given, self.at_key = path, message, says_given, at_key


def read_json(text: str, source: str, interpret: Callable[[object], Interpreted]) -> Interpreted:
    """What ``interpret`` makes of a JSON document; objects come as tuples of pairs, every number as a float.

    source: what errors call the text. Raises JsonError for text that is not JSON, and where interpret faults.
    """
    try:
        return _interpreted(text, source, interpret)
    except RecursionError:
        raise JsonError(f"{place(source, text, 0)}: lists nested too deeply to read") from None


def is_inline_array(word: str) -> bool:
    """Whether a word is meant as a list of JSON, right or wrong, and not as the name of a file, as ``[ab].png`` is."""
    return word.lstrip().startswith("[") and not _NAME.match(word)


def decoded(data: bytes, source: str, expected: str) -> str:
    """Bytes as UTF-8 text; JsonError with the place of the first byte that is not, saying what was expected."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        where = place(source, before, len(before))
        raise JsonError(f"{where}: expected {expected}, given byte 0x{data[error.start]:02x}") from None


def parse_array_json(text: str, source: str) -> FloatArray:
    """A number or nested lists of numbers as a float64 array of any rank."""

    def array(document: object) -> FloatArray:
        shape, numbers = rectangle(document, ())
        return finite(numbers, shape, ())

    return read_json(text, source, array)


def place(source: str, text: str, offset: int) -> str:
    """``source:line:column`` of the character at an offset of the text."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return f"{source}:{line}:{column}"


def _interpreted(text: str, source: str, interpret: Callable[[object], Interpreted]) -> Interpreted:
    if text.startswith(_BYTE_ORDER_MARK):
        raise JsonError(f"{place(source, text, 0)}: expected UTF-8 without a byte order mark, given one")
    try:
        return interpret(_DECODER.decode(text))
    except json.JSONDecodeError as error:
        found = repr(text[error.pos]) if error.pos < len(text) else "the end of the text"
        raise JsonError(f"{place(source, text, error.pos)}: invalid JSON at {found}: {error.msg}") from None
    except Fault as fault:
        raise JsonError(_report(fault, source, text)) from None


def rectangle(value: object, path: JsonPath) -> tuple[tuple[int, ...], list[float]]:
    """The shape of nested lists, as their first items tell it, and their numbers in row-major order."""
    shape: tuple[int, ...] = ()
    level: list[Any] = [value]
    while level and isinstance(level[0], list):
        length = len(level[0])
        for ordinal, item in enumerate(level):
            if not isinstance(item, list) or len(item) != length:
                first = _path_in_words(path + (0,) * len(shape))
                raise Fault(path + _index(ordinal, shape), f"expected a list of length {length}, like {first}")
        level = list(chain.from_iterable(level))
        shape += (length,)
    for ordinal, item in enumerate(level):
        if not isinstance(item, float):
            raise Fault(path + _index(ordinal, shape), "expected a number")
    return shape, level


def finite(numbers: list[float], shape: tuple[int, ...], path: JsonPath) -> FloatArray:
    """The numbers as a float64 array; a fault at the first that is not finite."""
    values = np.array(numbers, np.float64).reshape(shape)
    index = first_non_finite(values)
    if index is not None:
        raise Fault(path + index, "expected a finite number")
    return values


def _index(ordinal: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of an item counted in row-major order, for shapes of more axes than an array can have."""
    index: tuple[int, ...] = ()
    for length in reversed(shape):
        ordinal, last = divmod(ordinal, length)
        index = (last, *index)
    return index


def _report(fault: Fault, source: str, text: str) -> str:
    position = _position(text, fault.path, fault.at_key)
    path = f"{_path_in_words(fault.path)}: " if fault.path else ""
    given = "" if fault.says_given else f", given {_given(text, position)}"
    return f"{place(source, text, position)}: {path}{fault.message}{given}"


def _path_in_words(path: JsonPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else _key_in_words(step) for step in path)


def _key_in_words(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else _quoted(json.dumps(key))


def _quoted(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _position(text: str, path: JsonPath, at_key: bool) -> int:
    """Offset of the value at a path of valid JSON, or of its key; of duplicate keys, the last."""
    key = value = _past_separators(text, 0)
    for step in path:
        key, value = [(at, after) for name, at, after in _items(text, value) if name == step][-1]
    return key if at_key else value


def _items(text: str, opening: int) -> Iterator[tuple[str | int, int, int]]:
    """Index or key, its offset, and the offset of the value, of every item of the list or object at ``opening``."""
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
    return _quoted(json.dumps(value) if isinstance(value, str) else text[position:end])
