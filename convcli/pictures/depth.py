"""How many bits a picture's colours have in their file, which Pillow reads at 8 and says nothing."""

from typing import Any

from PIL.ImageFile import ImageFile

# A JPEG 2000 codestream starts so; some bytes on there is the depth of its first channel, less one.
_CODESTREAM = b"\xff\x4f\xff\x51"
_CODESTREAM_DEPTH = 42

# AV1's settings: two bits of the third byte say that there are more than 8 bits, and that there are 12.
_AVIF_SETTINGS = b"av1C"


def stored_bits(picture: ImageFile) -> int:
    """The bits of each channel of a picture of several; 8 where they are no more."""
    if len(picture.getbands()) == 1 or picture.mode == "P":
        return 8
    if picture.format == "JPEG2000":
        return _jpeg2000_bits(_beginning(picture))
    if picture.format == "AVIF":
        return _avif_bits(_beginning(picture))
    if picture.format == "PPM":
        # Up to 255 levels Pillow needs no more than the mode.
        return 16 if picture.tile and _layout(picture)[1:] > (255,) else 8
    raw_mode = _raw_mode(picture)
    return 16 if raw_mode.startswith(("RGB", "LA", "CMYK")) and ";16" in raw_mode else 8


def stores_gray_and_alpha(picture: ImageFile) -> bool:
    """Whether that is what the file has in 16 bits, of which Pillow makes RGBA; forgotten once it is loaded."""
    return _raw_mode(picture).startswith("LA;16")


def _raw_mode(picture: ImageFile) -> str:
    """What Pillow calls the file's own mode, where its decoder goes by one."""
    return str(_layout(picture)[0]) if picture.tile else ""


def _layout(picture: ImageFile) -> tuple[Any, ...]:
    layout = picture.tile[0].args
    return layout if isinstance(layout, tuple) else (layout,)


def _beginning(picture: ImageFile) -> bytes:
    # Of several frames, this is one that has been loaded.
    if picture.fp is None:
        return b""
    position = picture.fp.tell()
    picture.fp.seek(0)
    found = picture.fp.read(1 << 16)
    picture.fp.seek(position)
    return found


def _jpeg2000_bits(head: bytes) -> int:
    at = head.find(_CODESTREAM)
    depth = head[at + _CODESTREAM_DEPTH : at + _CODESTREAM_DEPTH + 1] if at >= 0 else b""
    return max(8, (depth[0] & 0x7F) + 1) if depth else 8


def _avif_bits(head: bytes) -> int:
    at = head.find(_AVIF_SETTINGS)
    settings = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return 12 if settings & 0x60 == 0x60 else 10 if settings & 0x40 else 8
