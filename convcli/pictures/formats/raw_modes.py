"""What Pillow has read of a file whose pixels it has not decoded yet."""

from typing import Any

from PIL.ImageFile import ImageFile


def raw_mode(picture: ImageFile) -> str:
    """Return Pillow's name for the file's own mode, "" where its decoder has none."""
    return str(layout(picture)[0]) if picture.tile else ""


def stores_gray_and_alpha(picture: ImageFile) -> bool:
    """Return whether the file has gray and alpha of 16 bits, of which Pillow makes RGBA; unknown once it is loaded."""
    return raw_mode(picture).startswith("LA;16")


def layout(picture: ImageFile) -> tuple[Any, ...]:
    """Return what Pillow's decoder is told; for the picture's first tile."""
    found = picture.tile[0].args
    return found if isinstance(found, tuple) else (found,)


def beginning(picture: ImageFile) -> bytes:
    """Return the first 64 KB of the file."""
    # Pillow has closed the file of a picture that it has loaded.
    if picture.fp is None:
        return b""
    position = picture.fp.tell()
    picture.fp.seek(0)
    found = picture.fp.read(1 << 16)
    picture.fp.seek(position)
    return found
