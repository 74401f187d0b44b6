"""Photoshop's image resources, such as the colour profile of a PSD."""

import struct
from collections.abc import Iterator

PROFILE = 1039


def resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each resource, up to the first that is not complete."""
    at = 0
    while at + 7 <= len(data):
        number, name = struct.unpack_from(">HB", data, at + 4)
        # A name and its length, and the content, take an even number of bytes.
        at += 6 + (name + 2) // 2 * 2
        length = int.from_bytes(data[at : at + 4])
        content = data[at + 4 : at + 4 + length]
        if len(content) < length:
            return
        yield number, content
        at += 4 + (length + 1) // 2 * 2


def resource(data: bytes, wanted: int) -> bytes | None:
    """Return the content of the first resource with this number, or None."""
    return next((content for number, content in resources(data) if number == wanted), None)
