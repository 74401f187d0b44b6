"""The extra ``deep``: libraries that read and write colours of more than 8 bits."""

import importlib.util
from functools import cache


@cache
def is_installed() -> bool:
    """Return whether the libraries of the extra can be imported, without importing them."""
    return importlib.util.find_spec("imagecodecs") is not None
