"""Photoshop's image resources, in which JPEG and TIFF keep IPTC, and PSD all metadata."""

import struct
from collections.abc import Iterator

from convcli.pictures.metadata import Readers, kept_exif_in, sensible_dpi
from convcli.pictures.xmp import kept_xmp

IPTC = 1028
_RESOLUTION, _PROFILE, _EXIF, _XMP = 1005, 1039, 1058, 1060
_SIGNATURE = b"8BIM"
# What every dataset of IPTC begins with.
_DATASET = b"\x1c"


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


def resource_readers(data: bytes) -> Readers:
    """Return the readers of the metadata in resources."""
    found = dict(reversed([*resources(data)]))
    return {
        "icc": lambda: found.get(_PROFILE),
        "exif": lambda: kept_exif_in(found.get(_EXIF)),
        "dpi": lambda: _dpi(found.get(_RESOLUTION)),
        "xmp": lambda: kept_xmp(found.get(_XMP)),
        "iptc": lambda: require_iptc(found.get(IPTC)),
    }


def _dpi(data: bytes | None) -> tuple[float, float] | None:
    if data is None:
        return None
    x, y = struct.unpack_from(">I4xI", data)
    return sensible_dpi(x / 65536, y / 65536)


def require_iptc(data: bytes | None) -> bytes | None:
    """Return IPTC unchanged, or None if it is empty; raise ValueError if it is something else."""
    if data and not data.startswith(_DATASET):
        raise ValueError("it does not begin as IPTC does")
    return data or None


def resource_of_iptc(iptc: bytes) -> bytes:
    """Return the resource that holds IPTC."""
    return _SIGNATURE + struct.pack(">HxxI", IPTC, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
