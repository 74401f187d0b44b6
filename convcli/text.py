"""Text from outside: numbers, choices, and text that is safe to show on a terminal."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType, UnionType

from convcli.errors import OptionError

# Some programs write it at the beginning of UTF-8.
BYTE_ORDER_MARK = "\ufeff"
_SHOWN, _QUOTED = 1000, 40


def integer(text: str) -> int:
    """Return a whole number that is written in ASCII digits.

    Raises ValueError for other text, including ``1_000`` and digits of other alphabets.
    """
    return int(_plain(text))


def real(text: str) -> float:
    """Return a number that is written in ASCII, or ``inf`` or ``nan``. Raises ValueError for other text."""
    return float(_plain(text))


def choice(option: str, given: str, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is allowed.

    Raises OptionError, which names the option, every allowed word, and the nearest of them.
    """
    words = list(allowed)
    if isinstance(given, str) and given in words:
        return given
    raise OptionError(f"expected {any_of(words)}, given {quoted(given)}{did_you_mean(given, words)}", option=option)


def true_or_false(option: str, value: object) -> bool:
    """Return the value as a bool. Raises OptionError, which names the option, for anything but True and False."""
    if not (isinstance(value, Hashable) and value in (True, False)):
        raise OptionError(f"expected True or False, given {quoted(value)}", option=option)
    return bool(value)


def require_type(option: str, value: object, kinds: type | UnionType, expected: str) -> None:
    """Raise OptionError, which names the option and what is expected, unless the value has one of these types."""
    if not isinstance(value, kinds):
        raise OptionError(f"expected {expected}, given {quoted(value)}", option=option)


def any_of(words: Sequence[str]) -> str:
    """Return ``a, b or c``."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def span(numbers: Sequence[int]) -> str:
    """Return ``first..last``, or the only number."""
    return f"{numbers[0]}..{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"


def did_you_mean(given: str, words: Iterable[str], other_names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return ``; did you mean b?`` for the word nearest to what was given, nothing if none is near.

    other_names: words of other programs, each with its word here, which counts only if it is in ``words``.
    """
    # Imported here because only mistakes need it.
    from difflib import get_close_matches

    lower = {word.lower(): word for word in words}
    meant = other_names.get(str(given).lower())
    # Only words of convcli may be misspelt: a median is not nearly a mean.
    near = [meant] if meant in lower else get_close_matches(str(given).lower(), lower, n=1, cutoff=0.7)
    return f"; did you mean {lower[near[0]]}?" if near else ""


def quoted(value: object) -> str:
    """Return what was given, for a message of one line: text without its middle if it is long, else its beginning."""
    return in_one_line(repr(value)) if isinstance(value, str) else shortened(" ".join(repr(value).split()))


def shortened(text: str) -> str:
    """Return the beginning of a text, to be quoted in a message."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def in_one_line(text: str) -> str:
    r"""Return the text with its control characters escaped, and without its middle if it is long.

    A byte of a name that is not UTF-8 is shown as ``\xff``.
    """
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in _cut(text))


def _plain(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or "_" in text:
        raise ValueError(f"expected a number in ASCII digits, given {text!r}")
    return text


def _cut(text: str) -> str:
    half = _SHOWN // 2
    left_out = len(text) - _SHOWN
    return f"{text[:half]}... ({left_out:,} characters) ...{text[-half:]}" if left_out > half else text


def _escaped(letter: str) -> str:
    # Bytes that are not UTF-8 come as the lower half of a pair of surrogates.
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
