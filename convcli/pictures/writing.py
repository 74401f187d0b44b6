"""Write pictures as files or bytes."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from convcli.arrays import Array
from convcli.errors import FileError, OptionError, reason_of
from convcli.pictures.formats import Coding, Format
from convcli.pictures.formats.format import Parts, Still
from convcli.pictures.formats.png import PNG
from convcli.pictures.image import Metadata

DEFAULT_CODING = Coding()


def write_image(
    stream: BinaryIO,
    pixels: Array,
    alpha: Array | None,
    format: Format,
    metadata: Metadata,
    coding: Coding = DEFAULT_CODING,
) -> None:
    """Write a picture to a stream, which need not be seekable; a TIFF is written strip by strip.

    Parameters
    ----------
    stream
        Where the file is written.
    pixels
        ``(1, H, W)`` or ``(3, H, W)`` uint8, or uint16 or float32 if the format holds them for this number of
        channels.
    alpha
        ``(H, W)`` for a format that holds alpha, or None. It is written at the depth of the pixels. Both are written
        at 8 bits if the format holds 16 bits only without alpha.
    format
        The format of the file.
    metadata
        The metadata; what the format cannot hold is dropped, and so is a colour profile for another number of channels.
    coding
        The wishes for encoding: the level of zlib for PNG, by default its fastest strategy for photographs; the quality
        of JPEG, WebP, AVIF and HEIC; how the picture's file encodes it.

    Raises
    ------
    OptionError
        If the format cannot hold the picture, for example because of its size.
    FileError
        If the operating system reports an error.
    """
    for part in _parts(lambda still: format.parts(*still), Still(pixels, alpha, metadata, coding), format):
        stream.write(part)


class FrameWriter:
    """Writes the frames of one file to a stream, which need not be seekable, one by one.

    What it keeps in memory depends on the format: nothing for GIF, PNG and TIFF, encoded frames for WebP, and frames
    for AVIF.

    format: of the file; it holds frames.  total: how many frames the file will have.
    plays: how often their animation is played, 0 for ever; None if they are no animation.
    """

    def __init__(self, stream: BinaryIO, format: Format, total: int, plays: int | None) -> None:
        self._stream, self._format = stream, format
        self._sequence = format.sequence(total, format.stored_plays(plays))
        # How many frames there will be, and how many of them are still to come.
        self.total = self.missing = total
        self._layout: tuple[Any, ...] | None = None

    def add(
        self,
        pixels: Array,
        alpha: Array | None,
        metadata: Metadata,
        coding: Coding = DEFAULT_CODING,
        duration: float | None = None,
    ) -> None:
        """Write the next frame, which is shown for ``duration`` milliseconds, as ``write_image`` writes a picture.

        Raises OptionError also if it differs from the first frame of an animation in size, depth or alpha.
        """
        layout = (pixels.shape, pixels.dtype, alpha is None)
        self._layout = self._layout or layout
        if self._format.frames == "animation" and layout != self._layout:
            raise OptionError(
                f"the frames differ in size, depth or alpha, so that one {self._format.name} cannot hold them: "
                "add {frame} to the name"
            )
        encode = partial(self._sequence.add, duration=duration)
        for part in _parts(encode, Still(pixels, alpha, metadata, coding), self._format):
            self._stream.write(part)
        self.missing -= 1


def encode_image(
    pixels: Array, alpha: Array | None, format: Format, metadata: Metadata, coding: Coding = DEFAULT_CODING
) -> bytes:
    """Return the bytes of the file that ``write_image`` writes."""
    stream = BytesIO()
    write_image(stream, pixels, alpha, format, metadata, coding)
    return stream.getvalue()


def encode_png(picture: Array) -> bytes:
    """Return a PNG file of colours ``(H, W, 3)``, uint8."""
    return encode_image(np.moveaxis(picture, -1, 0), None, PNG, Metadata())


def _parts(encode: Callable[[Still], Parts], still: Still, format: Format) -> Parts:
    pixels, alpha = _held(still.pixels, still.alpha, format)
    metadata = format.storable_metadata(still.metadata, len(pixels))
    try:
        yield from encode(Still(pixels, alpha, metadata, still.coding))
    except MemoryError:
        raise
    # A picture beyond a format's limits is an OSError, ValueError, struct.error or KeyError, by format.
    except Exception as error:
        failed = f"cannot write the image as {format.name}"
        # Errors of the operating system have a number, for example a limit on the size or the number of files.
        if isinstance(error, OSError) and error.errno:
            raise FileError(f"{failed}: {error.strerror}") from error
        raise OptionError(f"{failed}: {reason_of(error)}; choose another format") from error


def _held(pixels: Array, alpha: Array | None, format: Format) -> tuple[Array, Array | None]:
    if alpha is None:
        return pixels, None
    deep = pixels.dtype == np.uint16 and format.max_depth(len(pixels), alpha=True) == 16
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    return _to_depth(pixels, dtype), _to_depth(alpha, dtype)


def _to_depth(levels: Array, dtype: np.dtype[Any]) -> Array:
    """Return levels of 8 or 16 bits at that depth; white stays white."""
    if levels.dtype == dtype:
        return levels
    return levels * np.uint16(257) if dtype == np.uint16 else np.rint(levels / 257).astype(dtype)
