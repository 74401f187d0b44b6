"""The blocks of a GIF: each frame as it is stored."""

from collections.abc import Iterator
from typing import IO, NamedTuple

_EXTENSION, _IMAGE, _END, _CONTROL = b"!", b",", b";", b"\xf9"
_HAS_TABLE, _TABLE_BITS, _IS_INTERLACED = 0x80, 7, 0x40


class GifFrame(NamedTuple):
    """A frame as it is stored, for a place on the canvas.

    disposal: what becomes of its area once it was shown; 0 if the file does not say it.
    transparent: the transparent index, or None.
    table: its colours in RGB, which may be those of the file.  codes: the compressed indices, with all lengths.
    """

    disposal: int
    transparent: int | None
    left: int
    top: int
    width: int
    height: int
    is_interlaced: bool
    table: bytes
    codes: bytes


def gif_frames(stream: IO[bytes]) -> Iterator[GifFrame]:
    """Yield the frames of a file; in a damaged one, those before the damage."""
    screen = stream.read(13).ljust(13, b"\0")
    shared = _table(stream, screen[10])
    control = bytes(4)
    while kind := stream.read(1):
        if kind == _EXTENSION:
            label, content = stream.read(1), _sub_blocks(stream)
            if label == _CONTROL:
                control = content[1:5].ljust(4, b"\0")
        elif kind == _IMAGE:
            place = stream.read(9).ljust(9, b"\0")
            left, top, width, height = (int.from_bytes(place[at : at + 2], "little") for at in range(0, 8, 2))
            flags = place[8]
            yield GifFrame(
                disposal=control[0] >> 2 & 7,
                transparent=control[3] if control[0] & 1 else None,
                left=left,
                top=top,
                width=width,
                height=height,
                is_interlaced=bool(flags & _IS_INTERLACED),
                table=_table(stream, flags) or shared,
                codes=stream.read(1) + _sub_blocks(stream),
            )
            control = bytes(4)
        elif kind == _END:
            return


def in_sub_blocks(content: bytes) -> bytes:
    """Return the content in blocks of at most 255 bytes, with their lengths, and an empty one at the end."""
    blocks = [content[start : start + 255] for start in range(0, len(content), 255)]
    return b"".join(bytes([len(block)]) + block for block in (*blocks, b""))


def _table(stream: IO[bytes], flags: int) -> bytes:
    return stream.read(3 << (flags & _TABLE_BITS) + 1) if flags & _HAS_TABLE else b""


def _sub_blocks(stream: IO[bytes]) -> bytes:
    """Return blocks with their lengths, and the empty one at the end."""
    parts = []
    while length := stream.read(1):
        parts += [length, stream.read(length[0])]
        if length == b"\0":
            break
    return b"".join(parts)
