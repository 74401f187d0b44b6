"""Look up the mode that a file has itself, which Pillow knows until it decodes the pixels."""

from typing import Any

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


def beginning(picture: ImageFile) -> bytes:
    """Return the first 64 KB of the file, or no bytes once the picture is loaded."""
    # Pillow closes the file after loading.
    if picture.fp is None:
        return b""
    position = picture.fp.tell()
    picture.fp.seek(0)
    data = picture.fp.read(1 << 16)
    picture.fp.seek(position)
    return data
