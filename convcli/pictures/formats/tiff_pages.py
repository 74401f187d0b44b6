"""Read pages of a TIFF without Pillow, which would lose depth or hold large pages in memory."""

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

# A page of more bytes than this is not read by Pillow, which would hold it in memory.
LARGE = 64 << 20
# The bytes of the file that are read at a time.
_PIECE = 16 << 20

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_MULTIPLIED, _ALPHA = 1, 2
_PROFILE = 34675

# The channels and types that Pillow reads without a conversion.
_READ_BY_PILLOW = {(count, "uint8") for count in (1, 2, 3, 4)} | {
    (1, name) for name in ("uint16", "int16", "int32", "float32")
}


@contextmanager
def tiff_pages(file: Path | BytesIO) -> Iterator[list["TiffPageFrame | None"]]:
    """Yield the pages of a TIFF, with None for each page that Pillow reads.

    The list is empty for other files, and without the extra ``deep``.
    """
    if not deep_extra.is_installed() or not is_tiff(file):
        yield []
        return
    from tifffile import TiffFile

    try:
        tiff = TiffFile(file)
    # Pillow reads the file, or reports the error.
    except Exception:
        yield []
        return
    with tiff:
        yield [TiffPageFrame(page) if _is_read_here(page) else None for page in _without_repeats(tiff.pages)]


def is_tiff(file: Path | BytesIO) -> bool:
    """Return whether the first bytes are those of a TIFF; a file in memory is rewound to its start."""
    if isinstance(file, BytesIO):
        file.seek(0)
    return first_bytes(file, 4) in _MAGIC


def _without_repeats(pages: Any) -> Iterator[Any]:
    """Yield the pages until the chain of pages returns to an earlier one; Pillow stops there, too."""
    seen: set[int] = set()
    for page in pages:
        if page.offset in seen:
            return
        seen.add(page.offset)
        yield page


def _is_read_here(page: Any) -> bool:
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or page.dtype is None or page.imagedepth > 1:
        return False
    whole = page.dtype.kind in "uif" and page.bitspersample == 8 * page.dtype.itemsize
    read_by_pillow = (page.samplesperpixel, page.dtype.name) in _READ_BY_PILLOW
    return whole and (page.nbytes > LARGE or not read_by_pillow)


class TiffPageFrame:
    """A page of a TIFF, whose pixels may be larger than memory."""

    def __init__(self, page: "TiffPage") -> None:
        self._page = page

    def header(self) -> Header:
        """Return the header of the page that ``decode`` would return, from the tags."""
        page, layout = _decodable(self._page), _layout_of(self._page)
        extent = (page.imagelength, page.imagewidth)
        upright = extent[::-1] if is_sideways(description(lambda: _description_of(page)).orientation) else extent
        return Header((layout.channels, *upright), _type(page), alpha=layout.alpha is not None)

    def decode(self) -> Image:
        """Return the page upright, in its own type; its pixels are a view of the file if possible, else decoded."""
        page, layout = _decodable(self._page), _layout_of(self._page)
        described = description(lambda: _description_of(page))
        channels = upright_array(_channels(page), described.orientation)
        opacity = None if layout.alpha is None else channels[layout.alpha]
        pixels, notes = self._convert(channels[: layout.channels], opacity)
        alpha = None if opacity is None else _levels_of(opacity)
        losses = described.warnings
        if layout.dropped:
            losses = (
                *losses,
                f"{layout.dropped} of {len(channels)} channels dropped, because the file does not say what it is",
            )
        return Image(pixels, alpha, described.metadata, notes, losses)

    def _convert(self, pixels: Array, alpha: Array | None) -> tuple[Array, tuple[str, ...]]:
        """Return levels in which white is the largest, not multiplied by alpha, and notes about the conversion."""
        if self._page.photometric == _WHITE_IS_ZERO and pixels.dtype.kind == "u":
            inverted = by_rows(lambda rows: np.iinfo(rows.dtype).max - rows, pixels.shape, pixels.dtype, pixels)
            return inverted, ("white-is-zero inverted",)
        if alpha is not None and _MULTIPLIED in self._page.extrasamples:
            return _divide(pixels, alpha), ("premultiplied colours divided by alpha",)
        return pixels, ()


def _decodable(page: "TiffPage") -> "TiffPage":
    """Return the page; raise ValueError if it has more pixels than may be decoded. A mapped page is not decoded."""
    if not _is_mapped(page):
        refuse_beyond_limit(page.imagewidth * page.imagelength)
    return page


class _Layout(NamedTuple):
    """The samples of a page: the first ones are channels, one may be alpha, and the others are dropped."""

    channels: int
    alpha: int | None
    dropped: int


def _layout_of(page: "TiffPage") -> _Layout:
    samples, extra = page.samplesperpixel, page.extrasamples
    first = samples - len(extra)
    alphas = [number for number, kind in enumerate(extra, first) if kind in (_MULTIPLIED, _ALPHA)]
    alpha = alphas[0] if alphas else None
    # If black is zero, channels beyond the first are a spectrum.
    channels = 3 if page.photometric == _RGB else samples if alpha is None else alpha
    return _Layout(channels, alpha, samples - channels - (alpha is not None))


def _type(page: "TiffPage") -> np.dtype[Any]:
    assert page.dtype is not None
    return page.dtype.newbyteorder("=")


def _description_of(page: "TiffPage") -> tuple[int, Metadata]:
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


def _channels(page: "TiffPage") -> Array:
    """Return the channels ``(C, H, W)``, alpha among them."""
    if _is_mapped(page):
        pixels = page.asarray(out="memmap")
    else:
        pixels = page.asarray(out=large_empty(page.shape, _type(page)), buffersize=_PIECE)
    return pixels if page.axes.startswith("S") else np.moveaxis(pixels.reshape(*page.shape[:2], -1), -1, 0)


def _is_mapped(page: "TiffPage") -> bool:
    if page.nbytes <= LARGE or not page.is_memmappable:
        return False
    native = np.dtype(f"{page.parent.byteorder}u2").isnative
    return native and page.dataoffsets[0] + page.nbytes <= page.parent.filehandle.size


def _opaque(alpha: Array) -> int:
    return 1 if alpha.dtype.kind == "f" else int(np.iinfo(alpha.dtype).max)


def _levels_of(alpha: Array) -> Array:
    """Return alpha of 8 or 16 bits unchanged, and any other alpha at 16 bits."""
    if alpha.dtype in (np.uint8, np.uint16):
        return alpha
    opaque = np.float64(_opaque(alpha))
    return by_rows(
        lambda rows: np.rint(np.nan_to_num(np.clip(rows / opaque, 0, 1)) * 65535), alpha.shape, np.uint16, alpha
    )


def _divide(pixels: Array, alpha: Array) -> Array:
    """Return colours divided by alpha, 0 where alpha is 0."""
    most = _opaque(alpha)

    @np.errstate(over="ignore", invalid="ignore")
    def divided(rows: Array, opacity: Array) -> Array:
        factors = np.divide(most, opacity, out=np.zeros(opacity.shape), where=opacity > 0)
        colours = rows * factors
        return colours if rows.dtype.kind == "f" else np.rint(np.minimum(colours, most))

    return by_rows(divided, pixels.shape, pixels.dtype, pixels, alpha)
