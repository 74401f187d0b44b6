"""Compress the strips of a TIFF, by the libtiff that is part of Pillow."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL.ExifTags import Base

from convcli.arrays import Array

# The values of the tag Compression, and Pillow's names.
NUMBERS = {"none": 1, "deflate": 8, "lzw": 5, "packbits": 32773, "zstd": 50000}
_NAMES = {"deflate": "tiff_adobe_deflate", "lzw": "tiff_lzw", "packbits": "packbits", "zstd": "zstd"}
NO_PREDICTOR, _DIFFERENCES, _FLOAT_DIFFERENCES = 1, 2, 3
# The most bytes that are kept in memory, and the bytes that are read of a file at a time.
_MOST, _PIECE = 64 << 20, 1 << 20


class Strips(NamedTuple):
    """Encoded strips: the bytes of each, and all of them in pieces."""

    counts: list[int]
    pieces: Iterable[bytes | memoryview]


def predictor_of(compression: str, pixels: Array, samples: int) -> int:
    """Return the predictor: differences from the pixel at the left, which compress better.

    Floats of several samples have none, because without the extra ``deep`` they could not be read again.
    """
    if compression in ("none", "packbits"):
        return NO_PREDICTOR
    if pixels.dtype.kind != "f":
        return _DIFFERENCES
    return _FLOAT_DIFFERENCES if samples == 1 else NO_PREDICTOR


@contextmanager
def compressed(strips: Iterable[Array], compression: str, predictor: int) -> Iterator[Strips]:
    """Yield strips ``(rows, W, samples)``, compressed in memory or in an unnamed file."""
    # Few TIFFs are written, and few of them compressed.
    from tempfile import SpooledTemporaryFile

    # A page begins with the sizes of its strips.
    with SpooledTemporaryFile(_MOST, prefix="convcli-") as spool:
        counts = [spool.write(_encoded(_PREDICTORS[predictor](strip), _NAMES[compression])) for strip in strips]
        spool.seek(0)
        yield Strips(counts, iter(partial(spool.read, _PIECE), b""))


def _encoded(strip: Array, name: str) -> bytes:
    """Return the compressed bytes of a strip. To Pillow they are gray levels, because libtiff compresses bytes."""
    from PIL.TiffImagePlugin import TiffImageFile

    rows = len(strip)
    data = np.ascontiguousarray(strip).view(np.uint8).reshape(rows, -1)
    stream = BytesIO()
    PIL.Image.fromarray(data).save(stream, "TIFF", compression=name, tiffinfo={Base.RowsPerStrip: rows})
    with PIL.Image.open(stream, formats=["TIFF"]) as file:
        assert isinstance(file, TiffImageFile)
        ((offset,), (count,)) = (file.tag_v2[tag] for tag in (Base.StripOffsets, Base.StripByteCounts))
    return stream.getbuffer()[offset : offset + count].tobytes()


def _differences(strip: Array) -> Array:
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return differences


def _float_differences(strip: Array) -> Array:
    """Return the bytes of each row, first the highest of all floats, and so on (Adobe, TIFF Technical Note 3)."""
    rows = len(strip)
    floats = np.ascontiguousarray(strip.reshape(rows, -1)).astype(strip.dtype.newbyteorder(">"), copy=False)
    planes = floats.view(np.uint8).reshape(rows, -1, strip.itemsize).swapaxes(1, 2).reshape(rows, -1, 1)
    return _differences(planes)


_PREDICTORS: dict[int, Callable[[Array], Array]] = {
    NO_PREDICTOR: np.asarray,
    _DIFFERENCES: _differences,
    _FLOAT_DIFFERENCES: _float_differences,
}
