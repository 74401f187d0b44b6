"""Keep libtiff from writing to stderr about a damaged file, about which Pillow raises an error too."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import PIL._imaging

from convcli.files.shared_change import SharedChange

# libtiff's functions that set a handler, and return the previous one. None as a handler prints nothing.
_SETTERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@contextmanager
def _silent() -> Iterator[None]:
    """Replace libtiff's handlers, which belong to the whole process, and restore them afterwards."""
    replaced = []
    # If libtiff is linked in statically, its symbols cannot be found, and it still writes to stderr.
    with suppress(AttributeError, OSError):
        for setter in map(ctypes.CDLL(PIL._imaging.__file__).__getattr__, _SETTERS):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            replaced.append((setter, setter(None)))
    try:
        yield
    finally:
        for setter, handler in replaced:
            setter(handler)


SILENT_LIBTIFF = SharedChange(_silent)
