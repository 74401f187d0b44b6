"""Choose the library that decodes a page of a TIFF, and say what Pillow makes of the samples.

The choice depends on the tags alone, not on what a library accepts. Other pages are refused, with a description.
"""

from enum import Enum

from convcli.pictures import deep_extra
from convcli.pictures.formats.tiff_kinds import (
    ALPHA,
    BLACK_IS_ZERO,
    JPEG,
    LINEAR_RAW,
    MOSAIC,
    RGB,
    UNCOMPRESSED,
    WHITE_IS_ZERO,
    YCBCR,
)
from convcli.pictures.formats.tiff_layout import REMEDY, Layout


class Decoder(Enum):
    """The library that decodes a page."""

    TIFFFILE = "tifffile, which returns the samples as they are stored"
    PILLOW = "Pillow, whose libtiff is part of it"


def decoder_of(layout: Layout) -> Decoder:
    """Return the library that decodes a page; raise ValueError, with what to do, if none does."""
    _require_meaning(layout)
    extra = deep_extra.is_installed()
    by_pillow = layout.coded.pillow and _is_plain(layout)
    if layout.compression == UNCOMPRESSED and _is_read_alone(layout):
        return Decoder.TIFFFILE
    # Pillow's libtiff knows what the tags say about the colours of JPEG.
    if extra and _is_read_with_extra(layout) and not (by_pillow and layout.compression == JPEG):
        return Decoder.TIFFFILE
    if by_pillow:
        return Decoder.PILLOW
    if _is_read_alone(layout):
        return Decoder.TIFFFILE
    if not extra and _is_read_with_extra(layout):
        raise ValueError(f"it is {layout.name}: {deep_extra.advice('to read it')}")
    raise ValueError(f"it is {layout.name}, which convcli does not read: {REMEDY}")


def _require_meaning(layout: Layout) -> None:
    """Raise ValueError for samples that convcli cannot use, whichever library decodes them."""
    if layout.kind == "c":
        raise ValueError(f"it is {layout.name}: save its magnitude, or its real and imaginary parts, as real numbers")
    if layout.photometric in (MOSAIC, LINEAR_RAW):
        raise ValueError(
            f"it is a raw photograph ({layout.meaning.name}), which must be developed first, "
            "for example with darktable-cli"
        )
    if layout.depth not in layout.meaning.read:
        raise ValueError(f"it is {layout.name}, which convcli does not read: {REMEDY}")


def _is_read_alone(layout: Layout) -> bool:
    """Return whether tifffile reads a page without the extra."""
    whole = layout.bits in (1, 8, 16, 32, 64) and (layout.bits > 1 or layout.samples == 1)
    return layout.coded.tifffile == "alone" and whole and layout.predictor in (1, 2)


def _is_read_with_extra(layout: Layout) -> bool:
    """Return whether tifffile reads a page with the extra, and Pillow is not needed for its colours."""
    return layout.coded.tifffile != "no" and layout.photometric != YCBCR


def _is_plain(layout: Layout) -> bool:
    """Return whether Pillow changes the samples of a page only by the conversions of `as_pillow_returns`."""
    meaning = layout.meaning
    # Of a spectrum, whose first sample alone is gray, Pillow reads only bytes.
    if layout.channels > (meaning.samples or 1):
        return layout.depth == "u8" and layout.extra == ()
    with_alpha = layout.depth == "u8" and layout.extra in [(kind,) for kind in meaning.pillow_alpha]
    little = meaning.pillow_little if not layout.big_endian else ()
    return with_alpha or (layout.extra == () and (layout.depth in meaning.pillow or layout.depth in little))


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
