"""The extra ``deep``: imagecodecs, which decodes and encodes colours of more than 8 bits."""

import importlib.util
from functools import cache

from convcli.extras import install_command


def advice(aim: str) -> str:
    """Return how to reach an aim with the extra: the aim, and the command that installs it."""
    return f"{aim}, {install_command('deep')}"


@cache
def is_installed() -> bool:
    """Return whether the library of the extra can be imported, without importing it."""
    return importlib.util.find_spec("imagecodecs") is not None
