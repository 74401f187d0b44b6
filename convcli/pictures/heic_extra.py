"""The extra ``heic``: pillow-heif, which decodes and encodes HEIC."""

import importlib.util
from functools import cache

from convcli.extras import install_command


def advice(aim: str) -> str:
    """Return how to reach an aim with the extra: the aim, and the command that installs it."""
    return f"{aim}, {install_command('heic')}"


@cache
def is_installed() -> bool:
    """Return whether the library of the extra can be imported, without importing it."""
    return importlib.util.find_spec("pillow_heif") is not None
