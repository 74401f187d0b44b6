"""JPEG. Pillow knows 8 bits per channel; the extra ``deep`` reads the other depths."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from convcli.arrays import Array
from convcli.files.file_bytes import contents, first_bytes
from convcli.pictures import deep_extra
from convcli.pictures.formats.format import Coding, Decoding, Format
from convcli.pictures.formats.levels import decoding_by_extra
from convcli.pictures.formats.raw_modes import from_start
from convcli.pictures.image import JpegTables, Metadata, Stored
from convcli.pictures.metadata import Readers
from convcli.pictures.photoshop import IPTC, require_iptc, resource, resource_of_iptc
from convcli.text import in_one_line

# Encoders write about ten scans; a scan of a few bytes takes as long to decode as any other.
MOST_SCANS = 100

# The most bytes of a segment, and how segments of XMP and IPTC begin.
_SEGMENT = 65533
_XMP, _PHOTOSHOP = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
# How other segments begin that are read, or that are about how the pixels are stored.
_READ = (_XMP, _PHOTOSHOP, b"JFIF\0", b"JFXX\0", b"Exif\0", b"ICC_PROFILE\0", b"Adobe")

_MAGIC = b"\xff\xd8\xff"
_SCAN, _END = 0xDA, 0xD9
# Within a scan, the byte 255 is followed by 0, or by a mark to restart at; what else follows it is a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# The markers of frame headers: those from SOF0 to SOF15 that are not of tables or of arithmetic coding.
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class Jpeg(Format):
    """The format JPEG."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        bits = _bits(picture)
        if bits != 8 and picture.mode == "CMYK":
            return f"it is a JPEG of {bits}-bit CMYK: convert it to RGB first"
        if bits != 8 and not deep_extra.is_installed():
            return f"it is a {bits}-bit JPEG: {deep_extra.advice('to read it')}"
        if _scans(picture) > MOST_SCANS:
            return f"it has more than {MOST_SCANS} scans, each of which would draw the whole picture"
        return ""

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding by the extra ``deep`` of depths that Pillow does not know."""
        bits = _bits(picture)
        return None if bits == 8 else decoding_by_extra(_levels, bits)

    def metadata_readers(self, picture: ImageFile, file: Path | BytesIO) -> Readers:
        """Return the readers of the metadata, which may be split into several segments."""
        comment = b"\n".join(_segments(picture, "COM")).strip(b"\0")
        resources = b"".join(
            data.removeprefix(_PHOTOSHOP) for data in _segments(picture, "APP13") if data.startswith(_PHOTOSHOP)
        )
        readers = super().metadata_readers(picture, file)
        return {**readers, "comment": lambda: comment or None, "iptc": lambda: require_iptc(resource(resources, IPTC))}

    def dropped_parts(self, picture: ImageFile, file: Path | BytesIO) -> Iterator[str]:
        """Yield a sentence about segments of other programs, such as further pictures and signatures."""
        assert isinstance(picture, JpegImageFile)
        others = [each for each in picture.applist if each[0] != "COM" and not each[1].startswith(_READ)]
        if others:
            names = {f"{name} {data[:40].split(bytes(1))[0].decode('latin-1')}".strip() for name, data in others}
            yield f"segments of other programs are dropped: {in_one_line(', '.join(sorted(names)))}"

    def metadata_options(self, metadata: Metadata) -> dict[str, Any]:
        """Return Pillow's options for the metadata; IPTC is a segment that Pillow does not know."""
        options = super().metadata_options(metadata)
        if not metadata.iptc:
            return options
        content = _PHOTOSHOP + resource_of_iptc(metadata.iptc)
        return {**options, "extra": b"\xff\xed" + (len(content) + 2).to_bytes(2) + content}

    def coding_notes(self, stored: Stored) -> Iterator[str]:
        """Yield a sentence about a subsampling that Pillow does not write, such as 4:1:1 and 4:4:0."""
        if stored.tables and stored.tables.other_subsampling:
            yield "the chroma subsampling of the image is not written: colours are stored at full resolution"

    def options(self, coding: Coding) -> dict[str, Any]:
        """Return the encoding of the JPEG that the picture comes from, or ImageMagick's defaults.

        These are quality 92, and chroma at full resolution. A quality replaces the quantisation, not the subsampling.
        """
        quality, tables = coding.quality, coding.stored.tables
        subsampling = 0 if tables is None or tables.subsampling is None else tables.subsampling
        options = {"subsampling": subsampling, "progressive": coding.stored.progressive}
        if quality is None and tables is not None:
            return {**options, "qtables": [list(table) for table in tables.quantisation]}
        return {**options, "quality": 92 if quality is None else quality}

    def stored(self, picture: ImageFile) -> Stored:
        """Return the tables, and whether the picture is progressive."""
        assert isinstance(picture, JpegImageFile)
        return Stored(_tables(picture), progressive=bool(picture.info.get("progressive")))


# The header has 16 bits for a side, of which libjpeg takes a little less. Most metadata is one segment.
JPEG = Jpeg(
    "jpeg",
    ("jpg", "jpeg", "jpe", "jfif"),
    has_quality=True,
    decoded_in_place=True,
    most_side=65500,
    metadata=("icc", "exif", "dpi", "xmp", "iptc", "comment"),
    limits=(
        ("exif", _SEGMENT),
        ("xmp", _SEGMENT - len(_XMP)),
        ("iptc", _SEGMENT - len(_PHOTOSHOP) - 13),
        ("comment", _SEGMENT),
    ),
)


def open_deep(file: Path | BytesIO) -> ImageFile | None:
    """Open a JPEG that Pillow refuses for its depth, which is then in ``picture.bits``; return None for other files.

    Pillow reads a header that says 8 bits, so that sizes, EXIF and the profile are read as usual; not the pixels.
    """
    if first_bytes(file, len(_MAGIC)) != _MAGIC:
        return None
    data = bytearray(contents(file))
    place = _place_of_depth(data)
    if place is None:
        return None
    bits, data[place] = data[place], 8
    try:
        picture = PIL.Image.open(BytesIO(data), formats=["JPEG"])
    except PIL.UnidentifiedImageError:
        return None
    assert isinstance(picture, JpegImageFile)
    picture.bits = bits
    return picture


def _place_of_depth(data: bytearray) -> int | None:
    """Return the offset of the depth in the header of the frame, or None if there is no header."""
    at = 2
    while at + 4 < len(data) and data[at] == 0xFF:
        if data[at + 1] in FRAMES:
            return at + 4
        # A marker may follow any number of bytes of 255.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _tables(picture: JpegImageFile) -> JpegTables | None:
    """Return the tables of gray or of luma and chroma; None for other colours, which need other tables."""
    if picture.mode not in ("L", "RGB") or picture.info.get("adobe_transform") == 0:
        return None
    quantisation = tuple(tuple(table) for _, table in sorted(picture.quantization.items()))
    subsampling = get_sampling(picture)
    if not quantisation:
        return None
    if subsampling >= 0:
        return JpegTables(quantisation, subsampling)
    return JpegTables(quantisation, None, other_subsampling=len({layer[1:3] for layer in picture.layer}) > 1)


def _scans(picture: ImageFile) -> int:
    """Return the number of scans of a progressive picture, up to one more than MOST_SCANS; 0 for other pictures."""
    if not picture.info.get("progressive"):
        return 0
    with from_start(picture) as stream:
        data = stream.read()
    at, scans = 2, 0
    while scans <= MOST_SCANS and (found := _MARKER.search(data, at)) and found[0][1] != _END:
        scans += found[0][1] == _SCAN
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return scans


def _segments(picture: ImageFile, name: str) -> list[bytes]:
    assert isinstance(picture, JpegImageFile)
    return [data for segment, data in picture.applist if segment == name]


def _bits(picture: ImageFile) -> int:
    return int(getattr(picture, "bits", 8))


def _levels(data: bytes) -> Array:
    import imagecodecs

    levels: Array = imagecodecs.jpeg8_decode(data)
    return levels
