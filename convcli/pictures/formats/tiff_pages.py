"""Pages of a TIFF that are read past Pillow: for their depth, which it would cut, or for their size."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import PIL.Image
from PIL.ExifTags import Base

from convcli.arrays import Array
from convcli.files.file_bytes import first_bytes
from convcli.files.large_arrays import by_rows, large_empty
from convcli.pictures import deep_extra
from convcli.pictures.image import Header, Image, Metadata
from convcli.pictures.metadata import description, kept_exif, orientation_in, sensible_dpi
from convcli.pictures.orientation import is_sideways, upright_array
from convcli.pictures.pixel_limit import refuse_beyond_limit

if TYPE_CHECKING:
    from tifffile import TiffPage

# Of pixels: Pillow would hold them all in memory.
LARGE = 64 << 20
# What is read of the file at a time.
_PASS = 16 << 20

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_MULTIPLIED, _ALPHA = 1, 2
_PROFILE = 34675

# Channels and types that Pillow holds as they are.
_HELD = {(count, "uint8") for count in (1, 2, 3, 4)} | {(1, name) for name in ("uint16", "int16", "int32", "float32")}


@contextmanager
def tiff_pages(file: Path | BytesIO) -> Iterator[list["TiffPageFrame | None"]]:
    """The pages of a TIFF, None for one that is Pillow's to read; none of what is no TIFF, or without the extra."""
    if not deep_extra.is_installed() or not is_tiff(file):
        yield []
        return
    from tifffile import TiffFile

    try:
        tiff = TiffFile(file)
    # Whatever is wrong, Pillow says it in other words, or reads it.
    except Exception:
        yield []
        return
    with tiff:
        yield [TiffPageFrame(page) if _is_ours(page) else None for page in _once(tiff.pages)]


def is_tiff(file: Path | BytesIO) -> bool:
    """By its first bytes; a file in memory is left at its start."""
    if isinstance(file, BytesIO):
        file.seek(0)
    return first_bytes(file, 4) in _MAGIC


def _once(pages: Any) -> Iterator[Any]:
    """The pages, up to one that leads back to an earlier one: there the file ends, as it does for Pillow."""
    seen: set[int] = set()
    for page in pages:
        if page.offset in seen:
            return
        seen.add(page.offset)
        yield page


def _is_ours(page: Any) -> bool:
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or page.dtype is None or page.imagedepth > 1:
        return False
    whole = page.dtype.kind in "uif" and page.bitspersample == 8 * page.dtype.itemsize
    held = (page.samplesperpixel, page.dtype.name) in _HELD
    return whole and (page.nbytes > LARGE or not held)


class TiffPageFrame(NamedTuple):
    """A page, whose pixels may be larger than memory."""

    page: "TiffPage"

    def header(self) -> Header:
        """What ``decode`` would give, from the tags."""
        page, layout = _decodable(self.page), _Layout.of(self.page)
        extent = (page.imagelength, page.imagewidth)
        upright = extent[::-1] if is_sideways(description(lambda: _described(page)).orientation) else extent
        return Header((layout.channels, *upright), _type(page), alpha=layout.alpha is not None)

    def decode(self) -> Image:
        """Upright, in the page's own type: a view of the file where that can be, of what was decoded otherwise."""
        page, layout = _decodable(self.page), _Layout.of(self.page)
        orientation, metadata, losses = description(lambda: _described(page))
        bands = upright_array(_bands(page), orientation)
        opacity = None if layout.alpha is None else bands[layout.alpha]
        pixels, notes = self._plain(bands[: layout.channels], opacity)
        alpha = None if opacity is None else _in_levels(opacity)
        if layout.dropped:
            losses = (*losses, f"{layout.dropped} of {len(bands)} channels, of unknown meaning, left out")
        return Image(pixels, alpha, metadata, notes, losses)

    def _plain(self, pixels: Array, alpha: Array | None) -> tuple[Array, tuple[str, ...]]:
        """Levels of which the highest is white, and that are not multiplied by alpha; and what was done."""
        if self.page.photometric == _WHITE_IS_ZERO and pixels.dtype.kind == "u":
            inverted = by_rows(lambda rows: np.iinfo(rows.dtype).max - rows, pixels.shape, pixels.dtype, pixels)
            return inverted, ("white-is-zero inverted",)
        if alpha is not None and _MULTIPLIED in self.page.extrasamples:
            return _divided(pixels, alpha), ("premultiplied colours divided by alpha",)
        return pixels, ()


def _decodable(page: "TiffPage") -> "TiffPage":
    """The page, of which no more pixels are made than is allowed; those of a mapped file are there already."""
    if not _is_mapped(page):
        refuse_beyond_limit(page.imagewidth * page.imagelength)
    return page


class _Layout(NamedTuple):
    """How many of a page's samples are channels, from the first, which is alpha, and how many are neither."""

    channels: int
    alpha: int | None
    dropped: int

    @classmethod
    def of(cls, page: "TiffPage") -> "_Layout":
        samples, extra = page.samplesperpixel, page.extrasamples
        first = samples - len(extra)
        alphas = [number for number, kind in enumerate(extra, first) if kind in (_MULTIPLIED, _ALPHA)]
        alpha = alphas[0] if alphas else None
        # Of black is zero, channels beyond the first are a spectrum.
        channels = 3 if page.photometric == _RGB else samples if alpha is None else alpha
        return cls(channels, alpha, samples - channels - (alpha is not None))


def _type(page: "TiffPage") -> np.dtype[Any]:
    assert page.dtype is not None
    return page.dtype.newbyteorder("=")


def _described(page: "TiffPage") -> tuple[int, Metadata]:
    exif = _exif(page)
    orientation, dpi = orientation_in(exif), _dpi(exif)
    return orientation, Metadata(exif.get(_PROFILE), kept_exif(exif), dpi)


def _exif(page: "TiffPage") -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif.endian, exif.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    stream: Any = page.parent.filehandle
    exif.load_from_fp(stream, page.offset)
    return exif


def _dpi(exif: PIL.Image.Exif) -> tuple[float, float] | None:
    per_inch = {2: 1.0, 3: 2.54}.get(exif.get(Base.ResolutionUnit, 2), 0.0)
    x, y = (float(exif.get(tag, 0)) * per_inch for tag in (Base.XResolution, Base.YResolution))
    return sensible_dpi(x, y)


def _bands(page: "TiffPage") -> Array:
    """``(samples, H, W)``."""
    if _is_mapped(page):
        pixels = page.asarray(out="memmap")
    else:
        pixels = page.asarray(out=large_empty(page.shape, _type(page)), buffersize=_PASS)
    return pixels if page.axes.startswith("S") else np.moveaxis(pixels.reshape(*page.shape[:2], -1), -1, 0)


def _is_mapped(page: "TiffPage") -> bool:
    if page.nbytes <= LARGE or not page.is_memmappable:
        return False
    native = np.dtype(f"{page.parent.byteorder}u2").isnative
    return native and page.dataoffsets[0] + page.nbytes <= page.parent.filehandle.size


def _opaque(alpha: Array) -> int:
    return 1 if alpha.dtype.kind == "f" else int(np.iinfo(alpha.dtype).max)


def _in_levels(alpha: Array) -> Array:
    """8 bits as they are, and everything else as 16."""
    if alpha.dtype in (np.uint8, np.uint16):
        return alpha
    opaque = np.float64(_opaque(alpha))
    return by_rows(
        lambda rows: np.rint(np.nan_to_num(np.clip(rows / opaque, 0, 1)) * 65535), alpha.shape, np.uint16, alpha
    )


def _divided(pixels: Array, alpha: Array) -> Array:
    """Colours that were multiplied by alpha; 0 where that is 0."""
    most = _opaque(alpha)

    @np.errstate(over="ignore", invalid="ignore")
    def divided(rows: Array, opacity: Array) -> Array:
        factors = np.divide(most, opacity, out=np.zeros(opacity.shape), where=opacity > 0)
        colours = rows * factors
        return colours if rows.dtype.kind == "f" else np.rint(np.minimum(colours, most))

    return by_rows(divided, pixels.shape, pixels.dtype, pixels, alpha)
