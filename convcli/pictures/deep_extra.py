"""Whether the libraries of the extra ``deep`` are there, which read and write colours of more than 8 bits."""

import importlib.util
from functools import cache


@cache
def is_installed() -> bool:
    """Whether they can be imported; nothing is imported to know, and one look is enough."""
    return all(importlib.util.find_spec(name) for name in ("imagecodecs", "tifffile"))
