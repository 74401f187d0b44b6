"""Decoded images, and their headers and metadata."""

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.pictures.gdal import GdalTags
from convcli.pictures.georeference import Georeference
from convcli.values import frozen_value


class Text(NamedTuple):
    """A text about a picture, by a keyword of PNG, such as ``Title``.

    language: as in RFC 3066, or "".  translated: the keyword in that language, or "".
    """

    keyword: str
    content: str
    language: str = ""
    translated: str = ""


class Metadata(NamedTuple):
    """The metadata of a picture, without what is about the layout of the old file.

    icc: the colour profile.
    exif: EXIF without orientation, sizes, thumbnail and the like.
    dpi: dots per inch, ``(x, y)``.
    xmp: the XMP document, in UTF-8, without orientation, sizes, thumbnails and the like.
    iptc: the datasets of IPTC.
    comment: the comment of JPEG and GIF, which is the text ``Comment`` of PNG.
    texts: all other texts of PNG.
    geo: where the pixels lie on the ground.  gdal: GDAL's tags of a TIFF.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: tuple[Text, ...] | None = None
    geo: Georeference | None = None
    gdal: GdalTags | None = None


class JpegTables(NamedTuple):
    """The tables by which the levels of a JPEG were quantised, and the subsampling of its chroma.

    subsampling: Pillow's number for it, or None if there is no chroma or it has another one.
    other_subsampling: whether it has another one, which is not written.
    """

    quantisation: tuple[tuple[int, ...], ...]
    subsampling: int | None
    other_subsampling: bool = False


class Stored(NamedTuple):
    """How the file encodes a picture; an output of the same format keeps it.

    tables: those of a JPEG, or None.  progressive: whether a JPEG has several scans, each of the whole picture.
    lossless: whether the file is of a format that may be lossy, and is lossless.
    compression: the name of that of a TIFF, or None.
    """

    tables: JpegTables | None = None
    progressive: bool = False
    lossless: bool = False
    compression: str | None = None


class Header(NamedTuple):
    """The shape and type that an image will have once it is decoded.

    shape: ``(C, H, W)`` of the pixels of the first frame, upright, without alpha; an array has its own shape,
    ``(H, W)`` or ``(..., C, H, W)``.  dtype: the type of the pixels.
    frames: the number of frames.  alpha: whether the image has alpha.
    plays: how often the animation of the frames is played, 0 for ever; None if the frames are no animation.
    is_picture: whether the file is a picture, and no array.
    is_batch: whether the frames are the images of an array with batch axes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    frames: int = 1
    alpha: bool = False
    is_picture: bool = True
    plays: int | None = None
    is_batch: bool = False

    @property
    def split(self) -> "Header":
        """The header of each image of an array with batch axes, as a frame."""
        return self._replace(shape=self.shape[-3:], frames=prod(self.shape[:-3]), is_batch=True)


@frozen_value()
class Image(NamedTuple):
    """A decoded picture or an array, upright.

    pixels: ``(C, H, W)`` in the type of the file; an array is as it is stored, ``(H, W)`` or ``(..., C, H, W)``.
    alpha: ``(H, W)``, uint8 or uint16 like the pixels, or uint16 if they are neither; 0 is transparent. Or None.
    notes: the conversions.  warnings: the losses.
    is_picture: whether the file is a picture, and no array.  stored: how the file encodes it.
    duration: for how many milliseconds an animation shows this frame; None for a page, and for a frame that an
    animation does not show.
    """

    pixels: Array
    alpha: Array | None = None
    metadata: Metadata = Metadata()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_picture: bool = True
    stored: Stored = Stored()
    duration: float | None = None

    @property
    def header(self) -> Header:
        """The header that a file with these pixels has."""
        return Header(self.pixels.shape, self.pixels.dtype, alpha=self.alpha is not None, is_picture=self.is_picture)

    def split(self) -> "Iterator[Image]":
        """Yield each image ``(C, H, W)`` of an array with batch axes."""
        return (self._replace(pixels=pixels) for pixels in self.pixels.reshape(-1, *self.pixels.shape[-3:]))
