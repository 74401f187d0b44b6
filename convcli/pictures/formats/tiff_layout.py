"""Describe the samples of a TIFF page by its tags, and choose the library that decodes the page.

The choice depends on the tags alone, not on what a library accepts. Other pages are refused, with a description.
"""

from collections.abc import Set
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convcli.pictures import deep_extra

if TYPE_CHECKING:
    from tifffile import TiffPage

# PhotometricInterpretation.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
_MOSAIC, _LINEAR_RAW = 32803, 34892
# ExtraSamples.
MULTIPLIED, ALPHA = 1, 2

# Compression.
_UNCOMPRESSED, _LZW, _OLD_JPEG, _PACKBITS, LZMA, ZSTANDARD = 1, 5, 6, 32773, 34925, 50000
_FAX = {2: "CCITT", 3: "CCITT fax 3", 4: "CCITT fax 4"}
DEFLATE = {8, 32946}
# Compressions of pictures: the compressed bytes have a width, height and depth of their own.
JPEG, LERC, PNG, WEBP = 7, 34887, 34933, 50001
JPEG2000 = {33003, 33004, 33005, 34712}
JPEG_XL = {50002, 52546}

_COLOURS = {
    WHITE_IS_ZERO: "gray",
    BLACK_IS_ZERO: "gray",
    RGB: "RGB",
    PALETTE: "palette colours",
    MASK: "transparency mask",
    CMYK: "CMYK",
    YCBCR: "YCbCr",
    CIELAB: "CIELab",
    ICCLAB: "ICCLab",
    10: "ITULab",
    _MOSAIC: "the colour mosaic of a camera",
    _LINEAR_RAW: "the raw colours of a camera",
    32844: "LogL",
    32845: "LogLuv",
}
_COMPRESSIONS = {
    _UNCOMPRESSED: "uncompressed",
    **_FAX,
    _LZW: "LZW",
    _OLD_JPEG: "old JPEG",
    JPEG: "JPEG",
    **dict.fromkeys(DEFLATE, "Deflate"),
    22610: "JPEG XR",
    _PACKBITS: "PackBits",
    **dict.fromkeys(JPEG2000, "JPEG 2000"),
    34676: "SGI Log",
    LERC: "LERC",
    34892: "lossy JPEG",
    LZMA: "LZMA",
    PNG: "PNG",
    34934: "JPEG XR",
    ZSTANDARD: "Zstandard",
    WEBP: "WebP",
    **dict.fromkeys(JPEG_XL, "JPEG XL"),
}
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u", 5: "c", 6: "c"}
_VOID = 4
# The version of LERC, and what it is compressed by.
_LERC_PARAMETERS = 50674
_WHITE_POINT = 318


class Layout(NamedTuple):
    """The samples of a page, as its tags describe them.

    kind, bits: unsigned or signed integers, floats or complex numbers (``u``, ``i``, ``f``, ``c``), of this size.
    samples: the number of samples per pixel.  extra: the tag ExtraSamples, the meaning of those that are not colours.
    photometric, compression, predictor: the values of the tags.  big_endian: the byte order.
    notes: what was assumed or converted already.
    """

    width: int
    height: int
    kind: str
    bits: int
    samples: int
    extra: tuple[int, ...] = ()
    photometric: int = BLACK_IS_ZERO
    compression: int = _UNCOMPRESSED
    predictor: int = 1
    big_endian: bool = False
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """The number of samples that are colours or levels: all before the extra ones."""
        if self.photometric in _BASES:
            return _BASES[self.photometric]
        # If black or white is zero, channels beyond the first are a spectrum.
        return self.samples if self.alpha is None else self.alpha

    @property
    def alpha(self) -> int | None:
        """The place of the first sample that is alpha, or None."""
        first = self.samples - len(self.extra)
        places = [place for place, meaning in enumerate(self.extra, first) if meaning in (MULTIPLIED, ALPHA)]
        return places[0] if places else None

    @property
    def dropped(self) -> int:
        """The number of samples whose meaning the file does not say."""
        return self.samples - self.channels - (self.alpha is not None)

    @property
    def is_multiplied(self) -> bool:
        """Return whether the colours are multiplied by alpha."""
        return self.alpha is not None and self.extra[self.alpha - self.samples] == MULTIPLIED

    @property
    def level_type(self) -> "np.dtype[Any]":
        """The smallest type that holds the samples."""
        size = next(size for size in (1, 2, 4, 8) if 8 * size >= self.bits)
        return np.dtype(f"{self.kind}{size}")

    @property
    def name(self) -> str:
        """The description for messages, as in ``a TIFF of 12-bit RGB, uncompressed``."""
        kind = {"u": "", "i": "signed ", "f": "float ", "c": "complex "}[self.kind]
        colours = _COLOURS.get(self.photometric, f"colours of an unknown kind ({self.photometric})")
        compression = _COMPRESSIONS.get(self.compression, f"an unknown compression ({self.compression})")
        return f"a TIFF of {self.bits}-bit {kind}{colours}, {compression}"


# The number of samples that a colour takes.
_BASES = {RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}


def layout_of(page: "TiffPage") -> Layout:
    """Return the layout that the tags of a page describe; raise ValueError if they contradict each other."""
    samples = _whole(page, "samplesperpixel", 1)
    kind, notes = _kind(page)
    photometric, assumption = _photometric(page, samples)
    for name in ("tilewidth", "tilelength") if page.is_tiled else ("rowsperstrip",):
        _whole(page, name, 1)
    extra: tuple[int, ...] = page.extrasamples if isinstance(page.extrasamples, tuple) else (page.extrasamples,)
    layout = Layout(
        _whole(page, "imagewidth", 1),
        _whole(page, "imagelength", 1),
        kind,
        _bits(page),
        samples,
        extra[:samples],
        photometric,
        _whole(page, "compression"),
        _whole(page, "predictor"),
        page.parent.byteorder == ">",
        (*notes, *assumption),
    )
    _require_usual(layout, page)
    return layout


def _kind(page: "TiffPage") -> tuple[str, tuple[str, ...]]:
    """Return the kind of a page's samples, and a note if that is an assumption."""
    sample_format = _whole(page, "sampleformat")
    if sample_format not in _KINDS:
        raise ValueError(f"it is a TIFF of samples of an unknown format ({sample_format})")
    notes = ("samples of undefined format read as unsigned integers",) if sample_format == _VOID else ()
    return _KINDS[sample_format], notes


def _photometric(page: "TiffPage", samples: int) -> tuple[int, tuple[str, ...]]:
    """Return the meaning of a page's samples, and a note if that is an assumption."""
    if "PhotometricInterpretation" in page.tags:
        return _whole(page, "photometric"), ()
    photometric = RGB if samples in (3, 4) else BLACK_IS_ZERO
    return photometric, (f"the file does not say what its levels mean: read as {_COLOURS[photometric]}",)


def _require_usual(layout: Layout, page: "TiffPage") -> None:
    """Raise ValueError if the samples are laid out in a way that no decoder here knows."""
    if _whole(page, "imagedepth", 1) > 1:
        raise ValueError("it is a TIFF of volumes: convcli reads pages of one layer")
    if layout.channels < 1:
        raise ValueError(f"it is {layout.name}, but has alpha alone")
    if layout.dropped < 0:
        raise ValueError(f"it is {layout.name}, but has {layout.samples} channels")
    if layout.compression == LERC and _is_compressed_again(page):
        raise ValueError(f"it is {layout.name} within another compression: {_REMEDY}")
    if layout.photometric == YCBCR and layout.compression == _UNCOMPRESSED and page.is_subsampled:
        raise ValueError(f"it is {layout.name}, with fewer colours than pixels: {_REMEDY}")
    if layout.photometric in (CIELAB, ICCLAB) and not _is_near_d50(page.tags.valueof(_WHITE_POINT)):
        raise ValueError(f"it is {layout.name}, with another white point than D50: {_REMEDY}")


def _is_near_d50(white: Any) -> bool:
    """Return whether a chromaticity x, y, as two fractions, is that of D50, or missing."""
    if not isinstance(white, tuple) or len(white) != 4 or not (white[1] and white[3]):
        return white is None
    return bool(abs(white[0] / white[1] - 0.3457) + abs(white[2] / white[3] - 0.3585) < 0.002)


def _is_compressed_again(page: "TiffPage") -> bool:
    parameters: Any = page.tags.valueof(_LERC_PARAMETERS)
    return isinstance(parameters, tuple) and len(parameters) > 1 and bool(parameters[1])


def _bits(page: "TiffPage") -> int:
    depths: Any = page.bitspersample
    if isinstance(depths, tuple):
        raise ValueError(f"it is a TIFF whose channels differ in depth: {', '.join(map(str, depths))} bits")
    return _whole(page, "bitspersample", 1)


def _whole(page: "TiffPage", name: str, least: int = 0) -> int:
    value = getattr(page, name)
    if not isinstance(value, int) or value < least:
        raise ValueError(f"it is a damaged TIFF: {name} is {value!r:.40}, expected a whole number from {least} on")
    return int(value)


class Decoder(Enum):
    """The library that decodes a page."""

    TIFFFILE = "tifffile, which returns the samples as they are stored"
    PILLOW = "Pillow, whose libtiff is part of it"


# What tifffile decodes by itself, without the extra.
_ALONE: Set[int] = {_UNCOMPRESSED, *DEFLATE, LZMA}
# What tifffile decodes with the extra. Pillow's libtiff also decodes LZW, PackBits and Zstandard.
_WITH_EXTRA: Set[int] = _ALONE | {_LZW, _PACKBITS, ZSTANDARD, JPEG, LERC, PNG, WEBP, *JPEG2000, *JPEG_XL}
# What Pillow decodes, in the layouts of `_is_plain`.
_BY_PILLOW: Set[int] = {*_FAX, _LZW, _OLD_JPEG, JPEG, *DEFLATE, _PACKBITS, LZMA, ZSTANDARD}

_ANY_DEPTH: dict[str, Set[int]] = {"u": {*range(1, 33), 64}, "i": {8, 16, 32, 64}, "f": {16, 24, 32, 64}}
# The depths that are read of each kind of colour.
_DEPTHS: dict[int, dict[str, Set[int]]] = {
    WHITE_IS_ZERO: _ANY_DEPTH,
    BLACK_IS_ZERO: _ANY_DEPTH,
    RGB: _ANY_DEPTH,
    PALETTE: {"u": {1, 2, 4, 8, 16}},
    CMYK: {"u": {8, 16}},
    YCBCR: {"u": {8}},
    CIELAB: {"u": {8}},
    ICCLAB: {"u": {8}},
}


def decoder_of(layout: Layout) -> Decoder:
    """Return the library that decodes a page; raise ValueError, with what to do, if none does."""
    _require_meaning(layout)
    extra = deep_extra.is_installed()
    by_pillow = layout.compression in (_UNCOMPRESSED, *_BY_PILLOW) and _is_plain(layout)
    if layout.compression == _UNCOMPRESSED and _is_read_alone(layout):
        return Decoder.TIFFFILE
    # Pillow's libtiff knows what the tags say about the colours of JPEG.
    if extra and _is_read_with_extra(layout) and not (by_pillow and layout.compression == JPEG):
        return Decoder.TIFFFILE
    if by_pillow:
        return Decoder.PILLOW
    if layout.compression in _ALONE and _is_read_alone(layout):
        return Decoder.TIFFFILE
    if not extra and _is_read_with_extra(layout):
        raise ValueError(f"it is {layout.name}: {deep_extra.advice('to read it')}")
    raise ValueError(f"it is {layout.name}, which convcli does not read: {_REMEDY}")


_REMEDY = "convert it with a program that does, for example to 8 or 16 bits with LZW"


def _require_meaning(layout: Layout) -> None:
    """Raise ValueError for samples that convcli cannot use, whichever library decodes them."""
    if layout.kind == "c":
        raise ValueError(f"it is {layout.name}: save its magnitude, or its real and imaginary parts, as real numbers")
    if layout.photometric in (_MOSAIC, _LINEAR_RAW):
        raise ValueError(
            f"it is a raw photograph ({_COLOURS[layout.photometric]}), which must be developed first, "
            "for example with darktable-cli"
        )
    if layout.bits not in _DEPTHS.get(layout.photometric, {}).get(layout.kind, ()):
        raise ValueError(f"it is {layout.name}, which convcli does not read: {_REMEDY}")


def _is_read_alone(layout: Layout) -> bool:
    """Return whether tifffile reads a page without the extra."""
    whole = layout.bits in (1, 8, 16, 32, 64) and (layout.bits > 1 or layout.samples == 1)
    return layout.compression in _ALONE and whole and layout.predictor in (1, 2)


def _is_read_with_extra(layout: Layout) -> bool:
    """Return whether tifffile reads a page with the extra, and Pillow is not needed for its colours."""
    return layout.compression in _WITH_EXTRA and layout.photometric != YCBCR


def _is_plain(layout: Layout) -> bool:
    """Return whether Pillow changes the samples of a page only by the conversions of `as_pillow_returns`."""
    colours, depth, extra = layout.photometric, f"{layout.kind}{layout.bits}", layout.extra
    if layout.channels == 1 and colours in _PLAIN_GRAYS:
        anywhere, little = _PLAIN_GRAYS[colours]
        plain = extra == () and (depth in anywhere or (depth in little and not layout.big_endian))
        return plain or (colours, depth, extra) == (BLACK_IS_ZERO, "u8", (ALPHA,))
    if colours == PALETTE:
        return layout.bits <= 8 and extra == ()
    return (
        depth == "u8" and colours != ICCLAB and (extra == () or (colours == RGB and extra in ((ALPHA,), (MULTIPLIED,))))
    )


# The depths of gray that Pillow reads in both byte orders, and those that it misreads if the file is big-endian.
_PLAIN_GRAYS = {
    BLACK_IS_ZERO: ({"u1", "u2", "u4", "u8", "u16"}, {"i16", "u32", "i32", "f32"}),
    WHITE_IS_ZERO: ({"u1", "u2", "u4", "u8"}, {"u16", "f32"}),
}


def as_pillow_returns(layout: Layout) -> Layout:
    """Return the layout of the samples that Pillow returns for a page, with notes about what it has converted."""
    if layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and layout.bits <= 8:
        scaling = (note_of_scaling(layout.bits, 8),) if layout.bits < 8 else ()
        inversion = (INVERTED,) if layout.photometric == WHITE_IS_ZERO else ()
        return layout._replace(photometric=BLACK_IS_ZERO, bits=8, notes=(*layout.notes, *scaling, *inversion))
    if layout.photometric == YCBCR:
        return layout._replace(photometric=RGB, notes=(*layout.notes, "YCbCr converted to RGB"))
    if layout.is_multiplied:
        return layout._replace(extra=(ALPHA,), notes=(*layout.notes, DIVIDED))
    return layout


INVERTED = "white-is-zero inverted"
DIVIDED = "premultiplied colours divided by alpha"


def note_of_scaling(bits: int, full: int) -> str:
    """Return the note about levels that are scaled from this number of bits to 8 or 16."""
    return f"{bits} bit{'s' if bits > 1 else ''} scaled to {full}"
