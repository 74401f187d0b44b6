"""Small files of every readable kind, to be damaged: pictures in every format and mode, and arrays."""

import json
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import tifffile
from PIL import ImageCms
from PIL.ExifTags import Base
from support.pictures import FULL_METADATA

from convcli.pictures.formats import format_of
from convcli.pictures.writing import encode_image

HEIGHT, WIDTH = 7, 9
LEVELS = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 4), np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# The modes that each format of Pillow saves.
MODES = {
    "AVIF": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "DDS": ("L", "LA", "RGB", "RGBA"),
    "DIB": ("1", "L", "P", "RGB"),
    "EPS": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "ICO": ("L", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "MPO": ("RGB",),
    "MSP": ("1",),
    "PCX": ("1", "L", "P", "RGB"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "PPM": ("1", "L", "RGB", "I", "F"),
    "QOI": ("RGB", "RGBA"),
    "SGI": ("L", "RGB", "RGBA"),
    "SPIDER": ("F",),
    "TGA": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "XBM": ("1",),
}
COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
BILEVEL_COMPRESSIONS = ("tiff_ccitt", "group3", "group4")


def pictures() -> dict[str, bytes]:
    """Return the pictures by their names."""
    found = dict(_by_pillow()) | dict(_with_metadata()) | dict(_of_frames()) | dict(_deep()) | dict(_by_hand())
    return found | {f"tiff {name}": data for name, data in _tiffs()}


def arrays() -> dict[str, bytes]:
    """Return the ``.npy`` of every type that can be read, of some that cannot, and archives."""
    numbers = np.arange(3 * HEIGHT * WIDTH).reshape(3, HEIGHT, WIDTH)
    types = ("u1", "<i2", ">u2", "<i4", ">i8", "f2", "<f4", ">f8", "g", "?", "c8", "S3", "U2", "M8[s]", "m8[s]", "V4")
    found = {f"npy {name}": _npy(numbers.astype("u1").astype(name)) for name in types}
    found |= {f"npy of {array.shape}": _npy(array) for array in (np.ones((4, 5)), np.ones(()), np.ones((0, 3)))}
    found["npy in columns"] = _npy(np.asfortranarray(numbers))
    for name in ("f2", "f4", "f8"):
        most = np.finfo(name).max
        found[f"npy of the largest {name}"] = _npy(np.array([[[np.nan, np.inf], [-np.inf, most]]] * 3, name))
        found[f"npy of large {name}"] = _npy(np.array([[[most, -most], [most, 1]]] * 3, name))
    found["npy of records"] = _npy(np.zeros((4, 5), [("a", "u1"), ("b", "f4")]))
    found["npy of objects"] = _npy(np.array([[None, "pickled"]], object))
    for save in (np.savez, np.savez_compressed):
        for count in (1, 2):
            stream = BytesIO()
            save(stream, **dict(zip("ab", [numbers] * count, strict=False)))
            found[f"{save.__name__} of {count}"] = stream.getvalue()
    for name in ("U8", "I16", "F16", "BF16", "F32", "F64", "BOOL"):
        found[f"safetensors of {name}"] = _safetensors(name, int(re.sub(r"\D", "", name) or 8) // 8)
    return found | {name: text.encode() for name, text in _TEXTS.items()}


# Tensors and kernels in text.
_TEXTS = {
    "JSON": "[[1, 2.5, -3e2], [4, 5, 6]]",
    "kernel JSON": '{"name": "k", "weights": [[1, 2], [3, 4]], "bias": 5, "divisor": 10}',
    "JSON of tensors": '{"gradients": {"kernel": {"shape": [1, 2], "dtype": "float64", "values": [[1, 2]]}}}',
    "CSV of tensors": "tensor,i,j,value\nkernel,0,0,1.5\nkernel,0,1,-2.0\nbias,0,,3.0\n",
    "rows": "1 2 1\n2 4 2\n1 2 1\n",
    "rows of MATLAB": "1/16*[1 2 1; 2 4 2; 1 2 1]",
    "rows of ImageMagick": "3x3: 0,-1,0 -1,5,-1 0,-1,0",
    "CSV": "# weights\n0.25,0.5,0.25\n1e-3,-2,3\n",
    "vips matrix": "3 2 16 128\n1 2 1\n2 4 2\n",
}


def _safetensors(name: str, size: int) -> bytes:
    """Return a file of one tensor (3, 7, 9), with numbers of so many bytes."""
    data = LEVELS.tobytes()[: 3 * HEIGHT * WIDTH * size].ljust(3 * HEIGHT * WIDTH * size, b"\0")
    described = {"dtype": name, "shape": [3, HEIGHT, WIDTH], "data_offsets": [0, len(data)]}
    header = json.dumps({"a": described}).encode()
    return struct.pack("<Q", len(header)) + header + data


def files() -> dict[str, bytes]:
    """Return pictures and arrays."""
    return pictures() | arrays()


KINDS = {"pictures": pictures, "arrays": arrays, "files": files}


def _npy(array: Any) -> bytes:
    stream = BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _picture(mode: str, number: int = 0) -> PIL.Image.Image:
    size = (WIDTH, HEIGHT)
    if mode == "I;16":
        return PIL.Image.fromarray(LEVELS[..., number])
    if mode in ("I", "F"):
        return PIL.Image.fromarray(LEVELS[..., number].astype(np.int32 if mode == "I" else np.float32))
    colours = PIL.Image.fromarray((np.roll(LEVELS, number, 1) >> 8).astype(np.uint8), "RGBA").resize(size)
    if mode == "P":
        return colours.convert("RGB").quantize(11)
    return colours if mode == "RGBA" else colours.convert("RGB").convert(mode)


def _saved(picture: PIL.Image.Image, format: str, **options: Any) -> bytes:
    stream = BytesIO()
    with warnings.catch_warnings():
        # A later Pillow will drop some formats; until then they are read.
        warnings.simplefilter("ignore", DeprecationWarning)
        picture.save(stream, format, **options)
    return stream.getvalue()


def _by_pillow() -> Iterator[tuple[str, bytes]]:
    for format, modes in MODES.items():
        for mode in modes:
            yield f"{format} {mode}", _saved(_picture(mode), format)
    yield "TGA of runs", _saved(_picture("RGB"), "TGA", compression="tga_rle")
    yield "JPEG in passes", _saved(_picture("RGB"), "JPEG", progressive=True)
    yield "BMP in an icon", _saved(_picture("RGBA").resize((16, 16)), "ICO", bitmap_format="bmp")


def _with_metadata() -> Iterator[tuple[str, bytes]]:
    exif = PIL.Image.Exif()
    exif[Base.Orientation], exif[Base.Make] = 6, "camera"
    options = {"exif": exif.tobytes(), "icc_profile": PROFILE, "dpi": (300, 150)}
    for format in ("AVIF", "JPEG", "PNG", "TIFF", "WEBP"):
        yield f"{format} with EXIF and profile", _saved(_picture("RGB"), format, **options)
    for name in ("avif", "jpeg", "png", "tiff", "webp"):
        levels = np.moveaxis(np.asarray(_picture("RGB")), -1, 0)
        yield f"{name} with all metadata", encode_image(levels, None, format_of(name), FULL_METADATA)
    yield "CMYK JPEG with a profile", _saved(_picture("CMYK"), "JPEG", icc_profile=PROFILE)


def _of_frames() -> Iterator[tuple[str, bytes]]:
    for format in ("AVIF", "GIF", "MPO", "PNG", "TIFF", "WEBP"):
        others = [_picture("RGB", number) for number in (1, 2)]
        yield f"{format} of 3 frames", _saved(_picture("RGB"), format, save_all=True, append_images=others)


def _deep() -> Iterator[tuple[str, bytes]]:
    for channels in (1, 2, 3, 4):
        levels = np.ascontiguousarray(LEVELS[..., :channels])
        yield f"16-bit PNG of {channels}", bytes(imagecodecs.png_encode(levels))
        yield f"16-bit JP2 of {channels}", bytes(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2"))
    yield "16-bit J2K", bytes(imagecodecs.jpeg2k_encode(LEVELS[..., :3], level=0, codecformat="j2k"))
    yield "10-bit AVIF", bytes(imagecodecs.avif_encode(LEVELS[..., :3] >> 6, bitspersample=10))
    for channels in (1, 2, 3, 4):
        levels = np.ascontiguousarray(LEVELS[..., :channels].squeeze())
        yield f"16-bit JPEG XL of {channels}", bytes(imagecodecs.jpegxl_encode(levels, lossless=True))
    yield "JPEG XL", bytes(imagecodecs.jpegxl_encode((LEVELS[..., :3] >> 8).astype(np.uint8)))
    yield "JPEG XL of floats", bytes(imagecodecs.jpegxl_encode((LEVELS[..., :3] / 65536).astype(np.float32)))
    yield "12-bit JPEG", bytes(imagecodecs.jpeg8_encode(LEVELS[..., :3] >> 4, bitspersample=12))
    yield "lossless JPEG", bytes(imagecodecs.ljpeg_encode(LEVELS[..., 0] >> 2, bitspersample=14))
    yield (
        "PAM",
        b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % (WIDTH, HEIGHT)
        + (LEVELS.astype(">u2").tobytes()),
    )
    yield "PFM in colour", b"PF\n%d %d\n-1.0\n" % (WIDTH, HEIGHT) + LEVELS[..., :3].astype("<f4").tobytes()
    yield "16-bit PPM", b"P6 %d %d 65535\n" % (WIDTH, HEIGHT) + LEVELS[..., :3].astype(">u2").tobytes()
    yield "text PGM", b"P2 3 2 9\n1 2 3\n4 5 6\n"


def _tiffs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each TIFF."""
    for compression in COMPRESSIONS:
        yield compression, _saved(_picture("RGB"), "TIFF", compression=compression)
    for compression in BILEVEL_COMPRESSIONS:
        yield compression, _saved(_picture("1"), "TIFF", compression=compression)
    colours = LEVELS[..., :3]
    for dtype in ("u1", "u2", "u4", "i2", "f2", "f4", "f8"):
        yield f"of 3 {dtype}", _tiff(colours.astype(dtype))
    for options in _LAYOUTS:
        yield " ".join(map(str, options.values())), _tiff(colours, **options)
    yield "of pages", _tiff(np.stack([colours, colours[::-1]]))
    yield "planar", _tiff(np.moveaxis(colours, -1, 0), planarconfig="separate")
    yield "white is zero", _tiff(colours[..., 0], photometric="miniswhite")
    yield "alpha", _tiff(LEVELS, extrasamples=["assocalpha"])


_LAYOUTS: tuple[dict[str, Any], ...] = (
    {"bigtiff": True},
    {"byteorder": ">"},
    {"rowsperstrip": 1},
    {"tile": (16, 16)},
    {"compression": "zlib", "predictor": True},
    {"compression": "lzw"},
    {"compression": "zstd", "tile": (16, 16)},
    {"compression": "jpeg2000"},
    {"compression": "jpegxl"},
    {"compression": "png"},
)


def _tiff(samples: Any, **options: Any) -> bytes:
    stream = BytesIO()
    photometric = "rgb" if samples.ndim > 2 else "minisblack"
    tifffile.imwrite(stream, samples, **{"photometric": photometric, **options})
    return stream.getvalue()


def _by_hand() -> Iterator[tuple[str, bytes]]:
    """Yield formats that can be read but not saved."""
    planes = (LEVELS[..., :3] >> 8).astype(np.uint8)
    size = struct.pack(">II", HEIGHT, WIDTH)
    psd = b"8BPS\0\1" + bytes(6) + struct.pack(">H", 3) + size + struct.pack(">HH", 8, 3) + bytes(12) + bytes(2)
    yield "PSD", psd + np.moveaxis(planes, -1, 0).tobytes()
    sun = struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, 0, 1, 0, 0)
    yield "SUN", sun + b"".join(row.tobytes() + b"\0" for row in planes)
    inner = _saved(PIL.Image.new("RGBA", (128, 128)), "PNG")
    yield "ICNS", b"icns" + struct.pack(">I4sI", len(inner) + 16, b"ic07", len(inner) + 8) + inner
    yield "CUR", b"\0\0\2" + _saved(_picture("RGBA").resize((16, 16)), "ICO", bitmap_format="bmp")[3:]
    yield "XPM", b'/* XPM */\nstatic char *a[] = {\n"2 2 2 1",\n"a c #ff0000",\n"b c #00ff00",\n"ab",\n"ba"\n};\n'
    cards = [b"SIMPLE  =                    T", b"BITPIX  =                    8", b"NAXIS   =                    2"]
    cards += [b"NAXIS1  =                    9", b"NAXIS2  =                    7", b"END"]
    yield "FITS", b"".join(card.ljust(80) for card in cards).ljust(2880) + planes[..., 0].tobytes()
    scaled = [
        *cards[:1],
        b"BITPIX  =                   16",
        *cards[2:5],
        b"BZERO   = 3",
        b"BSCALE  = 0.5",
        b"BLANK   = 7",
    ]
    levels = LEVELS[..., 0].astype(">i2").tobytes().ljust(2880)
    unit = [b"XTENSION= 'IMAGE   '", *scaled[1:], b"PCOUNT  = 0", b"GCOUNT  = 1", b"END"]
    heads = [b"".join(card.ljust(80) for card in part).ljust(2880) for part in ([*scaled, b"END"], unit)]
    yield "FITS of two pictures", heads[0] + levels + heads[1] + levels
    deep = b"8BPS\0\1" + bytes(6) + struct.pack(">H", 4) + size + struct.pack(">HH", 16, 3) + bytes(8)
    rows = [b"\x11" + row.tobytes() for row in np.moveaxis(LEVELS, -1, 0).astype(">u2").reshape(-1, WIDTH)]
    layers = struct.pack(">3I4s4sIh", 22, 0, 0, b"8BIM", b"Lr16", 2, -1)
    yield "PSD of 16 bits", deep + layers + b"\0\1" + struct.pack(f">{len(rows)}H", *map(len, rows)) + b"".join(rows)
    sgi = struct.pack(">H2B4H4xI", 474, 1, 2, 2, WIDTH, HEIGHT, 1, 65535).ljust(512, b"\0")
    words = [struct.pack(">12H", 0x80 | WIDTH, *row, 0, 0) for row in LEVELS[..., 0].tolist()]
    table = struct.pack(f">{2 * HEIGHT}I", *(512 + 8 * HEIGHT + 24 * n for n in range(HEIGHT)), *[24] * HEIGHT)
    yield "SGI of 16 bits", sgi + table + b"".join(words)
    runs = b"".join(b"\x80\x03" + row[:1].tobytes() + row[4:].tobytes() + b"\0" for row in planes[..., 0] & 127)
    yield "SUN in runs", struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 8, 0, 2, 0, 0) + runs
    masks = struct.pack("<4I", 0x7C00, 0x3E0, 0x1F, 0x8000)
    head = struct.pack("<IiiHHIIiiII", 56, WIDTH, HEIGHT, 1, 16, 3, 20 * HEIGHT, 0, 0, 0, 0) + masks
    bmp = b"BM" + struct.pack("<IHHI", 70 + 20 * HEIGHT, 0, 0, 70) + head
    yield "BMP of 16 bits", bmp + b"".join(row.tobytes() + b"\0\0" for row in LEVELS[..., 0].astype("<u2"))
    yield "PNG of a late profile", png_with(b"iCCP", b"a\0\0" + zlib.compress(PROFILE))
    yield "PNG of text", png_with(b"zTXt", b"a\0\0" + zlib.compress(b"words"))
    for magic in (b"BUFR", b"GRIB\0\0\0\1", b"\x89HDF\r\n\x1a\n", b"\xd7\xcd\xc6\x9a", b"\0\0\1\xb3", b"SIMPLE  ="):
        yield f"only {magic!r}", magic + bytes(200)


def png_with(kind: bytes, body: bytes) -> bytes:
    """Return a PNG with this chunk after its header."""
    data = _saved(_picture("RGB"), "PNG")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]
