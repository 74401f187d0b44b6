"""Find the boxes that files of JPEG 2000, JPEG XL and AVIF consist of."""

from collections.abc import Iterator
from os import SEEK_END
from typing import IO


def boxes_around(codestream: bytes, stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield what ``boxes`` yields of a container; a file that begins with a codestream has no boxes."""
    stream.seek(0)
    return iter(()) if stream.read(len(codestream)) == codestream else boxes(stream)


def boxes(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the type and length of the content of each box; meanwhile the stream is at the start of that content."""
    start, size = 0, stream.seek(0, SEEK_END)
    while start + 8 <= size:
        stream.seek(start)
        length, kind, skipped = int.from_bytes(stream.read(4)), stream.read(4), 8
        if length == 1:
            length, skipped = int.from_bytes(stream.read(8)), 16
        # The last box may have the length 0.
        end = min(start + length, size) if length else size
        if end < start + skipped:
            return
        yield kind, end - start - skipped
        start = end
