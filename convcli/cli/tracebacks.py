"""The switch that shows where an error was raised."""

import os

# The name of the environment variable.
TRACEBACK = "CONVCLI_TRACEBACK"


def wants_tracebacks() -> bool:
    """Return whether the user wants to see the traceback of each error."""
    return bool(os.environ.get(TRACEBACK))
