"""Read the pages of a TIFF. tifffile reads the tags; `tiff_decoders` says who decodes the samples."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import PIL.Image
from PIL.ExifTags import Base

from convcli.arrays import Array
from convcli.errors import ConvcliError, reason_of
from convcli.files.file_bytes import first_bytes, open_file
from convcli.files.large_arrays import large_empty
from convcli.files.thread_warnings import drop_thread_warnings
from convcli.pictures import deep_extra
from convcli.pictures.formats.tiff_colours import Colours, colours_of, palette_of, stored_colours
from convcli.pictures.formats.tiff_compression import NUMBERS
from convcli.pictures.formats.tiff_decoders import Decoder, as_pillow_returns, decoder_of
from convcli.pictures.formats.tiff_directories import Directory, pictures_of
from convcli.pictures.formats.tiff_kinds import DEFLATE, YCBCR
from convcli.pictures.formats.tiff_layout import Layout, layout_of
from convcli.pictures.formats.tiff_segments import Extent, require_allowed, require_sizes
from convcli.pictures.gdal import ITEMS, NODATA, gdal_tags
from convcli.pictures.georeference import TAGS, Georeference, georeference_of
from convcli.pictures.image import Header, Image, Stored
from convcli.pictures.metadata import KEPT_TAGS, Description, description, kept_exif, sensible_dpi
from convcli.pictures.orientation import upright_array, upright_sides
from convcli.pictures.photoshop import IPTC, require_iptc, resource
from convcli.pictures.xmp import kept_xmp
from convcli.text import in_one_line

if TYPE_CHECKING:
    from tifffile import TiffPage

# An uncompressed page of more bytes than this is mapped.
LARGE = 64 << 20
# The bytes of the file that are read at a time.
_PIECE = 16 << 20

_CANON_RAW = b"CR\x02"
_ORIENTATION, _PALETTE, _PROFILE, _METAMORPH = 274, 320, 34675, 33629
_XMP, _IPTC, _RESOURCES = 700, 33723, 34377

_Value = TypeVar("_Value", bytes, str)

# Tags that are read, or that are about how the pixels are stored. Others are shown in a note, some of them.
_KNOWN_TAGS = {
    *range(254, 267), *range(273, 300), *range(316, 319), *range(320, 336), *range(338, 348), *range(512, 535), 559,
    _XMP, _IPTC, _RESOURCES, _PROFILE, _METAMORPH, 50674, *TAGS, ITEMS, NODATA, *KEPT_TAGS,
}  # fmt: skip
_SHOWN = 8


class TiffPages(NamedTuple):
    """The pages of an opened TIFF that are read, and a function that returns one by its number from 0."""

    total: int
    page: Callable[[int], "TiffPageFrame"]


@contextmanager
def tiff_pages(file: Path | BytesIO) -> Iterator[TiffPages]:
    """Yield the pages of a TIFF, without copies of reduced size and masks. They must be decoded in order.

    Raises ValueError if the file is no TIFF inside, or holds a raw photograph.
    """
    if first_bytes(file, 11)[8:] == _CANON_RAW:
        raise ValueError("it is a raw photograph (CR2), which must be developed first, for example with darktable-cli")
    pictures = pictures_of(file)
    with ExitStack() as opened:
        tiff = opened.enter_context(_opened(file))
        by_pillow = _PillowPages(file, opened)
        with _damage():
            losses = (*pictures.losses, *_losses_of_stacks(tiff, pictures.pages))

        def page(number: int) -> TiffPageFrame:
            directory = pictures.chosen[number]
            return TiffPageFrame(_page_at(tiff, directory), directory.number, by_pillow, () if number else losses)

        yield TiffPages(len(pictures.chosen), page)


def _opened(file: Path | BytesIO) -> Any:
    from tifffile import TiffFile

    if isinstance(file, BytesIO):
        file.seek(0)
    with _damage(), _any_nodata():
        return TiffFile(file)


def _page_at(tiff: Any, directory: Directory) -> "TiffPage":
    from tifffile import TiffPage

    with _damage(), _any_nodata():
        tiff.filehandle.seek(directory.offset)
        page = TiffPage(tiff, directory.number or 0)
    if page.photometric != YCBCR:
        # Left by a program that has converted YCbCr to RGB. tifffile refuses such a page, libtiff ignores the tag.
        page.subsampling = None
    return page


def _any_nodata() -> AbstractContextManager[None]:
    """Return a context in which tifffile does not warn of a nodata value that the samples cannot hold."""
    return drop_thread_warnings("tifffile", "GDAL_NODATA")


@contextmanager
def _damage() -> Iterator[None]:
    """Turn every error within, which damaged tags can raise, into a ValueError."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"it is a damaged TIFF: {reason_of(error)}") from error


def _losses_of_stacks(tiff: Any, pages: int) -> Iterator[str]:
    """Yield a sentence if the file has images without a page, as ImageJ and MetaMorph write them."""
    planes = tiff.pages[0].tags.get(_METAMORPH)
    metadata = tiff.imagej_metadata if tiff.is_imagej else None
    images = planes.count if planes else (metadata or {}).get("images", 1)
    if isinstance(images, int) and images > pages:
        yield f"a stack of {images} images, of which only {pages} can be read"


class _PillowPages:
    """The pages of a TIFF that Pillow decodes; the file is opened for the first of them."""

    def __init__(self, file: Path | BytesIO, opened: ExitStack) -> None:
        self._file, self._opened = file, opened
        self._picture: Any = None

    def decode(self, number: int, layout: Layout) -> Array:
        """Return the samples ``(samples, H, W)`` of a page, upright."""
        if self._picture is None:
            # Of a stream: Pillow maps a file that it knows by name, and then turns it wrongly.
            stream = self._opened.enter_context(open_file(self._file))
            stream.seek(0)
            try:
                self._picture = self._opened.enter_context(PIL.Image.open(stream))
            except PIL.UnidentifiedImageError:
                raise ValueError("Pillow does not know its tags") from None
        self._picture.seek(number)
        self._picture.load()
        samples = np.asarray(self._picture.convert("L") if self._picture.mode == "1" else self._picture)
        samples = samples.reshape(*samples.shape[:2], -1)
        if samples.shape[2] != layout.samples:
            raise ValueError(f"it is {layout.name}, which Pillow reads as {self._picture.mode}")
        # Pillow returns unsigned integers of 32 bits, and signed ones of 16 bits, as signed ones of 32 bits.
        return np.moveaxis(samples, -1, 0).astype(layout.level_type, copy=False)


class TiffPageFrame:
    """A page of a TIFF, whose pixels may be larger than memory."""

    def __init__(
        self, page: "TiffPage", number: int | None, by_pillow: _PillowPages, warnings: tuple[str, ...]
    ) -> None:
        self._page, self._number, self._by_pillow, self._warnings = page, number, by_pillow, warnings

    def header(self) -> Header:
        """Return the header of the page that ``decode`` would return, from the tags."""
        layout, _ = self._readable()
        channels, dtype = stored_colours(layout, self._palette(layout))
        sides = upright_sides((layout.height, layout.width), _orientation(self._page))
        return Header((channels, *sides), dtype, alpha=layout.alpha is not None)

    def decode(self) -> Image:
        """Return the page upright, in its own type; its pixels are a view of the file if possible, else decoded."""
        layout, decoder = self._readable()
        palette = self._palette(layout)
        described = _describe(self._page)
        with _damage_of(layout):
            if decoder is Decoder.PILLOW:
                layout = as_pillow_returns(layout)
                channels = self._by_pillow.decode(self._require_number(layout), layout)
            else:
                channels = upright_array(_channels(self._page), described.orientation)
        colours = colours_of(channels, layout, palette, described.metadata.icc)
        return self._image(colours, layout, described)

    def _readable(self) -> tuple[Layout, Decoder]:
        """Return the layout and the decoder; raise ValueError if the page is not read, or too large.

        A mapped page is not decoded, and may have any size.
        """
        layout = layout_of(self._page)
        decoder = decoder_of(layout)
        if not _is_mapped(self._page):
            require_allowed(Extent(layout.height, layout.width, layout.samples))
        return layout, decoder

    def _palette(self, layout: Layout) -> Array | None:
        return palette_of(layout, self._page.tags.valueof(_PALETTE))

    def _require_number(self, layout: Layout) -> int:
        if self._number is None:
            raise ValueError(f"it is {layout.name} within a page: {deep_extra.advice('to read it')}")
        return self._number

    def _image(self, colours: Colours, layout: Layout, described: Description) -> Image:
        metadata = described.metadata if colours.keeps_profile else described.metadata._replace(icc=None)
        notes = (*layout.notes, *colours.notes, *_notes_of(self._page), *described.notes)
        losses = (*self._warnings, *colours.warnings, *described.warnings)
        stored = Stored(compression=_compression_of(layout))
        return Image(colours.pixels, colours.alpha, metadata, notes, losses, stored=stored)


def _compression_of(layout: Layout) -> str:
    """Return the name of the compression for writing, or its name in messages if it is not written."""
    number = NUMBERS["deflate"] if layout.compression in DEFLATE else layout.compression
    return next((name for name, written in NUMBERS.items() if written == number), layout.coded.name)


@contextmanager
def _damage_of(layout: Layout) -> Iterator[None]:
    """Turn an error of a decoder, which may be of any kind, into a ValueError that says what the page is."""
    try:
        yield
    except (ConvcliError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"it is {layout.name}, damaged or incomplete: {reason_of(error)}") from error


def _notes_of(page: "TiffPage") -> Iterator[str]:
    if page.parent.is_bigtiff and page.parent.byteorder == ">":
        yield "EXIF is not read from a big-endian BigTIFF"
    if (nodata := page.tags.valueof(NODATA)) is not None:
        yield f"the nodata value {nodata!s:.40} is computed like any other"
    if others := [in_one_line(tag.name) for tag in page.tags if tag.code not in _KNOWN_TAGS]:
        yield f"tags of other programs are dropped: {', '.join(others[:_SHOWN])}{', ...' * (len(others) > _SHOWN)}"
    if str(page.tags.valueof(Base.ImageDescription)).startswith(("<?xml", "<OME", "ImageJ=")):
        yield "the description of ImageJ or OME is dropped"
    if 'role="scale"' in str(page.tags.valueof(ITEMS)):
        yield "GDAL's scale and offset are not applied"


def _orientation(page: "TiffPage") -> int:
    orientation = page.tags.valueof(_ORIENTATION)
    return int(orientation) if isinstance(orientation, int) else 1


def _describe(page: "TiffPage") -> Description:
    described = description(
        _orientation(page),
        {
            "icc": lambda: _value(page, _PROFILE, bytes),
            "exif": lambda: _exif(page),
            "dpi": lambda: _dpi(page),
            "xmp": lambda: kept_xmp(_value(page, _XMP, bytes)),
            "iptc": lambda: _iptc(page),
            "geo": lambda: _georeference(page),
            "gdal": lambda: gdal_tags(_value(page, ITEMS, str), _value(page, NODATA, str)),
        },
    )
    if not described.metadata.geo or described.orientation == 1:
        return described
    loss = (
        f"the georeference is dropped: it is for the stored pixels, and orientation {described.orientation} turns them"
    )
    return described._replace(metadata=described.metadata._replace(geo=None), warnings=(*described.warnings, loss))


def _value(page: "TiffPage", tag: int, kind: type[_Value]) -> _Value | None:
    """Return the value of a tag, or None without one; raise ValueError if it is of another type than ``kind``."""
    value: Any = page.tags.valueof(tag)
    if value is None or isinstance(value, kind):
        return value
    raise ValueError(f"expected {'text' if kind is str else 'bytes'}, given {value!r:.40}")


def _iptc(page: "TiffPage") -> bytes | None:
    if iptc := _value(page, _IPTC, bytes):
        return require_iptc(iptc)
    return require_iptc(resource(_value(page, _RESOURCES, bytes) or b"", IPTC))


def _georeference(page: "TiffPage") -> Georeference | None:
    return georeference_of({tag: page.tags.valueof(tag) for tag in TAGS})


def _exif(page: "TiffPage") -> bytes | None:
    exif = PIL.Image.Exif()
    exif.endian, exif.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    if exif.bigtiff and exif.endian == ">":
        # Pillow takes it for a classic TIFF.
        return None
    stream: Any = page.parent.filehandle
    exif.load_from_fp(stream, page.offset)
    return kept_exif(exif)


def _dpi(page: "TiffPage") -> tuple[float, float] | None:
    per_inch = {2: 1.0, 3: 2.54}.get(page.tags.valueof(Base.ResolutionUnit, 2), 0.0)
    x, y = (_ratio(page.tags.valueof(tag)) * per_inch for tag in (Base.XResolution, Base.YResolution))
    return sensible_dpi(x, y)


def _ratio(value: Any) -> float:
    return value[0] / value[1] if value and value[1] else 0.0


def _channels(page: "TiffPage") -> Array:
    """Return the channels ``(C, H, W)`` as they are stored."""
    if _is_mapped(page):
        pixels = page.asarray(out="memmap")
    else:
        require_sizes(page)
        assert page.dtype is not None
        stored = large_empty(page.shape, page.dtype.newbyteorder("="))
        pixels = page.asarray(out=stored, buffersize=_PIECE)
    return pixels if page.axes.startswith("S") else np.moveaxis(pixels.reshape(*page.shape[:2], -1), -1, 0)


def _is_mapped(page: "TiffPage") -> bool:
    if page.nbytes <= LARGE or not page.is_memmappable:
        return False
    native = np.dtype(f"{page.parent.byteorder}u2").isnative
    return native and page.dataoffsets[0] + page.nbytes <= page.parent.filehandle.size
