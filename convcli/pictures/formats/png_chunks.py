"""Find and make the chunks that PNG files consist of."""

import struct
import zlib
from collections.abc import Iterator
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the name and the length of each chunk, up to the last, or to what is no chunk.

    Meanwhile the stream is at the start of the chunk's content.
    """
    start = len(SIGNATURE)
    while True:
        stream.seek(start)
        head = stream.read(8)
        name, length = head[4:], int.from_bytes(head[:4])
        # Names are four letters; what follows the last chunk may be megabytes of anything.
        if len(name) < 4 or not name.isalpha():
            return
        yield name, length
        if name == b"IEND":
            return
        start += length + 12


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
