"""Turn the samples of a TIFF page into the pixels of an image, as its layout says."""

from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from convcli.arrays import Array
from convcli.files.large_arrays import by_rows
from convcli.pictures.channels import channels_of
from convcli.pictures.colour_modes import Conversion, convert_to_mode
from convcli.pictures.formats.levels import scale_levels
from convcli.pictures.formats.tiff_decoders import DIVIDED, INVERTED, note_of_scaling
from convcli.pictures.formats.tiff_kinds import CIELAB, CMYK, ICCLAB, PALETTE, WHITE_IS_ZERO, YCBCR
from convcli.pictures.formats.tiff_layout import Layout

_UINT8, _UINT16 = np.dtype(np.uint8), np.dtype(np.uint16)


class Colours(NamedTuple):
    """Pixels ``(C, H, W)`` and alpha, with the notes and warnings of their conversion."""

    pixels: Array
    alpha: Array | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    keeps_profile: bool = True


def colours_of(channels: Array, layout: Layout, palette: Array | None, icc: bytes | None) -> Colours:
    """Return the colours in the stored channels ``(C, H, W)``, which may also hold alpha and others.

    palette: colours ``(C, entries)`` for indices.  icc: the colour profile, by which CMYK is converted.
    """
    levels = channels[: layout.channels]
    alpha = None if layout.alpha is None else channels[layout.alpha]
    if palette is not None:
        return Colours(_looked_up(levels[0], palette), _as_alpha(alpha, layout, palette.dtype), (_note_of(palette),))
    if layout.photometric in (CMYK, CIELAB, ICCLAB, YCBCR):
        return _converted(levels, layout, icc)._replace(alpha=_as_alpha(alpha, layout, _UINT8))
    pixels, notes = _at_full_range(levels, layout)
    inverted = layout.photometric == WHITE_IS_ZERO and layout.kind == "u"
    if inverted:
        most = _most(layout)
        pixels = by_rows(lambda rows: most - rows, pixels.shape, pixels.dtype, pixels)
        notes = (*notes, INVERTED)
    if layout.is_multiplied and alpha is not None:
        pixels, notes = _divide(pixels, _at_full_range(alpha, layout)[0]), (*notes, DIVIDED)
    return Colours(pixels, _as_alpha(alpha, layout, pixels.dtype), notes, tuple(_losses(layout)))


def stored_colours(layout: Layout, palette: Array | None) -> tuple[int, "np.dtype[Any]"]:
    """Return the number and the type of the channels that `colours_of` returns."""
    if palette is not None:
        return len(palette), palette.dtype
    if layout.photometric in (CMYK, CIELAB, ICCLAB, YCBCR):
        return 3, _UINT8
    return layout.channels, _full_type(layout)


def palette_of(layout: Layout, entries: Any) -> Array | None:
    """Return the colours ``(1 or 3, entries)`` of a page's palette; None if it has none by its layout.

    entries: the tag ColorMap. Raises ValueError if it is missing or of another size.
    """
    if layout.photometric != PALETTE:
        return None
    palette = np.asarray(() if entries is None else entries)
    if palette.shape != (3, 1 << layout.bits) or palette.dtype.kind != "u":
        raise ValueError("it is a damaged TIFF: its palette is missing, or not of three colours per level")
    if (palette == palette[0]).all():
        palette = palette[:1]
    return _of_8_bits(palette)


def _of_8_bits(palette: Array) -> Array:
    """Return a palette at 8 bits if that loses nothing, otherwise at 16 bits."""
    # Some programs store 8 bits in the lower byte, others in the upper one, most in both.
    if palette.max() < 256:
        return palette.astype(np.uint8)
    upper, lower = palette >> 8, palette & 255
    return upper.astype(np.uint8) if not lower.any() or (upper == lower).all() else palette.astype(np.uint16)


def _looked_up(indices: Array, palette: Array) -> Array:
    shape = (len(palette), *indices.shape)
    return by_rows(lambda rows: palette[:, rows.astype(np.intp)], shape, palette.dtype, indices)


def _note_of(palette: Array) -> str:
    return f"palette converted to {'L' if len(palette) == 1 else 'RGB'}"


def _converted(levels: Array, layout: Layout, icc: bytes | None) -> Colours:
    """Return CMYK, Lab or YCbCr as RGB of 8 bits."""
    losses: tuple[str, ...] = tuple(_losses(layout))
    if layout.bits == 16:
        levels = by_rows(lambda rows: np.rint(rows / 257), levels.shape, np.uint8, levels)
        losses = (f"{layout.bits}-bit CMYK TIFF read at 8 bits: to keep all bits, use an .npy array", *losses)
    converted = _in_rgb(levels, layout, icc)
    pixels, _ = channels_of(converted.picture, _UINT8)
    return Colours(pixels, None, converted.notes, (*losses, *converted.warnings), converted.keeps_profile)


def _in_rgb(levels: Array, layout: Layout, icc: bytes | None) -> Conversion:
    # Pillow stores a* and b* as ICC profiles do, with an offset, and CIELab stores them as signed integers.
    signed = layout.photometric == CIELAB
    channels = [PIL.Image.fromarray(each ^ 128 if signed and place else each) for place, each in enumerate(levels)]
    picture = PIL.Image.merge({CMYK: "CMYK", YCBCR: "YCbCr"}.get(layout.photometric, "LAB"), channels)
    if icc:
        picture.info["icc_profile"] = icc
    return convert_to_mode(picture, "RGB")


def _losses(layout: Layout) -> list[str]:
    losses = []
    if layout.dropped:
        losses.append(
            f"{layout.dropped} of {layout.samples} channels dropped, because the file does not say what it is"
        )
    if layout.photometric == WHITE_IS_ZERO and layout.kind != "u":
        losses.append("0 is white, but signed and float levels cannot be inverted: they are read as they are stored")
    return losses


def _full_type(layout: Layout) -> "np.dtype[Any]":
    return np.dtype(np.float32) if (layout.kind, layout.bits) == ("f", 24) else layout.level_type


def _most(layout: Layout) -> int:
    """Return the level that stands for white, after `_at_full_range`."""
    return (1 << layout.bits) - 1 if 16 < layout.bits < 32 else int(np.iinfo(layout.level_type).max)


def _at_full_range(levels: Array, layout: Layout) -> tuple[Array, tuple[str, ...]]:
    """Return levels of fewer than 8 or 16 bits scaled to these, and a note about that."""
    if layout.kind != "u" or layout.bits in (8, 16, 32, 64):
        return levels, ()
    if layout.bits > 16:
        return levels, (f"{layout.bits} bits read as whole numbers up to {(1 << layout.bits) - 1:,}",)
    full, most = layout.level_type, (1 << layout.bits) - 1
    # Levels of 1 bit are booleans.
    scaled = by_rows(lambda rows: scale_levels(rows.astype(full), most), levels.shape, full, levels)
    return scaled, (note_of_scaling(layout.bits, 8 * full.itemsize),)


def _opaque(alpha: Array) -> int:
    return 1 if alpha.dtype.kind == "f" else int(np.iinfo(alpha.dtype).max)


def _as_alpha(alpha: Array | None, layout: Layout, dtype: "np.dtype[Any]") -> Array | None:
    """Return alpha at the pixels' depth if that is 8 or 16 bits, else at 16 bits."""
    if alpha is None:
        return None
    alpha, _ = _at_full_range(alpha, layout)
    if alpha.dtype == dtype and dtype in (_UINT8, _UINT16):
        return alpha
    depth = dtype if dtype == _UINT8 else _UINT16
    opaque, most = np.float64(_opaque(alpha)), np.iinfo(depth).max
    return by_rows(lambda rows: np.rint(np.nan_to_num(np.clip(rows / opaque, 0, 1)) * most), alpha.shape, depth, alpha)


def _divide(pixels: Array, alpha: Array) -> Array:
    """Return colours divided by alpha, 0 where alpha is 0."""
    most = _opaque(alpha)

    @np.errstate(over="ignore", invalid="ignore")
    def divided(rows: Array, opacity: Array) -> Array:
        factors = np.divide(most, opacity, out=np.zeros(opacity.shape), where=opacity > 0)
        colours = rows * factors
        return colours if rows.dtype.kind == "f" else np.rint(np.minimum(colours, most))

    return by_rows(divided, pixels.shape, pixels.dtype, pixels, alpha)
