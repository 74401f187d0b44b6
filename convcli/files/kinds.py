"""Recognise the kind of a file by its first bytes."""

from codecs import BOM_UTF8
from enum import Enum

NPY_MAGIC = b"\x93NUMPY"

# The number of first bytes to look at: enough for every kind, with room for whitespace before JSON.
HEAD = 256

_JSON_STARTS = b"[{-0123456789"


class Kind(Enum):
    """The kind of a file's content. OTHER is a picture, or nothing that convcli reads."""

    EMPTY = "nothing"
    NPY = "an array of NumPy's"
    JSON = "JSON"
    OTHER = "something else"


def kind_of(head: bytes) -> Kind:
    """Return the kind of a file. head: its first HEAD bytes, or all if it has fewer."""
    if not head:
        return Kind.EMPTY
    if head.startswith(NPY_MAGIC):
        return Kind.NPY
    first = head.removeprefix(BOM_UTF8).lstrip()[:1]
    # A Targa picture may start with any byte, but has zeros further on, which JSON does not.
    return Kind.JSON if first and first in _JSON_STARTS and b"\0" not in head else Kind.OTHER
