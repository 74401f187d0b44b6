"""The kinds of files that are not read: each is named, with what to do."""

import bz2
import gzip
import lzma
import pickle
import re
import sqlite3
import struct
import tarfile
import zipfile
from contextlib import closing
from io import BytesIO

import numpy as np
import pytest
from support.command_line import convcli
from support.pictures import encoded, picture

from convcli.errors import ConvcliError, FileError
from convcli.files.kinds import _FOREIGN, HEAD, Kind, foreign_kind, is_text, kind_of
from convcli.files.source import Source
from convcli.kernels.loading import read_kernel
from convcli.pictures.reading import read_header, read_image, read_tensor


def zipped(name: str) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "content")
    return stream.getvalue()


def tar() -> bytes:
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    return stream.getvalue()


def database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table a (b)")
        return connection.serialize()


def boxes(brand: bytes) -> bytes:
    """Return the first box of a file in the format of MP4, which HEIC and CR3 share."""
    return struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand) + bytes(40)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
SVG = b'<?xml version="1.0"?>\n<!-- by a program -->\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"/>'

# First bytes of files, and the start of what is said about them. Those that Python can write, it wrote.
FILES = {
    LFS: "a Git LFS pointer: fetch the file itself with git lfs pull",
    b"../.git/annex/objects/aa/bb/MD5E-s9--00.png": "a git-annex pointer: fetch",
    SVG: "an SVG drawing: draw it first, as in rsvg-convert FILE -o a.png",
    b"\n<svg width='9'/>": "an SVG drawing",
    b"<!DOCTYPE html><html><body>404</body></html>": "an HTML page: a server may send one instead of the file",
    b"\xef\xbb\xbf\r\n<!-- comment -->\n<HTML>": "an HTML page",
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>": "an XML document: a server may",
    "Größe".encode("utf-16"): "text in UTF-16: save it in UTF-8",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3": "a PDF document: draw its pages first",
    b"AT&TFORM\0\0\0\0DJVMDIRM": "a DjVu document: draw its pages first",
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"\xff\xd8\xff\xe0\0\x10JFIF": "a JPEG picture",
    b"GIF89a": "a GIF picture",
    b"RIFF\x24\0\0\0WEBPVP8 ": "a WebP picture",
    b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0": "a BMP picture",
    b"P6\n": "a Netpbm picture",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\xff\x0a\xfa\x1f": "a JPEG XL picture",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL picture",
    boxes(b"avif"): "an AVIF picture",
    boxes(b"heic"): "a HEIC picture",
    boxes(b"mif1"): "a HEIC picture",
    boxes(b"crx "): "a raw photograph (CR3 or CRW): develop it first",
    b"II\x1a\0\0\0HEAPCCDR": "a raw photograph (CR3 or CRW)",
    b"FUJIFILMCCD-RAW 0201FF": "a raw photograph: develop it first",
    b"IIU\0\x08\0\0\0": "a raw photograph",
    b"II\xbc\x01\x08\0\0\0": "a JPEG XR picture",
    b"MM\0*\0\0\0\x08": "a TIFF picture",
    b"v/1\x01\x02\0\0\0": "an OpenEXR picture: convert it first",
    b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n": "a Radiance HDR picture: convert it first",
    b"\x8aMNG\r\n\x1a\n": "an MNG or JNG picture",
    b"8BPS\0\2": "a large Photoshop picture (PSB): export it",
    b"8BPS\0\1": "a Photoshop picture",
    b"gimp xcf v011": "a GIMP picture (XCF): export it",
    bytes(128) + b"DICM\2\0": "a DICOM picture",
    b"\xd7\xcd\xc6\x9a\0\0": "a Windows metafile: draw it first",
    b"SIMPLE  =                    T": "a FITS picture",
    bytes(512) + b"\0\x99\0\0\0\0\0\x10\0\x10\0\x11\x02\xff": "a QuickDraw picture (PICT): convert it first",
    bytes(512) + b"\0\x99\0\0\0\0\0\x10\0\x10\x11\x01": "a QuickDraw picture (PICT): convert it first",
    b"\0\0\1\0\1\0": "an icon (ICO)",
    b"\0\0\2\0\1\0": "a cursor (CUR)",
    b"icns\0\0\0\x10": "an icon (ICNS)",
    b"\n\5\1\x08": "a PCX picture",
    b"\xb1\x68\xde\x3a": "a DCX picture",
    b"DDS \x7c\0\0\0": "a DDS picture",
    b"qoif\0\0\0\7": "a QOI picture",
    b"\x01\xda\0\1\0\2": "an SGI picture",
    b"\x59\xa6\x6a\x95": "a Sun raster",
    b"DanM": "a picture of Microsoft Paint (MSP)",
    b"/* XPM */\nstatic": "an XPM picture",
    boxes(b"isom"): "a film (MP4 or MOV): extract its frames first, as in ffmpeg -i FILE frame%04d.png",
    boxes(b"qt  "): "a film (MP4 or MOV)",
    b"\0\0\0\x08wide\0\0\0\0mdat": "a film (MP4 or MOV)",
    b"\x1aE\xdf\xa3\x9fB\x86\x81\x01": "a film (MKV or WebM): extract",
    b"RIFF\0\0\0\0AVI LIST": "a film: extract",
    b"RIFF\0\0\0\0WAVEfmt ": "a sound: expected a picture, an .npy array or JSON",
    zipped("model/data.pkl"): "a PyTorch file: save one of its arrays as .npy first, in Python with np",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (.h5, or .mat 7.3): save one of its arrays",
    b"MATLAB 7.3 MAT-file, Platform: GLNXA64": "a MATLAB file (.mat 7.3): save",
    b"MATLAB 5.0 MAT-file, Platform: GLNXA64": "a MATLAB file (.mat): save",
    zipped("metadata.json"): "a Keras model (.keras): save one of its arrays as .npy first, in Python with np.save",
    b"\x1c\0\0\0TFL3\x14\0": "a TensorFlow Lite model (.tflite): save",
    b"GGUF\3\0\0\0": "a GGUF model: save",
    b"\x08\x08\x12\x07pytorch\x1a\x052.1.0": "an ONNX model: its convolutions are for `kernel`; save any",
    pickle.dumps(np.eye(2)): "a Python pickle (.pkl, .pt): it could run any program, so it is not unpickled",
    bytes(344) + b"n+1\0": "a NIfTI volume: save",
    b"CDF\1\0\0\0\0": "a NetCDF file: save",
    b"GRIB\0\0\0\1": "weather data (GRIB or BUFR)",
    zipped("a.png"): "a ZIP archive: unpack it first",
    gzip.compress(b"picture"): "a compressed file (gzip, bzip2, xz or zstd): unpack it first",
    bz2.compress(b"picture"): "a compressed file",
    lzma.compress(b"picture"): "a compressed file",
    tar(): "an archive (7z, rar or tar): unpack it first",
    database(): "an SQLite database",
    bytes(1000): "a file that begins with zeros: if its content is lost, copy or download it again",
}  # fmt: skip


@pytest.mark.parametrize(("data", "said"), FILES.items(), ids=FILES.values())
def test_first_bytes_name_the_kind_and_what_to_do(data: bytes, said: str) -> None:
    kind = foreign_kind(data[:HEAD])
    assert kind is not None
    assert f"{kind.name}: {kind.remedy}".startswith(said)


def test_every_row_of_the_table_names_a_file() -> None:
    named = {foreign_kind(data[:HEAD]) for data in FILES}
    assert {(kind.name, kind.remedy) for kind in named if kind} == {(name, remedy) for _, name, remedy in _FOREIGN}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "PPM", "JPEG2000", "AVIF", "TIFF"])
def test_pictures_that_are_read_have_a_name_and_no_remedy(format: str) -> None:
    kind = foreign_kind(encoded(picture("RGB"), format)[:HEAD])
    assert kind is not None
    assert (kind.name.partition(" ")[0] in ("a", "an"), kind.remedy) == (True, "")


def unread() -> dict[bytes, str]:
    """Return the files of kinds that are not read, with the names of the kinds."""
    kinds = {data: foreign_kind(data[:HEAD]) for data in FILES}
    return {data: kind.name for data, kind in kinds.items() if kind and kind.remedy}


@pytest.mark.parametrize(("data", "said"), unread().items(), ids=unread().values())
def test_they_are_named_in_place_of_pictures_and_kernels(data: bytes, said: str) -> None:
    for read in (read_image, read_header, read_tensor):
        with pytest.raises(FileError, match=re.escape(f"cannot read <bytes>: it is {said}")):
            read(data)
    not_a_kernel = re.escape(f"expected kernel JSON, rows of numbers or .npy, given {said}")
    # A model is a kernel's file if it holds convolutions, and if its extra is installed.
    reason = "holds no convolutions|it is an ONNX model" if "ONNX" in said else not_a_kernel
    with pytest.raises(ConvcliError, match=f"^<bytes>:? ({reason})"):
        read_kernel(Source.of_bytes(data))


@pytest.mark.parametrize("data", [b"[[1, 2]]", b'{"weights": [[1]]}', b"1 2 1\n2 4 2\n", b"# a comment", b"hello", b""])
def test_text_is_no_foreign_kind(data: bytes) -> None:
    assert foreign_kind(data) is None
    assert is_text(data)


@pytest.mark.parametrize(("data", "expected"), [("é".encode()[:1], True), (b"\xff", False), (b"a\0", False)])
def test_text_may_be_cut_within_a_letter(data: bytes, expected: bool) -> None:
    assert is_text(data) is expected


def test_json_may_follow_more_whitespace_than_the_first_bytes_hold() -> None:
    data = b"\n" * (HEAD + 1) + b"[[1, 2]]"
    assert kind_of(data[:HEAD]) is Kind.JSON
    assert read_image(data).pixels.tolist() == [[1, 2]]
    with pytest.raises(ValueError, match=r"^<bytes>:3:1: invalid JSON at the end of the text"):
        read_image(b" \n \n")


def test_the_command_names_the_kind(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.jpg").write_bytes(LFS)
    result = convcli("apply", "a.jpg", "-k", "box", "-o", "z.png", cwd=tmp_path)
    message = "cannot read a.jpg: it is a Git LFS pointer: fetch the file itself with git lfs pull"
    assert (result.code, result.err) == (1, f"convcli: error: {message}\n")
