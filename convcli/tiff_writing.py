"""TIFF out: levels and floats of any depth, strip by strip, and BigTIFF beyond 4 GB.

Pillow holds no colours of more than 8 bits and makes the file in memory; it lends its directory of tags, in which
EXIF's own directories nest.
"""

import sys
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import PIL.Image
from PIL.ExifTags import IFD
from PIL.TiffTags import LONG, LONG8, UNDEFINED

from convcli.arrays import Array
from convcli.image_types import Metadata

STRIP = 1 << 20
# Offsets of 32 bits reach no further; the tags take some of it.
CLASSIC_LIMIT = (1 << 32) - (1 << 24)

_PREFIX = {"little": b"II", "big": b"MM"}[sys.byteorder]
_SAMPLE_FORMATS = {"u": 1, "f": 3}


def tiff_parts(pixels: Array, alpha: Array | None, metadata: Metadata) -> Iterator[bytes | memoryview]:
    """The bytes of a TIFF, uncompressed, in this machine's byte order.

    pixels: ``(1, H, W)`` or ``(3, H, W)``, unsigned or floats.  alpha: ``(H, W)`` of their type, or None.
    """
    planes = [*pixels] if alpha is None else [*pixels, alpha]
    height, width = planes[0].shape
    row = prod((len(planes), width, pixels.itemsize))
    rows = min(height, max(1, STRIP // row))
    tops = range(0, height, rows)
    sizes = [row * (min(top + rows, height) - top) for top in tops]
    big = sum(sizes) > CLASSIC_LIMIT
    tags = _layout_tags(pixels, alpha) | {278: rows, 279: tuple(sizes), 273: tuple(row * top for top in tops)}
    yield _header(big)
    yield _directory(tags | _metadata_tags(metadata), big)
    for top in tops:
        strip = np.stack([plane[top : top + rows] for plane in planes], axis=-1)
        yield np.ascontiguousarray(strip).data.cast("B")


def _layout_tags(pixels: Array, alpha: Array | None) -> dict[int, Any]:
    channels, height, width = pixels.shape
    samples = channels + (alpha is not None)
    tags = {
        256: width,
        257: height,
        258: (8 * pixels.itemsize,) * samples,
        259: 1,
        262: 2 if channels == 3 else 1,
        277: samples,
        339: (_SAMPLE_FORMATS[pixels.dtype.kind],) * samples,
    }
    # 2: colours are not multiplied by it.
    return tags if alpha is None else tags | {338: 2}


def _metadata_tags(metadata: Metadata) -> dict[int, Any]:
    tags: dict[int, Any] = {}
    if metadata.exif:
        exif = PIL.Image.Exif()
        exif.load(metadata.exif)
        tags |= {tag: _directory_of(exif, tag) if tag in (IFD.Exif, IFD.GPSInfo) else exif[tag] for tag in exif}
    if metadata.dpi:
        tags |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    if metadata.icc:
        tags[34675] = metadata.icc
    return tags


def _directory_of(exif: PIL.Image.Exif, tag: int) -> dict[int, Any]:
    tags = dict(exif.get_ifd(tag))
    if IFD.Interop in tags:
        tags[IFD.Interop] = exif.get_ifd(IFD.Interop)
    return tags


def _header(big: bool) -> bytes:
    after = {True: (43, 8, 0), False: (42,)}[big]
    return _PREFIX + b"".join(number.to_bytes(2, sys.byteorder) for number in after) + _first_directory(big)


def _first_directory(big: bool) -> bytes:
    return (16).to_bytes(8, sys.byteorder) if big else (8).to_bytes(4, sys.byteorder)


def _directory(tags: dict[int, Any], big: bool) -> bytes:
    """The tags, which follow the header; offsets of strips are made to count from their end."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(_header(big))
    directory.tagtype |= {273: LONG8 if big else LONG, 279: LONG, 34675: UNDEFINED}
    for tag, value in tags.items():
        directory[tag] = value
    return directory.tobytes(len(_header(big)))
