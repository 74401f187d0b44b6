"""The extra ``deep``: imagecodecs, which decodes and encodes colours of more than 8 bits."""

import importlib.util
from functools import cache

INSTALL = "pip install 'convcli[deep]'"
TO_READ = f"to read it, {INSTALL}"


@cache
def is_installed() -> bool:
    """Return whether the library of the extra can be imported, without importing it."""
    return importlib.util.find_spec("imagecodecs") is not None
