"""Tell by a file's first bytes what it holds."""

from codecs import BOM_UTF8
from enum import Enum

NPY_MAGIC = b"\x93NUMPY"

# More than any kind needs, and whitespace before JSON.
HEAD = 256

_JSON_STARTS = b"[{-0123456789"


class Kind(Enum):
    """What a file holds. OTHER is a picture, if anything that convcli reads."""

    EMPTY = "nothing"
    NPY = "an array of NumPy's"
    JSON = "JSON"
    OTHER = "something else"


def kind_of(head: bytes) -> Kind:
    """Return the kind of a file that starts with these bytes, HEAD of them or all that there are."""
    if not head:
        return Kind.EMPTY
    if head.startswith(NPY_MAGIC):
        return Kind.NPY
    first = head.removeprefix(BOM_UTF8).lstrip()[:1]
    # A Targa picture may start with any byte, but has zeros further on, which JSON does not.
    return Kind.JSON if first and first in _JSON_STARTS and b"\0" not in head else Kind.OTHER
