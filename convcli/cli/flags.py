"""Flags in place of the parameters that messages name.

The library names parameters, in backquotes: "`max_pixels` 72 reads it", "add a `kernel`". A flag is its parameter's
name with dashes, as Typer makes it: "--max-pixels 72 reads it", "add a --kernel". Tests assert that every parameter
that the library names is an option of a command.
"""

import re

from convcli.errors import ConvcliError

_PARAMETER = re.compile(r"`([a-z]+(?:_[a-z]+)*)`")


def with_flags(message: str) -> str:
    """Return the message with a flag in place of each parameter."""
    return _PARAMETER.sub(lambda found: f"--{found[1].replace('_', '-')}", message)


def message_of(error: ConvcliError) -> str:
    """Return the error's message, after the option that it is about, which is in backquotes too."""
    return f"`{error.option}`: {error.message}" if error.option else error.message
