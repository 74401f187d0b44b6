"""Read PAM, and PFM in colour: two of Netpbm's formats that Pillow does not know."""

import re
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.files.file_bytes import first_bytes, open_file, size_of
from convcli.pictures.channels import split_alpha
from convcli.pictures.formats.levels import require_whole, scale_levels, scaled_type, scaling_notes
from convcli.pictures.image import Header, Image
from convcli.pictures.pixel_limit import refuse_beyond_limit

# The most bytes of a header; a longer one is taken for damaged.
_LONGEST = 1 << 16

_WORD = rb"\s+(\d{1,9})"
_PFM = re.compile(rb"PF" + 2 * _WORD + rb"\s+([-+]?\d*\.?\d+(?:[eE][-+]?\d{1,4})?)\s")
_PAM = re.compile(rb"P7\n(.*?\n)ENDHDR\n", re.DOTALL)
_MORE = re.compile(rb"P7\n|PF\s")
# What the channels mean, by their number.
_TUPLES = {
    1: ("GRAYSCALE", "BLACKANDWHITE"),
    2: ("GRAYSCALE_ALPHA", "BLACKANDWHITE_ALPHA"),
    3: ("RGB",),
    4: ("RGB_ALPHA",),
}


class _Layout(NamedTuple):
    """The numbers of a picture in its file.

    shape: (H, W, C).  type: of a number in the file.  start: the offset of the first number.
    most: the level of white in PAM; None for the floats of PFM, whose last row comes first.
    losses: sentences about what was assumed, or is not applied.
    """

    shape: tuple[int, int, int]
    type: np.dtype[Any]
    start: int
    most: int | None
    losses: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The number of bytes of all numbers."""
        return prod(self.shape) * self.type.itemsize


class PamFrame:
    """The first picture of a file of PAM, or of PFM in colour; raises ValueError if its header is damaged."""

    def __init__(self, file: Path | BytesIO) -> None:
        self._file = file
        head = first_bytes(file, _LONGEST)
        self._layout = layout = _pam(head) if head.startswith(b"P7") else _pfm(head)
        if min(layout.shape) < 1:
            raise ValueError(f"expected a picture that is not empty, given {layout.shape[1]} x {layout.shape[0]}")
        require_whole(size_of(file) - layout.start, layout.size)

    def header(self) -> Header:
        """Return the header of the picture that ``decode`` would return."""
        (height, width, channels), most = self._layout.shape, self._layout.most
        refuse_beyond_limit(height * width)
        dtype = np.dtype(np.float32) if most is None else scaled_type(most)
        return Header((1 if channels < 3 else 3, height, width), dtype, alpha=channels in (2, 4))

    def decode(self) -> Image:
        """Return the picture; its levels are scaled to 8 or 16 bits."""
        layout = self._layout
        refuse_beyond_limit(layout.shape[0] * layout.shape[1])
        with open_file(self._file) as stream:
            numbers, more = _numbers(stream, layout)
        losses = (*layout.losses, *["the file has more pictures, of which only the first is read"] * more)
        if layout.most is None:
            return Image(np.moveaxis(numbers[::-1].astype(np.float32), -1, 0), warnings=losses)
        pixels, alpha = split_alpha(np.moveaxis(scale_levels(numbers, layout.most), -1, 0))
        return Image(pixels, alpha, notes=scaling_notes(layout.most), warnings=losses)


def _numbers(stream: BinaryIO, layout: _Layout) -> tuple[Array, bool]:
    """Return the numbers (H, W, C), and whether another picture follows."""
    stream.seek(layout.start)
    numbers = np.frombuffer(stream.read(layout.size), layout.type)
    return numbers.reshape(layout.shape), _MORE.match(stream.read(3)) is not None


def _pfm(head: bytes) -> _Layout:
    found = _PFM.match(head)
    scale = float(found[3]) if found else 0
    if not found or scale == 0 or not np.isfinite(scale):
        raise ValueError("the header of this PFM is damaged: expected PF, width, height, and a scale other than 0")
    losses = () if abs(scale) == 1 else (f"the scale {abs(scale):g} in the header is not applied",)
    order = "<" if scale < 0 else ">"
    return _Layout((int(found[2]), int(found[1]), 3), np.dtype(f"{order}f4"), found.end(), None, losses)


def _pam(head: bytes) -> _Layout:
    found = _PAM.match(head)
    lines = found[1].decode("latin-1").splitlines() if found else []
    words = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    fields = {key: value.strip() for key, value in (word for word in words if len(word) == 2)}
    width, height, depth, most = (_whole(fields, key) for key in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL"))
    if not found or not 1 <= most <= 65535:
        raise ValueError(f"the header of this PAM is damaged: expected a MAXVAL of 1 to 65535, given {most}")
    given = fields.get("TUPLTYPE", "")
    if depth not in _TUPLES or given not in ("", *_TUPLES[depth]):
        raise ValueError(f"expected gray or RGB, with or without alpha, given a PAM of {depth} channels {given!r}")
    assumed = () if given else (f"the file does not say what its channels mean: read as {_TUPLES[depth][0]}",)
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    return _Layout((height, width, depth), dtype, found.end(), most, assumed)


def _whole(fields: dict[str, str], key: str) -> int:
    value = fields.get(key, "")
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise ValueError(f"the header of this PAM is damaged: expected {key} and a whole number, given {value[:20]!r}")
    return int(value)
