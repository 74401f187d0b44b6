"""The parameters of a preset: their names, defaults and values."""

import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from convcli.errors import KernelError
from convcli.text import any_of, did_you_mean, real

DIRECTIONS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")


class Domain(NamedTuple):
    """The values that a parameter may have.

    description: describes the values in errors.  convert: returns the value of a text, or raises ValueError.
    """

    description: str
    convert: Callable[[str], Any]


class Parameter(NamedTuple):
    """One parameter of a preset.

    default: the text of its default value.
    is_derived: whether the default is a formula of the other parameters; the builder then receives None.
    """

    name: str
    default: str
    domain: Domain
    is_derived: bool = False


def arguments_of(signature: Sequence[Parameter], given: Sequence[str]) -> list[Any]:
    """Return the value of each parameter of the signature, in order; None for a derived default.

    given: values by position, then ``name=value`` by name. Upper and lower case are equal.
    Raises KernelError for a parameter or a value that the signature does not have.
    """
    if len(given) > len(signature):
        raise KernelError(f"expected at most {len(signature)} parameters, given {len(given)}")
    texts = _texts_by_name([parameter.name for parameter in signature], given)
    return [_value(parameter, texts.get(parameter.name)) for parameter in signature]


def _texts_by_name(names: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    by_position = list(takewhile(lambda item: "=" not in item, given))
    texts = dict(zip(names, by_position, strict=False))
    for item in given[len(by_position) :]:
        name, equals, text = item.partition("=")
        name = name.strip().lower()
        if not equals:
            raise KernelError(f"expected values by name after the first one by name, given {item!r}")
        if name not in names:
            raise KernelError(f"expected a parameter called {any_of(names)}, given {name!r}{did_you_mean(name, names)}")
        if name in texts:
            raise KernelError(f"expected {name} once, given twice")
        texts[name] = text
    return texts


def _value(parameter: Parameter, text: str | None) -> Any:
    if text is None:
        return None if parameter.is_derived else parameter.domain.convert(parameter.default)
    try:
        return parameter.domain.convert(text.strip().lower())
    except ValueError:
        expected = f"{parameter.name} to be {parameter.domain.description}"
        raise KernelError(f"expected {expected}, given {text!r}") from None


def _number(accepts: Callable[[float], bool]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = real(text)
        if not (math.isfinite(value) and accepts(value)):
            raise ValueError
        return value

    return convert


FINITE = Domain("a finite number", _number(lambda value: True))
POSITIVE = Domain("a number above 0", _number(lambda value: value > 0))
NOT_NEGATIVE = Domain("a number of at least 0", _number(lambda value: value >= 0))
AT_LEAST_1 = Domain("a number of at least 1", _number(lambda value: value >= 1))
ABOVE_1 = Domain("a number above 1", _number(lambda value: value > 1))
WHOLE = Domain("a whole number of at least 0", _number(lambda value: value >= 0 and value % 1 == 0))
COUNT = Domain("a whole number of at least 1", _number(lambda value: value >= 1 and value % 1 == 0))
ODD_FROM_3 = Domain("an odd number from 3 to 31", _number(lambda value: 3 <= value <= 31 and value % 2 == 1))
ORDER = Domain("a whole number from 0 to 10", _number(lambda value: 0 <= value <= 10 and value % 1 == 0))
SHARE = Domain("a number from 0 to 1", _number(lambda value: 0 <= value <= 1))
ODD = Domain("an odd number of at least 1", _number(lambda value: value >= 1 and value % 2 == 1))
DIRECTION = Domain(f"one of {', '.join(DIRECTIONS)}", DIRECTIONS.index)


def word_among(words: Sequence[str]) -> Domain:
    """Return the domain of these words."""

    def convert(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return Domain(any_of(words), convert)
