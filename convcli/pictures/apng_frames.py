"""Frames of an animated PNG, composed as its specification says.

Pillow composes partial transparency wrongly, restores the wrong frame, and cuts 16 bits to 8.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.pictures.formats import Format
from convcli.pictures.formats.format import FileTraits
from convcli.pictures.formats.png_chunks import SIGNATURE, chunk, chunks
from convcli.pictures.image import Header, Image
from convcli.pictures.orientation import upright_array, upright_sides
from convcli.pictures.pillow_frames import PillowFrame, open_picture

# Chunks that no part has: those of the animation, and EXIF, whose orientation is that of the canvas.
_LEFT_OUT = (b"acTL", b"eXIf")
_TO_BACKGROUND, _TO_PREVIOUS, _OVER = 1, 2, 1


class ApngFrames:
    """The frames of an animated PNG, which must be decoded in order."""

    def __init__(self, picture: ImageFile, format: Format, file: Path | BytesIO, stream: BinaryIO) -> None:
        self._described = PillowFrame(picture, format, file, 0, FileTraits()).describe()
        self._size = (picture.height, picture.width)
        self._format = format
        parts = _parts(stream)
        self._first = next(parts)
        self._parts = chain([self._first], parts)
        self._canvas: Array | None = None

    def frame(self, number: int) -> "ApngFrame":
        """Return a frame by its number from 0; the number before it must have been decoded."""
        return ApngFrame(self, number)

    def header(self) -> Header:
        """Return the header of every frame."""
        with self._opened(self._first) as first:
            header = first.header()
        # A part may be smaller than the canvas.
        size = upright_sides(self._size, self._described.orientation)
        return header._replace(shape=(header.shape[0], *size))

    def next(self) -> Image:
        """Return the next frame, upright."""
        part = next(self._parts, None)
        if part is None:
            raise ValueError("the animation has fewer frames than it claims")
        with self._opened(part) as opened:
            image = opened.decode()
        shown = upright_array(self._shown(part, image), self._described.orientation)
        pixels, alpha = (shown, None) if image.alpha is None else (shown[:-1], shown[-1])
        warnings = (*image.warnings, *self._described.warnings)
        return image._replace(
            pixels=pixels,
            alpha=alpha,
            metadata=self._described.metadata,
            warnings=warnings,
            duration=part.duration if part.is_animated else None,
        )

    @contextmanager
    def _opened(self, part: "_Part") -> Iterator[PillowFrame]:
        file = BytesIO(part.png)
        with open_picture(file) as picture:
            yield PillowFrame(picture, self._format, file, 0, FileTraits())

    def _shown(self, part: "_Part", image: Image) -> Array:
        """Draw a part, and return the canvas ``(C, H, W)`` as it is shown, with alpha as its last channel."""
        drawn = np.array(image.pixels if image.alpha is None else [*image.pixels, image.alpha])
        if not part.is_animated:
            return drawn
        if self._canvas is None:
            self._canvas = np.zeros((len(drawn), *self._size), drawn.dtype)
        area = self._canvas[:, part.top : part.top + drawn.shape[1], part.left : part.left + drawn.shape[2]]
        if area.shape != drawn.shape:
            raise ValueError("a frame of the animation is not within its picture")
        before = area.copy()
        area[...] = _over(drawn, before) if part.is_over and image.alpha is not None else drawn
        shown = self._canvas.copy()
        if part.after == _TO_BACKGROUND:
            area[...] = 0
        elif part.after == _TO_PREVIOUS:
            area[...] = before
        return shown


class ApngFrame(NamedTuple):
    """A frame of an animated PNG."""

    animation: ApngFrames
    number: int

    def header(self) -> Header:
        """Return the header of the frame that ``decode`` would return, without decoding it."""
        return self.animation.header()

    def decode(self) -> Image:
        """Return the frame, upright."""
        return self.animation.next()


def _over(drawn: Array, below: Array) -> Array:
    """Return colours over others, with alpha as the last channel."""
    white = float(np.iinfo(drawn.dtype).max)
    alpha, alpha_below = drawn[-1] / white, below[-1] / white * (1 - drawn[-1] / white)
    total = alpha + alpha_below
    weighted = drawn[:-1] * alpha + below[:-1] * alpha_below
    colours = np.divide(weighted, total, out=np.zeros(weighted.shape), where=total > 0)
    return np.rint([*colours, total * white]).astype(drawn.dtype)


class _Part(NamedTuple):
    """A frame as it is stored: a PNG of its own, for a place on the canvas.

    duration: for how many milliseconds it is shown.  after: what becomes of its area then.
    is_over: whether it is drawn over the canvas or replaces it.
    is_animated: whether it is part of the animation, and not only shown by programs that know no animations.
    """

    png: bytes
    top: int
    left: int
    duration: float
    after: int
    is_over: bool
    is_animated: bool


def _parts(stream: BinaryIO) -> Iterator[_Part]:
    """Yield the parts of a file."""
    shared: list[bytes] = []
    control, pixels = b"", list[bytes]()
    for kind, length in chunks(stream):
        content = stream.read(length)
        if kind in (b"fcTL", b"IEND"):
            if pixels:
                yield _part(shared, control, b"".join(pixels))
            control, pixels = content, []
        elif kind in (b"IDAT", b"fdAT"):
            # The data of further frames have a number before them.
            pixels.append(content if kind == b"IDAT" else content[4:])
        elif not pixels and kind not in _LEFT_OUT:
            shared.append(chunk(kind, content))


def _part(shared: list[bytes], control: bytes, pixels: bytes) -> _Part:
    header, *others = shared
    if not control:
        return _Part(_png(header, others, pixels), 0, 0, 0, 0, is_over=False, is_animated=False)
    _, width, height, left, top, seconds, parts, after, blend = struct.unpack(">5I2H2B", control)
    resized = chunk(b"IHDR", struct.pack(">2I", width, height) + header[16:-4])
    # A denominator of 0 stands for hundredths.
    duration = 1000 * seconds / (parts or 100)
    png = _png(resized, others, pixels)
    return _Part(png, top, left, duration, after, is_over=blend == _OVER, is_animated=True)


def _png(header: bytes, others: list[bytes], pixels: bytes) -> bytes:
    return b"".join([SIGNATURE, header, *others, chunk(b"IDAT", pixels), chunk(b"IEND", b"")])
