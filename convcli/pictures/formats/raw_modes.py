"""Look up the mode that a file has itself, which Pillow knows until it decodes the pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any

from PIL.ImageFile import ImageFile


def raw_mode(picture: ImageFile) -> str:
    """Return Pillow's name for the file's own mode, or "" if Pillow's decoder does not take one."""
    return str(layout(picture)[0]) if picture.tile else ""


def stores_gray_and_alpha(picture: ImageFile) -> bool:
    """Return whether the file has gray and alpha of 16 bits, which Pillow loads as RGBA; always False once loaded."""
    return raw_mode(picture).startswith("LA;16")


def layout(picture: ImageFile) -> tuple[Any, ...]:
    """Return the arguments of Pillow's decoder for the picture's first tile; the mode is the first of them."""
    arguments = picture.tile[0].args
    return arguments if isinstance(arguments, tuple) else (arguments,)


def read_as(picture: ImageFile, mode: str, raw_mode: str) -> None:
    """Let Pillow decode the picture from another mode in the file to another mode."""
    picture._mode = mode
    picture.tile = [tile._replace(args=(raw_mode, *layout(picture)[1:])) for tile in picture.tile]


def head_of(picture: ImageFile, count: int) -> bytes:
    """Return the first bytes of the file, or fewer if it is shorter."""
    with from_start(picture) as stream:
        return stream.read(count)


@contextmanager
def from_start(picture: ImageFile) -> Iterator[IO[bytes]]:
    """Yield the open file at its start, and restore its position; the file is empty once the picture is loaded."""
    # Pillow closes the file after loading.
    stream = BytesIO() if picture.fp is None else picture.fp
    position = stream.tell()
    stream.seek(0)
    try:
        yield stream
    finally:
        stream.seek(position)
