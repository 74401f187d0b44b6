"""The names of a convolution's output and gradients, and the letters that stand for them.

Options take names and letters; results use the names.
"""

from collections.abc import Iterable

from convcli.errors import OptionError
from convcli.text import any_of, choice, quoted

SYMBOLS = {"output": "Z", "kernel": "dK", "input": "dV", "bias": "db"}
WRT = ("kernel", "input", "bias")
_TENSORS = {symbol: name for name, symbol in SYMBOLS.items()} | {name: name for name in SYMBOLS}
# A gradient can also be named by the letter of its parameter.
_GRADIENTS = {text: name for text, name in _TENSORS.items() if name in WRT} | {"K": "kernel", "V": "input", "b": "bias"}


def parse_tensor(option: str, text: str) -> str:
    """Return the name of Z or a gradient from its name or letters (``Z``, ``dK``, ``dV``, ``db``).

    Raises OptionError, which names ``option``, for anything else.
    """
    return _TENSORS[choice(option, text, _TENSORS)]


def parse_wrt(wrt: Iterable[str]) -> tuple[str, ...]:
    """Return the names of gradients, each once, from their names or letters (``dK`` or ``K``). Text is split at commas.

    Raises OptionError for anything else.
    """
    try:
        texts = [text.strip() for text in wrt.split(",")] if isinstance(wrt, str) else list(wrt)
    except TypeError:
        raise OptionError(f"expected names of gradients, given {quoted(wrt)}", option="wrt") from None
    names = tuple(dict.fromkeys(_GRADIENTS[choice("wrt", text, _GRADIENTS)] for text in texts))
    if not names:
        raise OptionError(f"expected names of gradients, given none: {any_of(WRT)}", option="wrt")
    return names


def symbol_and_name(text: str) -> tuple[str, ...]:
    """Return the text, and the letters or the name that mean the same tensor: ``dK`` and ``kernel``."""
    synonym = SYMBOLS.get(text) or _TENSORS.get(text)
    return (text,) if synonym is None else (text, synonym)
