"""Read PSD of 16 and 32 bits, which Pillow does not know: the picture of all layers together."""

import struct
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from convcli.arrays import Array
from convcli.files.file_bytes import open_file
from convcli.pictures.formats.psd_sections import DUOTONE, GRAY, RGB, ZIP, refusal_of_psd, sections
from convcli.pictures.image import Header, Image
from convcli.pictures.metadata import description
from convcli.pictures.photoshop import resource_readers
from convcli.pictures.pixel_limit import refuse_beyond_limit

_TYPES: dict[int, np.dtype[Any]] = {16: np.dtype(">u2"), 32: np.dtype(">f4")}
# The number of colours of each mode that is read.
_COLOURS = {GRAY: 1, RGB: 3, DUOTONE: 1}
_UNCOMPRESSED, _RUNS = 0, 1


class DeepPsdFrame:
    """The picture of a PSD of 16 or 32 bits; raises ValueError if its colours are not read."""

    def __init__(self, file: Path | BytesIO) -> None:
        self._file = file
        try:
            with open_file(file) as stream:
                self._sections = sections(stream)
        except struct.error:
            raise ValueError("the PSD is truncated before its pixels") from None
        if self._sections.mode not in _COLOURS:
            raise ValueError(
                f"PSD of {self._sections.bits} bits is read only in gray and RGB: convert it in Photoshop first"
            )

    def header(self) -> Header:
        """Return the header of the picture that ``decode`` would return, without decoding it."""
        found = self._sections
        refuse_beyond_limit(found.height * found.width)
        shape = (self._colours(), found.height, found.width)
        return Header(shape, _TYPES[found.bits].newbyteorder("="), alpha=self._has_alpha())

    def decode(self) -> Image:
        """Return the picture."""
        header, found = self.header(), self._sections
        planes = self._planes(self._colours() + header.alpha)
        pixels, alpha = (planes[:-1], _levels(planes[-1])) if header.alpha else (planes, None)
        described = description(1, resource_readers(found.resources))
        losses = (*self._losses(len(planes)), *described.warnings)
        return Image(pixels, alpha, described.metadata, found.notes, losses)

    def _colours(self) -> int:
        return _COLOURS[self._sections.mode]

    def _has_alpha(self) -> bool:
        return self._sections.is_transparent and self._sections.channels > self._colours()

    def _losses(self, read: int) -> list[str]:
        count = self._sections.channels
        return [f"{count - read} of {count} channels dropped: only colours and transparency are read"] * (count > read)

    def _planes(self, count: int) -> Array:
        """Return the first channels ``(count, H, W)``."""
        found = self._sections
        type, shape = _TYPES[found.bits], (count, found.height, found.width)
        with open_file(self._file) as stream:
            stream.seek(found.start)
            compression = int.from_bytes(stream.read(2))
            if compression == _UNCOMPRESSED:
                data = stream.read(prod(shape) * type.itemsize)
            elif compression == _RUNS:
                lengths = np.frombuffer(stream.read(2 * found.channels * found.height), ">u2")
                data = _from_runs(stream.read(int(lengths[: count * found.height].sum())), shape, type)
            else:
                raise ValueError(refusal_of_psd(ZIP))
        if len(data) < prod(shape) * type.itemsize:
            raise ValueError("the PSD is truncated")
        return np.frombuffer(data, type).reshape(shape).astype(type.newbyteorder("="))


def _from_runs(data: bytes, shape: tuple[int, int, int], type: np.dtype[Any]) -> bytes:
    """Return the bytes of rows that are compressed one by one, by PackBits."""
    count, height, width = shape
    rows = (width * type.itemsize, count * height)
    return PIL.Image.frombytes("L", rows, data, "packbits", "L").tobytes()


def _levels(alpha: Array) -> Array:
    """Return alpha of 16 bits."""
    return alpha if alpha.dtype == np.uint16 else np.rint(np.clip(alpha, 0, 1) * 65535).astype(np.uint16)
