"""A picture format: its capabilities, and its reading and writing."""

import os
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.errors import OptionError
from convcli.pictures import deep_extra
from convcli.pictures.channels import picture_of
from convcli.pictures.formats.raw_modes import raw_mode
from convcli.pictures.image import Metadata, Stored
from convcli.pictures.metadata import LABELS, Readers, bytes_in, kept_exif, sensible_dpi
from convcli.pictures.xmp import kept_xmp

# The bytes of a file, in the order in which they are written.
Parts = Iterator[bytes | memoryview]


class Decoding(NamedTuple):
    """The decoding of a picture without Pillow.

    decode: returns the levels ``(H, W, C)`` in a file's bytes; the last of 2 or 4 channels is alpha.
    dtype: the type of the levels.  notes: the conversions.
    """

    decode: Callable[[bytes], Array]
    dtype: np.dtype[Any]
    notes: tuple[str, ...] = ()


class FileTraits(NamedTuple):
    """What holds for every frame of a file.

    plays: how often their animation is played, 0 for ever; None if they are no animation.
    mode: the mode in which every frame is read, or None if each frame has its own.
    lossless: whether the file is of a format that may be lossy, and is lossless.
    """

    plays: int | None = None
    mode: str | None = None
    lossless: bool = False


class Coding(NamedTuple):
    """The wishes for encoding a picture; each applies only to formats that know it.

    compression: one of the format's, or None for the default.  quality: from 1 to 100, or None for the default.
    stored: how the file that the picture comes from encodes it.
    """

    compression: str | None = None
    quality: int | None = None
    stored: Stored = Stored()


StillEncoder = Callable[[Array, Array | None, Metadata, Coding], Parts]


class Still(NamedTuple):
    """A picture to encode, or a frame: what a StillEncoder takes."""

    pixels: Array
    alpha: Array | None
    metadata: Metadata
    coding: Coding


class Sequence(Protocol):
    """A file of several frames that is being written."""

    def add(self, still: Still, duration: float | None) -> Parts:
        """Yield the bytes that the file gains by the next frame, which is shown for ``duration`` milliseconds."""


# Pillow's names for fields of the metadata.
_OPTIONS = {"icc": "icc_profile", "exif": "exif", "dpi": "dpi", "xmp": "xmp", "comment": "comment"}
_ICC_SPACES = {1: b"GRAY", 3: b"RGB "}


class Format(NamedTuple):
    """A picture format, read and written by Pillow; a subclass overrides the parts that Pillow cannot do.

    name: Pillow's name in lower case, ``npy`` or ``json``.
    extensions: without the dot, the usual one first; none for a format that is only read.
    is_array: whether it holds numbers of any shape and type exactly, and is not a picture.
    is_mapped: whether its numbers can be computed in the file itself.
    many_channels: whether a file that is read may have other numbers of channels than 1 and 3.
    deep_gray: whether one channel may be uint16.
    deep_colour: whether several channels, or one with alpha, may be uint16; ``extra``: only with the extra ``deep``.
    floats: whether channels may be float32.
    compressions: the names or levels of those that it may have.  has_quality: whether it is lossy, by a quality.
    most_side: the largest width or height.  most_pixels: the largest product of both.
    metadata: the fields of ``Metadata`` that it holds.  limits: the most bytes of some of them.
    decoded_by_extra: whether the extra ``deep`` decodes pictures that Pillow would read at 8 bits.
    decoded_in_place: whether Pillow only writes pixels as it decodes a picture, so that an array can be its memory.
    frames: whether one file holds several frames: ``no``; ``pages`` of any size; or those of an ``animation``.
    most_plays: how often an animation may be played; more than that becomes for ever.
    parts_of_one: whether the frames after the first are parts of it, such as previews or layers.
    refusal: the reason why no file of the format is read, or "".
    """

    name: str
    extensions: tuple[str, ...] = ()
    is_array: bool = False
    is_mapped: bool = False
    many_channels: bool = False
    holds_alpha: bool = False
    deep_gray: bool = False
    deep_colour: Literal["no", "extra", "yes"] = "no"
    floats: bool = False
    compressions: tuple[str, ...] = ()
    has_quality: bool = False
    most_side: int = (1 << 31) - 1
    most_pixels: int | None = None
    metadata: tuple[str, ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    decoded_by_extra: bool = False
    decoded_in_place: bool = False
    frames: Literal["no", "pages", "animation"] = "no"
    most_plays: int = (1 << 32) - 1
    parts_of_one: bool = False
    refusal: str = ""

    def maps_per_file(self, maps: int) -> int:
        """Return how many of an output's maps one file holds: all if it can, otherwise one.

        An array holds any number of maps; a picture holds one in gray or three in RGB.
        """
        return maps if self.is_array or maps in (1, 3) else 1

    def max_depth(self, channels: int, *, alpha: bool = False) -> int:
        """Return the most bits, 8 or 16, per channel of a picture with this number of channels."""
        alone = channels == 1 and not alpha
        return 16 if (self.deep_gray if alone else self._holds_deep_colour()) else 8

    def _holds_deep_colour(self) -> bool:
        return self.deep_colour == "yes" or (self.deep_colour == "extra" and deep_extra.is_installed())

    def require_writable(self) -> None:
        """Raise OptionError if files of this format cannot be written here."""

    def require_size(self, rows: int, columns: int) -> None:
        """Raise OptionError if no file of this format, or none that can be read again, has so many pixels."""
        if max(rows, columns) > self.most_side:
            limit = f"{self.most_side:,} pixels per side"
        elif self.most_pixels and rows * columns > self.most_pixels:
            limit = f"{self.most_pixels:,} pixels"
        else:
            return
        raise OptionError(
            f"{self.name} holds at most {limit}, and the output has {columns:,} x {rows:,}: choose another format"
        )

    def storable_metadata(self, metadata: Metadata, channels: int) -> Metadata:
        """Return the part of the metadata that a file with this number of channels can hold."""
        return metadata._replace(**{field: None for field, _ in self._losses(metadata, channels)})

    def metadata_losses(self, metadata: Metadata, channels: int) -> dict[str, str]:
        """Return a sentence with the reason for each field of the metadata that a file cannot hold."""
        lost = self._losses(metadata, channels)
        return {field: f"{LABELS[field]} is dropped: {reason}" for field, reason in lost}

    def _losses(self, metadata: Metadata, channels: int) -> Iterator[tuple[str, str]]:
        for field, value in metadata._asdict().items():
            if value and field not in self.metadata:
                yield field, f"{self.name} cannot store it"
        if metadata.icc and "icc" in self.metadata and metadata.icc[16:20] != _ICC_SPACES[channels]:
            space = metadata.icc[16:20].decode("latin-1").strip()
            yield "icc", f"it is for {space}, and the output is {'gray' if channels == 1 else 'RGB'}"
        for field, most in self.limits:
            length = len(getattr(metadata, field) or b"")
            if length > most:
                yield field, f"{self.name} stores at most {most:,} bytes, given {length:,}"

    # Reading: Pillow has opened the picture and read its header.

    def frame_count(self, picture: ImageFile) -> int:
        """Return the number of frames, without those that are parts of the first."""
        return 1 if self.parts_of_one else getattr(picture, "n_frames", 1)

    def seek(self, picture: ImageFile, number: int) -> None:
        """Go to the frame with this number, from 0, which is not before the current one."""
        picture.seek(number)

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        return self.refusal

    def mend(self, picture: ImageFile) -> None:
        """Correct what Pillow has misread in the header."""

    def within(self, picture: ImageFile) -> bytes | None:
        """Return the file of the picture that is read in place of this one, or None if this one has its own pixels."""
        return None

    def notes(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about each conversion that Pillow makes as it decodes the picture."""
        yield from ()

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence about each part of the picture that is not read."""
        yield from ()

    def stored_bits(self, picture: ImageFile) -> int:
        """Return the bits per channel in the file if Pillow reads them at 8 bits; otherwise 8."""
        mode = raw_mode(picture)
        return 16 if mode.startswith(("RGB", "LA", "CMYK")) and ";16" in mode else 8

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of a picture without Pillow, or None if Pillow decodes it."""
        return None

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return what holds for every frame of the file, whose frames have not been loaded yet."""
        return FileTraits()

    def stored(self, picture: ImageFile) -> Stored:
        """Return how the file encodes the picture, apart from what its traits say."""
        return Stored()

    def exif(self, picture: ImageFile) -> PIL.Image.Exif:
        """Return the EXIF in the part of the file that has been read."""
        return picture.getexif()

    def metadata_readers(self, picture: ImageFile, file: Path | BytesIO) -> Readers:
        """Return the readers of the metadata in the part of the file that has been read, or in all of the file."""
        info = picture.info
        return {
            "icc": lambda: _profile_in(info),
            "exif": lambda: kept_exif(self.exif(picture)),
            "dpi": lambda: sensible_dpi(*map(float, info.get("dpi", (0, 0)))),
            "xmp": lambda: kept_xmp(bytes_in(info.get("xmp"))),
            "comment": lambda: bytes_in(info.get("comment")),
        }

    def dropped_parts(self, picture: ImageFile, file: Path | BytesIO) -> Iterator[str]:
        """Yield a sentence about each part of the file that is neither pixels nor metadata that convcli knows."""
        yield from ()

    # Writing.

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a file of pixels, alpha and metadata that the format can hold."""
        if pixels.dtype == np.uint16 and len(pixels) + (alpha is not None) > 1:
            channels = pixels if alpha is None else np.concatenate([pixels, alpha[np.newaxis]])
            yield from self.deep_parts(np.ascontiguousarray(np.moveaxis(channels, 0, -1)), metadata, coding)
        else:
            options = self.options(coding) | self.metadata_options(metadata)
            yield _saved(self.picture(pixels, alpha), self.name, options)

    def pixel_notes(self, pixels: Array, alpha: Array | None) -> Iterator[str]:
        """Yield a sentence if a lossless format does not keep pixels of 8 bits as they are."""
        yield from ()

    def alpha_losses(self, alpha: Array | None) -> Iterator[str]:
        """Yield a sentence if the format does not keep alpha that it holds as it is."""
        yield from ()

    def holds_frames(self, plays: int | None) -> bool:
        """Return whether one file holds the frames of an animation; for ``plays`` None, whether it holds pages."""
        return self.frames == "pages" or (self.frames == "animation" and plays is not None)

    def timing_losses(self, plays: int) -> Iterator[str]:
        """Yield a sentence about each part of an animation's timing that a file cannot hold."""
        if self.frames == "pages":
            yield f"the times of the frames are dropped: {self.name} cannot store them"
        elif plays > self.most_plays:
            reason = f"stores at most {self.most_plays:,}" if self.most_plays else "is written without a number"
            yield f"the animation is played for ever, not {plays:,} times: {self.name} {reason}"

    def stored_plays(self, plays: int | None) -> int | None:
        """Return how often a file says that its animation is played: 0, for ever, in place of too large a number."""
        return 0 if plays and plays > self.most_plays else plays

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return a file that is being written, of frames that a format holds.

        plays: how often their animation is played, 0 for ever; None if they are no animation.
        """
        raise NotImplementedError

    def deep_parts(self, levels: Array, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a file of levels ``(H, W, C)``, uint16; only for formats that hold deep colour."""
        raise NotImplementedError

    def coding_notes(self, stored: Stored) -> Iterator[str]:
        """Yield a sentence about the encoding of an image that a file of this format cannot keep."""
        yield from ()

    def options(self, coding: Coding) -> dict[str, Any]:
        """Return Pillow's options for encoding."""
        return {} if coding.quality is None else {"quality": coding.quality}

    def metadata_options(self, metadata: Metadata) -> dict[str, Any]:
        """Return Pillow's options for metadata that the format can hold."""
        return {_OPTIONS[field]: value for field, value in metadata._asdict().items() if value and field in _OPTIONS}

    def picture(self, pixels: Array, alpha: Array | None) -> PIL.Image.Image:
        """Return the picture that Pillow saves."""
        return picture_of(pixels, alpha)


def _saved(picture: PIL.Image.Image, format: str, options: dict[str, Any]) -> bytes:
    with _file_in_memory() as stream:
        picture.save(stream, format, **options)
        stream.seek(0)
        return stream.read()


def _file_in_memory() -> BinaryIO:
    """Return a file in memory, with a descriptor if the system can: Pillow then encodes without Python's lock."""
    return os.fdopen(os.memfd_create("convcli"), "w+b") if hasattr(os, "memfd_create") else BytesIO()


def _profile_in(info: Mapping[Any, Any]) -> bytes | None:
    """Return the colour profile. Raises ValueError for one that Pillow cannot put together, of which it keeps None."""
    if info.get("icc_profile", b"") is None:
        raise ValueError("its parts are incomplete, or cannot be decompressed")
    return bytes_in(info.get("icc_profile"))
