"""What a page of a TIFF may hold: a row per meaning of its samples, and a row per compression.

A row says what the kind is called, which depths are read, and who decodes it. A depth is the kind of number and its
bits: ``u8`` and ``i8`` are unsigned and signed, ``f16`` is a float.
"""

from collections.abc import Set
from typing import Literal, NamedTuple

# PhotometricInterpretation.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
MOSAIC, LINEAR_RAW = 32803, 34892
# ExtraSamples.
MULTIPLIED, ALPHA = 1, 2
# Compression. Those from JPEG on are pictures: the compressed bytes have a width, height and depth of their own.
UNCOMPRESSED, LZW, PACKBITS, LZMA, ZSTANDARD = 1, 5, 32773, 34925, 50000
DEFLATE = {8, 32946}
JPEG, LERC, PNG, WEBP = 7, 34887, 34933, 50001
JPEG2000 = {33003, 33004, 33005, 34712}
JPEG_XL = {50002, 52546}


class Photometric(NamedTuple):
    """A meaning of samples.

    name: for messages.  samples: how many of them a colour takes; None for any number of channels.
    read: the depths that are read.
    pillow: the depths that Pillow reads as they are, or by the conversions of ``as_pillow_returns``.
    pillow_little: further ones, which it misreads if the file is big-endian.
    pillow_alpha: the values of ExtraSamples with which it reads ``u8``.
    """

    name: str
    samples: int | None = None
    read: Set[str] = frozenset()
    pillow: Set[str] = frozenset()
    pillow_little: Set[str] = frozenset()
    pillow_alpha: tuple[int, ...] = ()


class Compression(NamedTuple):
    """A compression.

    name: for messages.
    tifffile: whether tifffile decodes it ``alone``, with the ``extra``, or not at all.
    pillow: whether Pillow's libtiff, which is part of it, decodes it.
    """

    name: str
    tifffile: Literal["alone", "extra", "no"] = "no"
    pillow: bool = False


_ANY = {*(f"u{bits}" for bits in (*range(1, 33), 64)), "i8", "i16", "i32", "i64", "f16", "f24", "f32", "f64"}
_UP_TO_8 = {"u1", "u2", "u4", "u8"}

PHOTOMETRICS = {
    WHITE_IS_ZERO: Photometric("gray", None, _ANY, _UP_TO_8, {"u16", "f32"}),
    BLACK_IS_ZERO: Photometric("gray", None, _ANY, {*_UP_TO_8, "u16"}, {"i16", "u32", "i32", "f32"}, (ALPHA,)),
    RGB: Photometric("RGB", 3, _ANY, {"u8"}, pillow_alpha=(ALPHA, MULTIPLIED)),
    PALETTE: Photometric("palette colours", 1, {*_UP_TO_8, "u16"}, _UP_TO_8),
    MASK: Photometric("transparency mask"),
    CMYK: Photometric("CMYK", 4, {"u8", "u16"}, {"u8"}),
    YCBCR: Photometric("YCbCr", 3, {"u8"}, {"u8"}),
    CIELAB: Photometric("CIELab", 3, {"u8"}, {"u8"}),
    ICCLAB: Photometric("ICCLab", 3, {"u8"}),
    10: Photometric("ITULab"),
    MOSAIC: Photometric("the colour mosaic of a camera"),
    LINEAR_RAW: Photometric("the raw colours of a camera"),
    32844: Photometric("LogL"),
    32845: Photometric("LogLuv"),
}

COMPRESSIONS = {
    UNCOMPRESSED: Compression("uncompressed", "alone", pillow=True),
    2: Compression("CCITT", pillow=True),
    3: Compression("CCITT fax 3", pillow=True),
    4: Compression("CCITT fax 4", pillow=True),
    LZW: Compression("LZW", "extra", pillow=True),
    6: Compression("old JPEG", pillow=True),
    JPEG: Compression("JPEG", "extra", pillow=True),
    **dict.fromkeys(DEFLATE, Compression("Deflate", "alone", pillow=True)),
    22610: Compression("JPEG XR"),
    PACKBITS: Compression("PackBits", "extra", pillow=True),
    **dict.fromkeys(JPEG2000, Compression("JPEG 2000", "extra")),
    34676: Compression("SGI Log"),
    LERC: Compression("LERC", "extra"),
    34892: Compression("lossy JPEG"),
    LZMA: Compression("LZMA", "alone", pillow=True),
    PNG: Compression("PNG", "extra"),
    34934: Compression("JPEG XR"),
    ZSTANDARD: Compression("Zstandard", "extra", pillow=True),
    WEBP: Compression("WebP", "extra"),
    **dict.fromkeys(JPEG_XL, Compression("JPEG XL", "extra")),
}
