"""Metadata of a picture: what is kept of it, what is dropped with a sentence, and what other programs find again."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL.ExifTags import Base
from PIL.PngImagePlugin import PngInfo
from support.pictures import IPTC, SRGB, XMP, encoded, exif_of, parsed, picture, random_pixels
from support.tiffs import ASCII, BYTE, RATIONAL, page_tags, tiff_file

from convcli.errors import FileError
from convcli.functional import filter_image
from convcli.pictures.formats import format_of
from convcli.pictures.georeference import Georeference
from convcli.pictures.image import Image, Metadata, Text
from convcli.pictures.photoshop import resource_of_iptc
from convcli.pictures.reading import read_header, read_image
from convcli.pictures.writing import encode_image
from convcli.pictures.xmp import MOST, kept_xmp

HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    '"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:n="http://ns.adobe.com/xmp/note/"'
)
TAIL = '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'


def packet(attributes: str = "", elements: str = "") -> bytes:
    """Return XMP whose description has these attributes and elements."""
    return f"{HEAD}{attributes}>{elements}</rdf:Description>{TAIL}".encode()


def jpeg_of(*segments: tuple[int, bytes]) -> bytes:
    """Return a JPEG with these segments at its start, each a marker and its content."""
    data = encoded(picture("RGB"), "JPEG")
    more = [b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content for marker, content in segments]
    return data[:2] + b"".join(more) + data[2:]


def png_of(*chunks: tuple[bytes, bytes], behind: bool = True) -> bytes:
    """Return a PNG with these chunks before its end, or before its pixels."""
    data = encoded(picture("RGB"), "PNG")
    more = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    at = data.index(b"IEND" if behind else b"IDAT") - 4
    return data[:at] + more + data[at:]


def again(image: Image, name: str) -> Image:
    """Return the image, written and read in this format."""
    return read_image(encode_image(image.pixels, image.alpha, format_of(name), image.metadata))


@pytest.mark.parametrize(
    ("attributes", "elements"),
    [
        (' tiff:Orientation="6"', ""),
        ("", "<tiff:Orientation>6</tiff:Orientation>"),
        (' exif:PixelXDimension="9" exif:PixelYDimension="8"', "<tiff:ImageLength>8</tiff:ImageLength>"),
        ("", "<xmp:Thumbnails><rdf:Alt><rdf:li>JPEG</rdf:li></rdf:Alt></xmp:Thumbnails>"),
        (' n:HasExtendedXMP="0123"', ""),
    ],
)  # fmt: skip
def test_xmp_about_the_old_file_is_dropped(attributes: str, elements: str) -> None:
    kept = (kept_xmp(packet(' tiff:Make="Äß"' + attributes, elements)) or b"").decode()
    assert 'tiff:Make="Äß"' in kept
    # The declarations of the namespaces remain.
    assert re.findall("Orientation|Dimension|Image|Thumb|JPEG|Extended", kept) == []


def test_other_prefixes_are_understood() -> None:
    other = packet(elements='<a:Orientation xmlns:a="http://ns.adobe.com/tiff/1.0/">6</a:Orientation>')
    assert b"Orientation" not in (kept_xmp(other) or b"")


def test_xmp_without_such_properties_keeps_its_bytes() -> None:
    assert kept_xmp(b"\n" + XMP + b" \0") == XMP
    assert kept_xmp(None) is kept_xmp(b" ") is None


def test_xmp_becomes_utf8() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><a title="größer &amp; &lt;"/>'
    assert kept_xmp(text.encode("utf-16")) == '<a title="größer &amp; &lt;"/>'.encode()


@pytest.mark.parametrize(
    ("xmp", "reason"),
    [
        (b"<a><b></a>", "mismatched tag"),
        (b"<a>" + b"x" * MOST + b"</a>", "expected at most 1,048,576 bytes, given 1,048,583"),
        (b'<!DOCTYPE a [<!ENTITY a "haha">' + b"".join(
            b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in b"abcdefgh") + b"]><a>&i;</a>",
         "expected XML without a document type"),
        (b'<a t="1" xmlns:n="http://ns.adobe.com/xmp/note/" n:a="">' + b"<b>" * 5000 + b"</b>" * 5000 + b"</a>",
         "recursion"),
    ],
)  # fmt: skip
def test_damaged_xmp_is_dropped_with_a_warning(xmp: bytes, reason: str) -> None:
    image = read_image(tiff_file((page_tags(4, 4, 3, t700=(BYTE, xmp)), bytes(48))))
    (warning,) = image.warnings
    assert warning.startswith("XMP is dropped, because it is damaged: ")
    assert reason in warning
    assert image.metadata == Metadata()


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif"])
def test_a_picture_that_only_xmp_turns_is_not_turned_twice(name: str) -> None:
    stored = read_image(encoded(picture("RGB"), "PNG"))
    turned = read_image(
        encode_image(stored.pixels, None, format_of("webp"), Metadata(xmp=packet(' tiff:Orientation="6"')))
    )
    assert turned.pixels.shape == (3, *stored.pixels.shape[:0:-1])
    assert again(turned, name).pixels.shape == turned.pixels.shape


def test_iptc_between_other_resources_and_in_several_segments_is_found() -> None:
    resources = b"8BIM\x04\x0c\x03abc" + struct.pack(">I", 5) + b"thumb\0" + resource_of_iptc(IPTC)
    halves = [(0xED, b"Photoshop 3.0\0" + half) for half in (resources[:20], resources[20:])]
    assert read_image(jpeg_of(*halves)).metadata.iptc == IPTC
    assert read_image(tiff_file((page_tags(4, 4, 3, t34377=(BYTE, resources)), bytes(48)))).metadata.iptc == IPTC


@pytest.mark.parametrize("iptc", [b"wordword", resource_of_iptc(IPTC)])
def test_damaged_iptc_is_dropped_with_a_warning(iptc: bytes) -> None:
    image = read_image(tiff_file((page_tags(4, 4, 3, t33723=(BYTE, iptc)), bytes(48))))
    assert image.metadata.iptc is None
    assert image.warnings == ("IPTC is dropped, because it is damaged: it does not begin as IPTC does",)


@pytest.mark.parametrize("cut", [0, 4, 8, 12, 14, 18])
def test_cut_resources_hold_nothing(cut: int) -> None:
    cut_off = resource_of_iptc(IPTC)[:-2][:cut]
    assert read_image(jpeg_of((0xED, b"Photoshop 3.0\0" + cut_off))).metadata.iptc is None


def test_all_comments_of_a_jpeg_are_one() -> None:
    image = read_image(jpeg_of((0xFE, b"first"), (0xFE, b"second\0")))
    assert image.metadata.comment == b"first\nsecond"
    assert again(image, "png").metadata.comment == again(image, "gif").metadata.comment == b"first\nsecond"


def test_a_comment_in_latin_1_becomes_text() -> None:
    assert again(read_image(jpeg_of((0xFE, b"gr\xf6\xdfer"))), "png").metadata.comment == "größer".encode()


def test_segments_of_other_programs_are_named() -> None:
    image = read_image(jpeg_of((0xE2, b"MPF\0more"), (0xEB, b"JP\0\1"), (0xE7, b"\xff\n" * 9)))
    assert image.notes == (
        r"segments of other programs are dropped: APP11 JP, APP2 MPF, APP7 ÿ\nÿ\nÿ\nÿ\nÿ\nÿ\nÿ\nÿ\nÿ",
    )


@pytest.mark.parametrize("behind", [False, True])
def test_texts_of_a_png_before_and_behind_the_pixels(behind: bool) -> None:
    chunks = [
        (b"tEXt", b"Title\0caf\xe9"), (b"zTXt", b"Author\0\0" + zlib.compress(b"me")),
        (b"iTXt", "Title\0\0\0fr\0Titre\0été".encode()), (b"iTXt", b"Long\0\1\0\0\0" + zlib.compress("é".encode() * 9)),
        (b"tEXt", b"comment\0hello"), (b"tEXt", b"dpi\0none"), (b"tEXt", b"Raw profile type exif\0\n"),
    ]  # fmt: skip
    image = read_image(png_of(*chunks, behind=behind))
    texts = (
        Text("Title", "café"), Text("Author", "me"), Text("Title", "été", "fr", "Titre"), Text("Long", "é" * 9),
        Text("dpi", "none"),
    )  # fmt: skip
    assert image.metadata.texts == texts == again(image, "png").metadata.texts
    assert image.metadata.comment == b"hello"


def test_iptc_and_xmp_as_imagemagick_writes_them() -> None:
    def raw(kind: str, data: bytes) -> tuple[bytes, bytes]:
        lines = "\n".join(data.hex()[at : at + 72] for at in range(0, 2 * len(data), 72))
        return b"tEXt", f"Raw profile type {kind}\0\n{kind}\n{len(data):8}\n{lines}\n".encode()

    image = read_image(png_of(raw("xmp", XMP), raw("8bim", resource_of_iptc(IPTC))))
    assert (image.metadata.xmp, image.metadata.iptc, image.metadata.texts) == (XMP, IPTC, None)
    assert read_image(png_of(raw("iptc", IPTC))).metadata.iptc == IPTC


def test_chunks_of_other_programs_are_named() -> None:
    image = read_image(png_of((b"caBX", b""), (b"oFFs", bytes(9)), (b"tIME", bytes(7))))
    assert image.notes == ("chunks of other programs are dropped: caBX oFFs",)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_expands_without_end_is_refused(kind: bytes, behind: bool) -> None:
    head = b"Title\0\1\0\0\0" if kind == b"iTXt" else b"Title\0\0"
    data = png_of((kind, head + zlib.compress(bytes(3 << 20))), behind=behind)
    with pytest.raises(
        FileError, match=r"^cannot read <bytes>: a text or the colour profile unpacks to more than 1 MB"
    ):
        read_image(data)


def test_damaged_text_takes_nothing_else_with_it() -> None:
    image = read_image(png_of((b"eXIf", exif_of().tobytes()[6:]), (b"iTXt", b"Title\0\0\0\0\0\xff"), behind=False))
    assert image.metadata.exif is not None
    assert image.metadata.texts is None
    assert any(warning.startswith("PNG text is dropped, because it is damaged: ") for warning in image.warnings)


def test_the_header_of_a_picture_does_not_read_its_text() -> None:
    """Its length is a lie, at which reading would fail."""
    data = png_of((b"tEXt", b"Title\0text"))
    assert read_header(data[:-30]).shape == read_header(data).shape


def test_the_metadata_of_a_psd_is_read() -> None:
    def resource(number: int, content: bytes) -> bytes:
        return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + b"\0" * (len(content) % 2)

    resolution = struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
    found = [(1005, resolution), (1028, IPTC), (1058, exif_of().tobytes()[6:]), (1060, XMP)]
    resources = b"".join(resource(*each) for each in found)
    for bits in (8, 16):
        head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHHI", 1, 2, 3, bits, 1, 0)
        data = head + struct.pack(">I", len(resources)) + resources + bytes(4) + bytes(2) + bytes(6 * bits // 8)
        metadata = read_image(data).metadata
        assert (metadata.xmp, metadata.iptc, metadata.dpi) == (XMP, IPTC, (300, 150))
        assert metadata.exif is not None


@pytest.mark.parametrize(("kind", "most"), [("xmp", 65504), ("iptc", 65506), ("comment", 65533)])
def test_the_largest_block_of_a_jpeg_is_written_and_a_larger_one_is_not(kind: str, most: int) -> None:
    pixels, jpeg = random_pixels(3), format_of("jpeg")
    for length, kept in ((most, True), (most + 1, False)):
        start, end = (b"<a>", b"</a>") if kind == "xmp" else (b"\x1c", b"")
        block = start + b"x" * (length - len(start + end)) + end
        metadata = Metadata(**{kind: block})
        found = read_image(encode_image(pixels, None, jpeg, metadata)).metadata
        assert getattr(found, kind) == (block if kept else None)
        assert [*jpeg.metadata_losses(metadata, 3)] == ([] if kept else [kind])


EXIFTOOL = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")


def exiftool(*arguments: object) -> str:
    command = ["exiftool", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.conformance
@EXIFTOOL
@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("target", ["jpeg", "png", "tiff", "webp", "avif"])
def test_exiftool_finds_what_it_has_written(source: str, target: str, tmp_path: Path) -> None:
    tags = {"EXIF:Artist": "me", "XMP-dc:Title": "Größe", "IPTC:Keywords": "word", "EXIF:GPSLatitude": "12.5",
            "EXIF:GPSLatitudeRef": "N"}  # fmt: skip
    if source == "a.webp":
        del tags["IPTC:Keywords"]
    path = tmp_path / source
    path.write_bytes(encode_image(random_pixels(3), None, format_of(source[2:]), Metadata()))
    exiftool("-q", "-overwrite_original", *(f"-{tag}={value}" for tag, value in tags.items()),
             "-XMP-tiff:Orientation#=6", "-XMP-exif:ExifImageWidth=9", path)  # fmt: skip
    image = read_image(path)
    assert image.warnings == ()
    written = tmp_path / f"b.{target}"
    written.write_bytes(encode_image(image.pixels, None, format_of(target), image.metadata))
    (found,) = json.loads(exiftool("-j", "-G", "-n", "-struct", written))
    assert "ExifTool:Warning" not in found
    assert found["EXIF:Artist"] == "me"
    assert found["EXIF:GPSLatitude"] == pytest.approx(12.5)
    assert found["XMP:Title"] == "Größe"
    assert not {"XMP:Orientation", "XMP:ExifImageWidth"} & {*found}
    assert found.get("IPTC:Keywords") == (tags.get("IPTC:Keywords") if "iptc" in format_of(target).metadata else None)


@pytest.mark.conformance
@pytest.mark.skipif(shutil.which("convert") is None, reason="ImageMagick is not installed")
def test_imagemagick_finds_the_comment_and_texts(tmp_path: Path) -> None:
    source, written = tmp_path / "a.png", tmp_path / "b.png"
    subprocess.run(
        ["convert", "-size", "4x4", "xc:red", "-set", "comment", "hello", "-set", "Title", "night", source],
        check=True, timeout=60,
    )  # fmt: skip
    image = read_image(source)
    written.write_bytes(encode_image(image.pixels, None, format_of("png"), image.metadata))
    found = subprocess.run(
        ["identify", "-format", "%[comment]|%[Title]", written], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert found == "hello|night"


def test_a_text_that_claims_to_be_a_profile_is_none() -> None:
    info = PngInfo()
    info.add_text("icc_profile", "text")
    info.add_text("xmp", "text")
    stream = BytesIO()
    PIL.Image.fromarray(np.zeros((2, 2), np.uint8)).save(stream, "PNG", pnginfo=info)
    assert read_image(stream.getvalue()).metadata == Metadata(texts=(Text("icc_profile", "text"), Text("xmp", "text")))


def box_of(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def test_the_metadata_of_a_jpeg_xl_is_read() -> None:
    code = bytes(imagecodecs.jpegxl_encode(np.zeros((4, 5, 3), np.uint8), usecontainer=False))
    start = [box_of(b"JXL ", b"\r\n\x87\n"), box_of(b"ftyp", b"jxl \0\0\0\0jxl ")]
    exif = bytes(4) + exif_of(orientation=6).tobytes()[6:]
    boxes = [*start, box_of(b"Exif", exif), box_of(b"xml ", XMP), box_of(b"jxlc", code), box_of(b"brob", b"Exif")]
    image = read_image(b"".join(boxes))
    assert image.metadata.xmp == XMP
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"
    assert image.notes == ("boxes that are not read are dropped: brob",)
    assert read_image(code).metadata == Metadata()
    damaged = read_image(b"".join([*start, box_of(b"Exif", b"\0\0\0\0II*\0\xff"), box_of(b"jxlc", code)]))
    assert damaged.warnings[0].startswith("EXIF is dropped, because it is damaged: ")


XMP_BOX, GEOTIFF_BOX = "be7acfcb97a942e89c71999491e3afac", "b14bf8bd083d4b43a5ae8cd7d5a6ce03"


def test_xmp_and_the_georeference_of_a_jpeg_2000_are_read() -> None:
    scale, tie = (33550, "d", 3, (10.0, 5.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 5.4e6, 0.0), True)
    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((1, 1), np.uint8), extratags=[scale, tie], metadata=None)
    plain = encoded(picture("RGB"), "JPEG2000")
    boxes = [
        box_of(b"uuid", bytes.fromhex(XMP_BOX) + XMP),
        box_of(b"uuid", bytes.fromhex(GEOTIFF_BOX) + stream.getvalue()),
        box_of(b"asoc", b"lbl gml.data"),
    ]
    at = plain.index(b"jp2c") - 4
    image = read_image(plain[:at] + b"".join(boxes) + plain[at:])
    assert image.metadata.xmp == XMP
    assert image.metadata.geo == Georeference(((33550, scale[3]), (33922, tie[3])))
    assert (image.notes, image.warnings) == ((), ())
    by_gml = read_image(plain[:at] + boxes[2] + plain[at:])
    assert by_gml.warnings == ("the georeference is dropped, because it is not read from GML",)
    damaged = read_image(plain[:at] + boxes[1][:60].replace(boxes[1][:4], struct.pack(">I", 60)) + plain[at:])
    assert damaged.warnings[0].startswith("the georeference is dropped, because it is damaged: ")
    assert read_image(plain).metadata == Metadata()


def test_celestial_coordinates_are_a_warning() -> None:
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2",
             "NAXIS1  =                    3", "NAXIS2  =                    2"]  # fmt: skip
    for more, warnings in (([], 0), (["CTYPE1  = 'RA---TAN'"], 1)):
        head = "".join(f"{card:80}" for card in [*cards, *more, "END"]).encode()
        image = read_image(head.ljust(2880) + bytes(2880))
        loss = "the celestial coordinates (WCS) are dropped, because no format of output stores them"
        assert image.warnings == (loss,) * warnings


def test_tiff_tags_of_other_programs_are_named() -> None:
    kept = {"t270": (ASCII, b"ImageJ=1\0"), "t305": (ASCII, b"me\0")}
    tags = page_tags(4, 4, 3, t319=(RATIONAL, [1, 3] * 6), t65001=(BYTE, b"ab"), **kept)
    image = read_image(tiff_file((tags, bytes(48))))
    assert image.notes == (
        "tags of other programs are dropped: PrimaryChromaticities, 65001",
        "the description of ImageJ or OME is dropped",
    )
    many = {f"t{65000 + number}": (BYTE, b"ab") for number in range(20)}
    (note,) = read_image(tiff_file((page_tags(4, 4, 3, **many), bytes(48)))).notes
    assert note == f"tags of other programs are dropped: {', '.join(map(str, range(65000, 65008)))}, ..."


def profile_of(gamma: float) -> bytes:
    """Return the profile of sRGB with this gamma in its curve."""
    at = SRGB.index(b"para") + 12
    return SRGB[:at] + struct.pack(">i", round(gamma * 65536)) + SRGB[at + 4 :]


def test_gray_without_its_profile_is_a_warning_if_its_curve_is_another() -> None:
    loss = "the colour profile is dropped: it is for RGB, and the output is gray"
    for gamma, has_warning in ((2.4, False), (1.6, True)):
        data = encoded(picture("RGB"), "PNG", icc_profile=profile_of(gamma))
        filtered = filter_image(data, "identity", gray=True, format="png")
        assert (loss in filtered.warnings, loss in filtered.notes) == (has_warning, not has_warning)
