"""Read FITS, the format of astronomy. Pillow ignores the sign, the scale and the offset, and reads one plane.

The libraries for FITS are large (astropy), or need a compiler (fitsio); a picture is a header of text and an array.
"""

import re
from collections.abc import Iterator, Mapping
from io import SEEK_END, BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.files.file_bytes import open_file
from convcli.files.large_arrays import by_rows
from convcli.pictures.image import Header, Image
from convcli.pictures.pixel_limit import refuse_beyond_limit

# Headers and arrays are multiples of a block of 36 cards.
_BLOCK, _CARD = 2880, 80
# Longer headers are taken for damaged.
_MOST_BLOCKS = 10_000

_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_VALUE = re.compile(r"= +(?:'((?:[^']|'')*)'|([^/]*))")


def fits_frames(file: Path | BytesIO) -> "list[FitsFrame]":
    """Return the arrays of a FITS file that are pictures; raise ValueError if it has none that can be read."""
    with open_file(file) as stream:
        frames = [FitsFrame(file, unit) for unit in _units(stream) if unit.is_picture]
    if not frames:
        raise ValueError("this FITS file has no picture: it has only tables, or only headers")
    return frames


class _Unit(NamedTuple):
    """A header of a FITS file, and where its array starts."""

    cards: Mapping[str, str]
    start: int

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a card's value, or the default if there is no such card; raise ValueError for anything else."""
        value = self.cards.get(key, default)
        if value is None or not re.fullmatch(r"[+-]?\d+", str(value)):
            raise ValueError(f"expected an integer as {key} in the FITS header, given {value or 'none'}")
        return int(value)

    def real(self, key: str, default: float) -> float:
        """Return a card's value, or the default if there is no such card; raise ValueError for anything else."""
        value = self.cards.get(key, str(default))
        try:
            return float(value.upper().replace("D", "E"))
        except ValueError:
            raise ValueError(f"expected a number as {key} in the FITS header, given {value}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array, the slowest axis first."""
        shape = tuple(self.integer(f"NAXIS{axis}") for axis in range(self.integer("NAXIS"), 0, -1))
        if min(shape, default=0) < 0:
            raise ValueError(f"expected axes of at least 0, given {shape}")
        return shape

    @property
    def type(self) -> np.dtype[Any]:
        """The type of the array in the file."""
        bits = self.integer("BITPIX")
        if bits not in _TYPES:
            raise ValueError(f"expected 8, 16, 32, 64, -32 or -64 as BITPIX in the FITS header, given {bits}")
        return np.dtype(_TYPES[bits])

    @property
    def bytes(self) -> int:
        """The number of bytes of the array and of the data that follows it in its unit."""
        groups, after = self.integer("GCOUNT", 1), self.integer("PCOUNT", 0)
        # An array of random groups has a first axis of 0.
        shape = self.shape[:-1] if self.cards.get("GROUPS") == "T" else self.shape
        return self.type.itemsize * groups * (after + prod(shape)) if shape else 0

    @property
    def is_picture(self) -> bool:
        """Return whether it has an array that is a picture; raise ValueError for a compressed one."""
        if self.cards.get("ZIMAGE") == "T":
            how = self.cards.get("ZCMPTYPE", "an unknown method")
            raise ValueError(f"its picture is compressed ({how}): decompress it with funpack")
        return self.cards.get("XTENSION", "IMAGE") == "IMAGE" and prod(self.shape or (0,)) > 0


def _units(stream: BinaryIO) -> Iterator[_Unit]:
    """Yield the headers of a file; raise ValueError if one is damaged, or an array is not complete."""
    start, size = 0, stream.seek(0, SEEK_END)
    while start < size:
        stream.seek(start)
        cards = _cards(stream)
        # Other bytes may follow the last unit.
        if not {"SIMPLE", "XTENSION"} & cards.keys():
            return
        unit = _Unit(cards, stream.tell())
        if unit.bytes < 0 or unit.start + unit.bytes > size:
            raise ValueError(f"it is truncated: its array has {size - unit.start:,} of {unit.bytes:,} bytes")
        yield unit
        start = unit.start - (-unit.bytes // _BLOCK) * _BLOCK


def _cards(stream: BinaryIO) -> dict[str, str]:
    """Return the cards of the header that follows in a stream; none if it has no end."""
    cards: dict[str, str] = {}
    for _ in range(_MOST_BLOCKS):
        block = stream.read(_BLOCK).decode("latin-1")
        for start in range(0, len(block), _CARD):
            key, rest = block[start : start + 8].strip(), block[start + 8 : start + _CARD]
            if key == "END":
                return cards
            if value := _VALUE.match(rest):
                cards.setdefault(key, (value[1] or value[2] or "").strip())
        if len(block) < _BLOCK:
            break
    return {}


def _dropped(cards: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence if the header says where the pixels lie in the sky."""
    loss = "the celestial coordinates (WCS) are dropped, because no format of output stores them"
    return (loss,) if {"CRVAL1", "CD1_1", "CTYPE1"} & cards.keys() else ()


class FitsFrame:
    """A picture in a FITS file, whose pixels may be larger than memory."""

    def __init__(self, file: Path | BytesIO, unit: _Unit) -> None:
        self._file, self._unit = file, unit

    def header(self) -> Header:
        """Return the header of the picture that ``decode`` would return, from the cards."""
        shape = self._shape()
        refuse_beyond_limit(shape[1] * shape[2])
        return Header(shape, _value_type(self._scaling(), self._unit.type))

    def decode(self) -> Image:
        """Return the scaled values, with the top row first. The file stores the bottom row first."""
        header, scaling, stored_type = self.header(), self._scaling(), self._unit.type
        stored = _stored(self._file, self._unit.start, header.shape, stored_type)[:, ::-1]
        pixels = by_rows(lambda rows: _values(scaling, rows), header.shape, header.dtype, stored)
        scaled = scaling[:2] != (1, 0) and header.dtype.kind == "f"
        notes = (f"{scaling.scale:g} * level + {scaling.zero:g}, as BSCALE and BZERO say",) if scaled else ()
        return Image(pixels, notes=notes, warnings=_dropped(self._unit.cards))

    def _shape(self) -> tuple[int, int, int]:
        """Return the shape of the picture, whose channels are the third axis of the file."""
        *further, rows, columns = (1, *self._unit.shape)
        planes = further[-1]
        if any(length > 1 for length in further[:-1]):
            raise ValueError(f"expected at most 3 axes in a FITS picture, given the shape {self._unit.shape}")
        return planes, rows, columns

    def _scaling(self) -> "_Scaling":
        unit = self._unit
        blank = unit.integer("BLANK") if "BLANK" in unit.cards and unit.type.kind != "f" else None
        return _Scaling(unit.real("BSCALE", 1), unit.real("BZERO", 0), blank)


class _Scaling(NamedTuple):
    """The meaning of stored numbers: ``scale * stored + zero``, or NaN where stored is ``blank``."""

    scale: float
    zero: float
    blank: int | None


def _value_type(scaling: _Scaling, stored: np.dtype[Any]) -> np.dtype[Any]:
    if scaling == (1, 0, None):
        return stored.newbyteorder("=")
    if _only_changes_sign(scaling, stored):
        return np.dtype(f"{'i' if stored.kind == 'u' else 'u'}{stored.itemsize}")
    return np.dtype(np.float64)


def _only_changes_sign(scaling: _Scaling, stored: np.dtype[Any]) -> bool:
    """Return whether the offset only makes signed integers unsigned, or unsigned ones signed.

    That is how FITS stores the integer types that it does not have.
    """
    half = float(1 << (8 * stored.itemsize - 1))
    return {"u": (1, -half, None), "i": (1, half, None)}.get(stored.kind) == scaling


def _values(scaling: _Scaling, stored: Array) -> Array:
    dtype = _value_type(scaling, stored.dtype)
    if scaling == (1, 0, None):
        return stored
    if _only_changes_sign(scaling, stored.dtype):
        # The offset flips the highest bit.
        bits = stored.astype(stored.dtype.newbyteorder("=")).view(f"u{dtype.itemsize}")
        return np.asarray((bits ^ bits.dtype.type(1 << (8 * dtype.itemsize - 1))).view(dtype))
    values = np.asarray(stored * scaling.scale + scaling.zero)
    return values if scaling.blank is None else np.where(stored == scaling.blank, np.nan, values)


def _stored(file: Path | BytesIO, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if isinstance(file, BytesIO):
        return np.frombuffer(file.getbuffer(), dtype, prod(shape), start).reshape(shape)
    return np.memmap(file, dtype, "r", start, shape)
