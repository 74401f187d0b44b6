"""Recognise the kind of a file by its first bytes."""

import codecs
import re
from enum import Enum
from typing import NamedTuple

# The number of first bytes to look at: enough for every kind, with room for whitespace before JSON.
HEAD = 544

_JSON_STARTS = b"[{-0123456789"


class Kind(Enum):
    """The kind of a file's content. OTHER is a picture, or nothing that convcli reads."""

    EMPTY = "nothing"
    NPY = "an array of NumPy's"
    NPZ = "an archive of NumPy's arrays"
    SAFETENSORS = "safetensors"
    CSV = "tensors in a table, as grad writes them"
    ONNX = "a model"
    JSON = "JSON"
    OTHER = "something else"


# The version of the format, which is at least 3, and the tag of another field of the model.
_ONNX = rb"\x08[\x03-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]"
# First bytes as regular expressions, in which a dot is any byte.
_BEGINNINGS = (
    (rb"\x93NUMPY", Kind.NPY),
    (rb"PK\x03\x04.{26}[ -\xff]{0,200}?\.npy", Kind.NPZ),
    # The length of the JSON header, in 8 bytes, and its beginning.
    (rb".{4}\0{4}\{[\s\"}]", Kind.SAFETENSORS),
    (rb"tensor,(([a-z]{1,2}|batch\d*),)*value\r?\n", Kind.CSV),
    (_ONNX, Kind.ONNX),
)


def kind_of(head: bytes) -> Kind:
    """Return the kind of a file. head: its first HEAD bytes, or all if it has fewer."""
    if not head:
        return Kind.EMPTY
    found = next((kind for begins, kind in _BEGINNINGS if re.match(begins, head, re.DOTALL)), None)
    if found:
        return found
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    # A Targa picture may start with any byte, but has zeros further on, which JSON does not. No picture is whitespace.
    return Kind.JSON if not text or (text[0] in _JSON_STARTS and b"\0" not in head) else Kind.OTHER


class Foreign(NamedTuple):
    """A kind of file that could not be read: its name, such as "an HTML page", and what to do.

    remedy: "" if files of this kind are read, unless they are damaged.
    """

    name: str
    remedy: str


def foreign_kind(head: bytes) -> Foreign | None:
    """Return the kind of a file that could not be read, or None if it is unknown.

    head: its first HEAD bytes, or all if it has fewer.
    """
    flags = re.DOTALL | re.IGNORECASE
    return next((Foreign(name, remedy) for begins, name, remedy in _FOREIGN if re.match(begins, head, flags)), None)


def is_text(head: bytes) -> bool:
    """Return whether a file seems to be text in UTF-8. head: its first HEAD bytes, or all if it has fewer."""
    try:
        # The last letter may be cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


# Remedies; none for kinds that are read.
_READ = ""
_DEVELOP = "develop it first, for example with darktable-cli"
_FRAMES = "extract its frames first, as in ffmpeg -i FILE frame%04d.png"
_UNPACK = "unpack it first"
_DOWNLOAD = "a server may send one instead of the file, so download it again"
_SAVE_ARRAY = "save one of its arrays as .npy first, in Python with "
_HDF5 = f"{_SAVE_ARRAY}np.save('a.npy', h5py.File('FILE')['NAME'][()])"
_MATLAB = f"{_SAVE_ARRAY}np.save('a.npy', scipy.io.loadmat('FILE')['NAME'])"
_TFLITE = f"{_SAVE_ARRAY}np.save('a.npy', Interpreter('FILE').get_tensor(INDEX)) of ai_edge_litert.interpreter"
_KERAS = f"{_SAVE_ARRAY}np.save('a.npy', keras.saving.load_model('FILE').get_layer('NAME').get_weights()[0])"
_GGUF = f"{_SAVE_ARRAY}np.save('a.npy', gguf.GGUFReader('FILE').get_tensor(INDEX).data)"
_TORCH = f"{_SAVE_ARRAY}np.save('a.npy', torch.load('FILE')['NAME'].numpy())"
_PICKLE = f"it could run any program, so it is not unpickled; {_SAVE_ARRAY}np.save if you trust it"

# First bytes as regular expressions, in which a dot is any byte and letters are of either case; the name of the kind;
# and what to do. The first that matches counts, so that special kinds stand before general ones. Kinds that are read
# stand here too, because a file may be damaged, or be given in place of a kernel.
_TEXT = rb"(\xef\xbb\xbf)?\s*"
_FOREIGN = (
    # Text in place of a file, and documents.
    (rb"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with git lfs pull"),
    (rb"[./]*(\.git)?/annex/objects/", "a git-annex pointer", "fetch the file itself with git annex get"),
    (
        _TEXT + rb"<(svg|(\?xml|!--|!doctype svg).*<svg)",
        "an SVG drawing",
        "draw it first, as in rsvg-convert FILE -o a.png",
    ),
    (_TEXT + rb"(<!--.*?-->\s*)?<(!doctype html|html|head|body)", "an HTML page", _DOWNLOAD),
    (_TEXT + rb"<\?xml", "an XML document", _DOWNLOAD),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16", "save it in UTF-8"),
    (rb"%PDF-", "a PDF document", "draw its pages first, as in pdftoppm -png FILE page"),
    (rb"AT&TFORM", "a DjVu document", "draw its pages first, as in ddjvu -format=tiff FILE a.tif"),
    # Pictures.
    (rb"\x89PNG\r\n", "a PNG picture", _READ),
    (rb"\xff\xd8\xff", "a JPEG picture", _READ),
    (rb"GIF8[79]a", "a GIF picture", _READ),
    (rb"RIFF.{4}WEBP", "a WebP picture", _READ),
    (rb"BM.{4}\0{4}", "a BMP picture", _READ),
    (rb"P[1-7FfyY]\s", "a Netpbm picture", _READ),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture", _READ),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture", _READ),
    (rb".{4}ftypavi[fs]", "an AVIF picture", _READ),
    (rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "a HEIC picture", _READ),
    (rb".{4}ftypcrx |II\x1a\0\0\0HEAPCCDR", "a raw photograph (CR3 or CRW)", _DEVELOP),
    (rb"FUJIFILMCCD-RAW|IIU\0|IIR[OS]|MMOR|FOVb|\0MRM", "a raw photograph", _DEVELOP),
    (rb"II\xbc\x01", "a JPEG XR picture", "convert it first, as in JxrDecApp -i FILE -o a.tif"),
    (rb"II[*+]\0|MM\0[*+]", "a TIFF picture", _READ),
    (rb"v/1\x01", "an OpenEXR picture", "convert it first, as in oiiotool FILE -o a.tif"),
    (rb"#\?(RADIANCE|RGBE)", "a Radiance HDR picture", "convert it first, as in oiiotool FILE -o a.tif"),
    (rb"[\x8a\x8b][MJ]NG\r\n", "an MNG or JNG picture", "convert it first, as in magick FILE a.png"),
    (rb"8BPS\0\x02", "a large Photoshop picture (PSB)", "export it from Photoshop first"),
    (rb"8BPS", "a Photoshop picture", _READ),
    (rb"gimp xcf", "a GIMP picture (XCF)", "export it from GIMP first"),
    (rb".{128}DICM", "a DICOM picture", "convert it first, as in dcm2img FILE a.png"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile", "draw it first, as in inkscape FILE -o a.png"),
    (rb".{522}(\0\x11\x02\xff|\x11\x01)", "a QuickDraw picture (PICT)", "convert it first, as in magick FILE a.png"),
    (rb"SIMPLE  =", "a FITS picture", _READ),
    (rb"\0\0\x01\0[^\0]", "an icon (ICO)", _READ),
    (rb"\0\0\x02\0[^\0]", "a cursor (CUR)", _READ),
    (rb"icns", "an icon (ICNS)", _READ),
    (rb"\n[\x00\x02-\x05][\x00\x01][\x01\x02\x04\x08]", "a PCX picture", _READ),
    (rb"\xb1\x68\xde\x3a", "a DCX picture", _READ),
    (rb"DDS ", "a DDS picture", _READ),
    (rb"qoif", "a QOI picture", _READ),
    (rb"\x01\xda[\x00\x01][\x01\x02]", "an SGI picture", _READ),
    (rb"\x59\xa6\x6a\x95", "a Sun raster", _READ),
    (rb"DanM|LinS", "a picture of Microsoft Paint (MSP)", _READ),
    (rb"/\* XPM \*/", "an XPM picture", _READ),
    # Films and sounds.
    (rb".{4}(ftyp|moov|mdat|wide)", "a film (MP4 or MOV)", _FRAMES),
    (rb"\x1aE\xdf\xa3", "a film (MKV or WebM)", _FRAMES),
    (rb"RIFF.{4}AVI |FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xb3\xba]", "a film", _FRAMES),
    (rb"RIFF.{4}WAVE|OggS|ID3|fLaC", "a sound", "expected a picture, an .npy array or JSON"),
    # Arrays and models.
    (rb"PK\x03\x04.{26}[ -\xff]{1,200}?/(data\.pkl|\.format_version|byteorder)", "a PyTorch file", _TORCH),
    (rb"\x89HDF\r\n", "an HDF5 file (.h5, or .mat 7.3)", _HDF5),
    (rb"MATLAB 7\.", "a MATLAB file (.mat 7.3)", _HDF5),
    (rb"MATLAB 5\.", "a MATLAB file (.mat)", _MATLAB),
    (rb"PK\x03\x04.{26}(metadata|config)\.json", "a Keras model (.keras)", _KERAS),
    (rb".{4}TFL3", "a TensorFlow Lite model (.tflite)", _TFLITE),
    (rb"GGUF", "a GGUF model", _GGUF),
    (_ONNX, "an ONNX model", "its convolutions are for `kernel`; save any other tensor as .npy"),
    (rb"\x80[\x02-\x05]", "a Python pickle (.pkl, .pt)", _PICKLE),
    (rb".{344}n[+i]1\0", "a NIfTI volume", f"{_SAVE_ARRAY}np.save('a.npy', nibabel.load('FILE').get_fdata())"),
    (rb"CDF[\x01\x02\x05]", "a NetCDF file", f"{_SAVE_ARRAY}np.save('a.npy', xarray.open_dataset('FILE')['NAME'])"),
    (rb"GRIB|BUFR", "weather data (GRIB or BUFR)", f"{_SAVE_ARRAY}np.save and a reader such as cfgrib"),
    # Archives.
    (rb"PK[\x03\x05\x07][\x04\x06\x08]", "a ZIP archive", _UNPACK),
    (rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd", "a compressed file (gzip, bzip2, xz or zstd)", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|.{257}ustar", "an archive (7z, rar or tar)", _UNPACK),
    (rb"SQLite format 3\0", "an SQLite database", "expected a picture, an .npy array or JSON"),
    (rb"\0+\Z", "a file that begins with zeros", "if its content is lost, copy or download it again"),
)
