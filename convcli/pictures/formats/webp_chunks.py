"""Find and make the chunks that WebP files consist of."""

import struct
from collections.abc import Iterator
from typing import IO

# The chunk of a frame of an animation, which holds chunks itself, after 16 bytes about its place and time.
FRAME, _PLACE = b"ANMF", 16
LOSSLESS, LOSSY = b"VP8L", b"VP8 "


def chunks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the name and length of each chunk, and of those in frames; meanwhile the stream is at their content."""
    start = 12
    while True:
        stream.seek(start)
        head = stream.read(8)
        if len(head) < 8:
            return
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        yield kind, length
        start += 8 + (_PLACE if kind == FRAME else length + length % 2)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length, padded to an even one."""
    return struct.pack("<4sI", kind, len(content)) + content + bytes(len(content) % 2)
