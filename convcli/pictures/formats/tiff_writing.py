"""Write TIFF: levels and floats of any depth, strip by strip, and BigTIFF beyond 4 GB.

Pillow has no colours of more than 8 bits, and builds the file in memory. tifffile seeks in the file that it writes, so
that it cannot write to a pipe, and writes no directories within a directory, of which EXIF consists. So only Pillow's
directory of tags is used.
"""

import struct
import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any

import numpy as np
import PIL.Image
from PIL.ExifTags import IFD, Base
from PIL.TiffTags import ASCII, BYTE, DOUBLE, LONG, LONG8, SHORT, UNDEFINED

from convcli.arrays import Array
from convcli.pictures import gdal, georeference
from convcli.pictures.formats.format import Parts
from convcli.pictures.formats.tiff_compression import NO_PREDICTOR, NUMBERS, Strips, compressed, predictor_of
from convcli.pictures.image import Metadata

STRIP = 1 << 20
# Offsets of 32 bits reach 4 GB, part of which is for the tags.
CLASSIC_LIMIT = (1 << 32) - (1 << 24)
# LZW may make noise larger by half.
_MOST_GROWTH = 1.5

_PREFIX = {"little": b"II", "big": b"MM"}[sys.byteorder]
_SAMPLE_FORMATS = {"u": 1, "f": 3}
_BLACK_IS_ZERO, _RGB, _PLAIN_ALPHA, _INCH = 1, 2, 2, 2
_XMP, _IPTC = 700, 33723


class TiffWriter:
    """The writer of a file's pages: of each page the directory of tags, and then the strips.

    Pages are in this machine's byte order. The file is a BigTIFF if pages like the first need one.
    """

    def __init__(self, total: int = 1) -> None:
        self._missing = total
        self._offset = 0
        self._big = False

    def add(self, pixels: Array, alpha: Array | None, metadata: Metadata, compression: str = "none") -> Parts:
        """Yield the bytes that the file gains by the next page.

        pixels: ``(1, H, W)`` or ``(3, H, W)``, unsigned or floats.  alpha: ``(H, W)`` of the same type, or None.
        compression: a name in `tiff_compression.NUMBERS`.
        """
        planes = [*pixels] if alpha is None else [*pixels, alpha]
        height, width = planes[0].shape
        row = len(planes) * width * pixels.itemsize
        rows = min(height, max(1, STRIP // row))
        if not self._offset:
            most = self._missing * row * height * (1 if compression == "none" else _MOST_GROWTH)
            self._big = most > CLASSIC_LIMIT
            header = _header(self._big)
            self._offset = len(header)
            yield header
        predictor = predictor_of(compression, pixels, len(planes))
        tags = {
            **_layout_tags(pixels, alpha),
            **_metadata_tags(metadata),
            Base.Compression: NUMBERS[compression],
            Base.RowsPerStrip: rows,
        }
        if predictor != NO_PREDICTOR:
            tags[Base.Predictor] = predictor
        with _strips(planes, rows, compression, predictor) as strips:
            yield from self._page(tags, strips)

    def _page(self, tags: dict[int, Any], strips: Strips) -> Parts:
        places = {
            Base.StripOffsets: tuple(accumulate(strips.counts[:-1], initial=0)),
            Base.StripByteCounts: tuple(strips.counts),
        }
        directory = _directory(tags | places, self._big, self._offset)
        end = self._offset + len(directory) + sum(strips.counts)
        self._missing -= 1
        # A directory starts at an even offset.
        self._offset = end + end % 2
        yield _linked(directory, self._big, self._offset) if self._missing else directory
        yield from strips.pieces
        if self._missing:
            yield bytes(self._offset - end)


def _strips(planes: list[Array], rows: int, compression: str, predictor: int) -> AbstractContextManager[Strips]:
    """Return a context that yields the strips of a page; without compression each is made when it is needed."""
    height, width = planes[0].shape
    tops = range(0, height, rows)
    strips = (np.stack([plane[top : top + rows] for plane in planes], axis=-1) for top in tops)
    if compression != "none":
        return compressed(strips, compression, predictor)
    row = len(planes) * width * planes[0].itemsize
    counts = [row * (min(top + rows, height) - top) for top in tops]
    return nullcontext(Strips(counts, (np.ascontiguousarray(strip).data.cast("B") for strip in strips)))


def _layout_tags(pixels: Array, alpha: Array | None) -> dict[int, Any]:
    channels, height, width = pixels.shape
    samples = channels + (alpha is not None)
    tags: dict[int, Any] = {
        Base.ImageWidth: width,
        Base.ImageLength: height,
        Base.BitsPerSample: (8 * pixels.itemsize,) * samples,
        Base.PhotometricInterpretation: _RGB if channels == 3 else _BLACK_IS_ZERO,
        Base.SamplesPerPixel: samples,
        Base.SampleFormat: (_SAMPLE_FORMATS[pixels.dtype.kind],) * samples,
    }
    return tags if alpha is None else tags | {Base.ExtraSamples: _PLAIN_ALPHA}


def _metadata_tags(metadata: Metadata) -> dict[int, Any]:
    tags: dict[int, Any] = {}
    if metadata.exif:
        exif = PIL.Image.Exif()
        exif.load(metadata.exif)
        tags |= {tag: _directory_of(exif, tag) if tag in (IFD.Exif, IFD.GPSInfo) else exif[tag] for tag in exif}
    if metadata.dpi:
        x, y = metadata.dpi
        tags |= {Base.XResolution: x, Base.YResolution: y, Base.ResolutionUnit: _INCH}
    if metadata.icc:
        tags[Base.InterColorProfile] = metadata.icc
    if metadata.xmp:
        tags[_XMP] = metadata.xmp
    if metadata.iptc:
        tags[_IPTC] = metadata.iptc
    if metadata.geo:
        tags |= {tag: value.encode() if isinstance(value, str) else value for tag, value in metadata.geo.tags}
    if metadata.gdal:
        texts = {gdal.ITEMS: metadata.gdal.items, gdal.NODATA: metadata.gdal.nodata}
        tags |= {tag: text.encode() for tag, text in texts.items() if text}
    return tags


def _directory_of(exif: PIL.Image.Exif, tag: int) -> dict[int, Any]:
    tags = dict(exif.get_ifd(tag))
    if IFD.Interop in tags:
        tags[IFD.Interop] = exif.get_ifd(IFD.Interop)
    return tags


def _header(big: bool) -> bytes:
    """Return the bytes before the directory of tags."""
    return struct.pack("=2sHHHQ", _PREFIX, 43, 8, 0, 16) if big else struct.pack("=2sHI", _PREFIX, 42, 8)


def _directory(tags: dict[int, Any], big: bool, offset: int) -> bytes:
    """Return the directory of tags, which is at this offset in the file, before its strips."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(_header(big))
    directory.tagtype |= {
        Base.StripOffsets: LONG8 if big else LONG,
        Base.StripByteCounts: LONG,
        Base.InterColorProfile: UNDEFINED,
        _XMP: BYTE,
        _IPTC: UNDEFINED,
        **dict.fromkeys(georeference.TAGS, DOUBLE),
        **dict.fromkeys(georeference.WHOLE, SHORT),
        **dict.fromkeys((*georeference.TEXT, gdal.ITEMS, gdal.NODATA), ASCII),
    }
    for tag, value in tags.items():
        directory[tag] = value
    return directory.tobytes(offset)


def _linked(directory: bytes, big: bool, following: int) -> bytes:
    """Return the directory with the offset of the next one, which comes after its entries."""
    number, link, entry = ("=Q", "=Q", 20) if big else ("=H", "=L", 12)
    (entries,) = struct.unpack_from(number, directory)
    at = struct.calcsize(number) + entry * entries
    return directory[:at] + struct.pack(link, following) + directory[at + struct.calcsize(link) :]
