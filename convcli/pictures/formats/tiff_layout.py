"""Describe the samples of a TIFF page by its tags."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convcli.pictures.formats.tiff_kinds import (
    ALPHA,
    BLACK_IS_ZERO,
    CIELAB,
    COMPRESSIONS,
    ICCLAB,
    LERC,
    MULTIPLIED,
    PHOTOMETRICS,
    RGB,
    UNCOMPRESSED,
    YCBCR,
    Compression,
    Photometric,
)

if TYPE_CHECKING:
    from tifffile import TiffPage

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
    compression: int = UNCOMPRESSED
    predictor: int = 1
    big_endian: bool = False
    notes: tuple[str, ...] = ()

    @property
    def meaning(self) -> Photometric:
        """The row of the meaning of the samples."""
        unknown = Photometric(f"colours of an unknown kind ({self.photometric})")
        return PHOTOMETRICS.get(self.photometric, unknown)

    @property
    def coded(self) -> Compression:
        """The row of the compression."""
        return COMPRESSIONS.get(self.compression, Compression(f"an unknown compression ({self.compression})"))

    @property
    def depth(self) -> str:
        """The kind and bits of the samples, as in ``u8``."""
        return f"{self.kind}{self.bits}"

    @property
    def channels(self) -> int:
        """The number of samples that are colours or levels: all before the extra ones."""
        if self.meaning.samples is not None:
            return self.meaning.samples
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
        return f"a TIFF of {self.bits}-bit {kind}{self.meaning.name}, {self.coded.name}"


REMEDY = "convert it with a program that does, for example to 8 or 16 bits with LZW"


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
    return photometric, (f"the file does not say what its levels mean: read as {PHOTOMETRICS[photometric].name}",)


def _require_usual(layout: Layout, page: "TiffPage") -> None:
    """Raise ValueError if the samples are laid out in a way that no decoder here knows."""
    if _whole(page, "imagedepth", 1) > 1:
        raise ValueError("it is a TIFF of volumes: convcli reads pages of one layer")
    if layout.channels < 1:
        raise ValueError(f"it is {layout.name}, but has alpha alone")
    if layout.dropped < 0:
        raise ValueError(f"it is {layout.name}, but has {layout.samples} channels")
    if layout.compression == LERC and _is_compressed_again(page):
        raise ValueError(f"it is {layout.name} within another compression: {REMEDY}")
    if layout.photometric == YCBCR and layout.compression == UNCOMPRESSED and page.is_subsampled:
        raise ValueError(f"it is {layout.name}, with fewer colours than pixels: {REMEDY}")
    if layout.photometric in (CIELAB, ICCLAB) and not _is_near_d50(page.tags.valueof(_WHITE_POINT)):
        raise ValueError(f"it is {layout.name}, with another white point than D50: {REMEDY}")


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
