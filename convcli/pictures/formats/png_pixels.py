"""Compress the pixels of a PNG, in bands of rows on all processors (https://www.w3.org/TR/png-3/#9Filters).

Each band is compressed alone, so that none waits for another. The compressed bands are one stream, because each ends at
a whole byte, and only the last says that it is the last.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.files.forks import at_fork
from convcli.files.parallel import available_threads, in_order

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# The bytes of a band.
BAND = 1 << 19
# The header of a stream that refers to at most 32 KB before; and deflate without a header, with all memory it can use.
_HEADER = b"\x78\x9c"
_NO_HEADER, _MEMORY = -15, 9


class Compression(NamedTuple):
    """The level and the strategy of zlib.

    The default encodes only runs, after PNG's own filters. For photographs it takes a third of the time of level 6, and
    the files are as large.
    """

    level: int = zlib.Z_DEFAULT_COMPRESSION
    strategy: int = zlib.Z_RLE


DEFAULT = Compression()


def compressed(planes: Sequence[Array], compression: Compression = DEFAULT) -> Iterator[bytes]:
    """Yield the parts of the zlib stream of a picture's channels ``(H, W)``, uint8 or uint16; alpha is the last."""
    rows, columns = planes[0].shape
    step = max(1, BAND // (columns * _bytes_per_pixel(planes)))
    bands = (_filtered_band(planes, top, min(top + step, rows)) for top in range(0, rows, step))
    ends = [*[zlib.Z_FULL_FLUSH] * ((rows - 1) // step), zlib.Z_FINISH]
    checksum, start = zlib.adler32(b""), _HEADER
    for band, stream in _deflated(bands, ends, compression):
        checksum = zlib.adler32(band.data, checksum)
        yield start + stream
        start = b""
    yield checksum.to_bytes(4)


def _deflated(bands: Iterator[Array], ends: Sequence[int], compression: Compression) -> Iterator[tuple[Array, bytes]]:
    """Yield each band with its compressed bytes.

    This thread makes the bands, and others compress them, which is more work. Threads that calculate with NumPy would
    wait for one another.
    """
    if len(ends) == 1:
        band = next(bands)
        yield band, _deflate(band, ends[0], compression)
        return

    def start() -> "Iterator[tuple[Array, Future[bytes]]]":
        for band, end in zip(bands, ends, strict=True):
            yield band, _pool().submit(_deflate, band, end, compression)

    for band, future in in_order(start(), 2 * available_threads()):
        yield band, future.result()


def _deflate(band: Array, end: int, compression: Compression) -> bytes:
    stream = zlib.compressobj(compression.level, zlib.DEFLATED, _NO_HEADER, _MEMORY, compression.strategy)
    return stream.compress(band.data) + stream.flush(end)


@cache
def _pool() -> "ThreadPoolExecutor":
    """Return the threads for all pictures that are encoded at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(available_threads(), thread_name_prefix="convcli-png")


# A forked child has none of its parent's threads.
at_fork(in_child=_pool.cache_clear)


def _bytes_per_pixel(planes: Sequence[Array]) -> int:
    return len(planes) * planes[0].itemsize


def _filtered_band(planes: Sequence[Array], top: int, end: int) -> Array:
    """Return the filtered bytes of some rows."""
    rows = _interleaved([plane[max(top - 1, 0) : end] for plane in planes])
    if not top:
        rows = np.concatenate([np.zeros_like(rows[:1]), rows])
    return _filtered(rows[1:], rows[:-1], _bytes_per_pixel(planes))


def _interleaved(planes: Sequence[Array]) -> Array:
    """Return the bytes ``(rows, bytes per row)`` of pixels one after the other; the high byte of a level is first."""
    rows, columns = planes[0].shape
    pixels = np.empty((rows, columns, len(planes)), planes[0].dtype.newbyteorder(">"))
    for number, plane in enumerate(planes):
        pixels[..., number] = plane
    return pixels.reshape(rows, -1).view(np.uint8)


def _filtered(rows: Array, above: Array, pixel: int) -> Array:
    """Return each row minus the prediction of one of the five filters, after the filter's number.

    The filter is that whose differences have the least sum of magnitudes.  pixel: the bytes of a pixel.
    """
    least = np.full(len(rows), np.inf)
    filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    for number, predicted in enumerate(_predictions(rows, above, pixel)):
        differences = rows - predicted if number else rows
        # A sum that overflows only makes the choice worse.
        sums = np.abs(differences.view(np.int8)).view(np.uint8).sum(axis=1, dtype=np.uint32)
        better = sums < least
        least[better] = sums[better]
        filtered[better, 0] = number
        filtered[better, 1:] = differences[better]
    return filtered


def _predictions(rows: Array, above: Array, pixel: int) -> Iterator[Array]:
    """Yield the predictions of the filters None, Sub, Up, Average and Paeth, from bytes to the left and above."""
    left, corner = _shifted(rows, pixel), _shifted(above, pixel)
    yield np.zeros_like(rows)
    yield left
    yield above
    # The mean, rounded down, without a sum that overflows.
    yield (left & above) + ((left ^ above) >> 1)
    yield _paeth(left, above, corner)


def _shifted(rows: Array, pixel: int) -> Array:
    """Return the bytes of the pixel to the left of each."""
    shifted = np.zeros_like(rows)
    shifted[:, pixel:] = rows[:, :-pixel]
    return shifted


def _paeth(left: Array, above: Array, corner: Array) -> Array:
    """Return which of the three is the nearest to p = left + above - corner; of equally near ones the first.

    In bytes: |p - left| = |above - corner|, |p - above| = |left - corner|, and |p - corner| is the difference of these
    distances if corner lies between the others, and else their sum, so that corner is not the nearest.
    """
    to_left, to_above = _distance(above, corner), _distance(left, corner)
    between = (above < corner) ^ (left < corner)
    to_corner = _distance(to_left, to_above) | ~_mask(between)
    without_left = _chosen(to_above <= to_corner, above, corner)
    return _chosen((to_left <= to_above) & (to_left <= to_corner), left, without_left)


def _distance(first: Array, second: Array) -> Array:
    return np.maximum(first, second) - np.minimum(first, second)


def _chosen(condition: Array, first: Array, second: Array) -> Array:
    """Return ``np.where`` of bytes, which takes twenty times as long because it branches."""
    return second ^ ((first ^ second) & _mask(condition))


def _mask(condition: Array) -> Array:
    """Return 255 where a condition holds, and 0 elsewhere."""
    return np.negative(condition.view(np.uint8))
