"""The parameters of a preset: their names, defaults and values."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from convcli.errors import KernelError
from convcli.text import real

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


def arguments_of(signature: tuple[Parameter, ...], given: list[str]) -> list[Any]:
    """Return the value of each parameter, in order: the given ones, and defaults; None for a derived default."""
    if len(given) > len(signature):
        raise KernelError(f"expected at most {len(signature)} parameters, given {len(given)}")
    missing = signature[len(given) :]
    return [
        *map(_convert, signature, given),
        *(None if parameter.is_derived else _convert(parameter, parameter.default) for parameter in missing),
    ]


def _convert(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.domain.convert(text)
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
ODD = Domain("an odd number of at least 1", _number(lambda value: value >= 1 and value % 2 == 1))
DIRECTION = Domain(f"one of {', '.join(DIRECTIONS)}", DIRECTIONS.index)
