"""The environment variable that makes convcli show the traceback of an error."""

import os

TRACEBACK = "CONVCLI_TRACEBACK"


def wants_tracebacks() -> bool:
    """Return whether the user wants to see the traceback of each error."""
    return bool(os.environ.get(TRACEBACK))
