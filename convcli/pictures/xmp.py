"""XMP, an XML document about a picture, without what it says about the layout of the old file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.dom.minidom import Element

# The parsed document takes about a hundred times as much memory.
MOST = 1 << 20

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_TIFF, _EXIF, _XMP = (f"http://ns.adobe.com/{name}/1.0/" for name in ("tiff", "exif", "xap"))
# Properties of the pixels as they were stored, and thumbnails of the unfiltered picture.
_DROPPED = {
    *((_TIFF, name) for name in (
        "Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "SamplesPerPixel", "Compression",
        "PhotometricInterpretation", "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning",
    )),
    *((_EXIF, name) for name in ("PixelXDimension", "PixelYDimension")),
    (_XMP, "Thumbnails"),
}  # fmt: skip
# Namespaces about what lies beside the picture in the old file: further XMP, gain maps, depth maps, films, sounds.
_DROPPED_SPACES = {
    "http://ns.adobe.com/xmp/note/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    *(f"http://ns.google.com/photos/1.0/{name}/" for name in ("container", "depthmap", "image", "audio", "camera")),
}


def kept_xmp(data: bytes | None) -> bytes | None:
    """Return XMP in UTF-8 without the properties of the old file, or None if there is none.

    Raises ValueError, ExpatError or RecursionError if it is too large, or not XML.
    """
    data = data or b""
    if not data.startswith(_UTF16):
        data = data.strip(b"\0 \t\r\n")
    if not data:
        return None
    require_harmless(data)
    # Few pictures have XMP, and parsing it takes a long time to import.
    from xml.dom.minidom import parseString

    document = parseString(data)
    assert document.documentElement is not None
    if _drop(document.documentElement) or not _is_utf8(data):
        return "".join(node.toxml() for node in document.childNodes).encode()
    return data


def require_harmless(data: bytes) -> None:
    """Raise ValueError for XML that is too large, or that may define text that expands without end."""
    if len(data) > MOST:
        raise ValueError(f"expected at most {MOST:,} bytes, given {len(data):,}")
    if b"<!DOCTYPE" in data.replace(b"\0", b""):
        raise ValueError("expected XML without a document type")


def _drop(root: "Element") -> int:
    """Remove the properties of the old file, and return their number; each is an element or an attribute."""
    elements = [each for each in _elements(root) if _is_dropped(each.namespaceURI, each.localName)]
    for element in elements:
        if element.parentNode:
            element.parentNode.removeChild(element)
    dropped = len(elements)
    for element in _elements(root):
        names = [name for name in element.attributes.keysNS() if _is_dropped(*name)]
        for name in names:
            element.removeAttributeNS(*name)
        dropped += len(names)
    return dropped


def _elements(root: "Element") -> Iterator["Element"]:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(child for child in element.childNodes if child.nodeType == child.ELEMENT_NODE)


def _is_dropped(space: str | None, name: str | None) -> bool:
    return (space, name) in _DROPPED or space in _DROPPED_SPACES


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"encoding=" not in data[:100]
