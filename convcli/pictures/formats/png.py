"""PNG. Pillow has no colours of more than 8 bits; the extra ``deep`` reads and writes them."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from os import SEEK_CUR
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.files.thread_warnings import drop_thread_warnings
from convcli.pictures import deep_extra
from convcli.pictures.formats.apng_writing import ApngSequence
from convcli.pictures.formats.format import Coding, Decoding, FileTraits, Format, Parts, Sequence
from convcli.pictures.formats.levels import decoding_by_extra
from convcli.pictures.formats.png_chunks import SIGNATURE, chunk, chunks
from convcli.pictures.formats.png_pixels import Compression, compressed
from convcli.pictures.formats.png_texts import PngTexts, dropped_chunks, png_info
from convcli.pictures.formats.raw_modes import raw_mode
from convcli.pictures.image import Metadata
from convcli.pictures.metadata import Readers

# The levels of zlib.
LEVELS = tuple(map(str, range(10)))
# The gamma of sRGB, and its white point and primaries.
_GAMMA, _PRIMARIES = 1 / 2.2, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# What Pillow multiplies gray of 2 and 4 bits by.
_SCALES = {"L;2": 85, "L;4": 17}
# PNG's numbers for the channels of a picture.
_COLOURS = {"L": 0, "LA": 4, "RGB": 2, "RGBA": 6}
_FRAME = (b"IHDR", b"IDAT", b"IEND")


class Png(Format):
    """The format PNG."""

    def refusal_of(self, picture: ImageFile) -> str:
        """Return the reason why a picture is not read, or "" if it is read."""
        if self.stored_bits(picture) > 8 and "transparency" in picture.info and not deep_extra.is_installed():
            return f"Pillow cannot read a transparent colour of 16 bits: {deep_extra.advice('to read it')}"
        return ""

    def losses(self, picture: ImageFile) -> Iterator[str]:
        """Yield a sentence if the file describes its colours other than by a profile, and they are not like sRGB's."""
        info = picture.info
        if picture.fp and _is_ahead(b"cICP", picture.fp):
            yield "the colour space in cICP (HDR, for example) is ignored, and levels are kept as they are"
        elif "icc_profile" not in info and "srgb" not in info and not _is_like_srgb(info):
            yield "the gamma or the primaries in gAMA or cHRM are ignored, and levels are kept as they are"

    def mend(self, picture: ImageFile) -> None:
        """Scale the transparent level of gray of 2 and 4 bits as Pillow scales the pixels, but not this level."""
        level, scale = picture.info.get("transparency"), _SCALES.get(raw_mode(picture))
        if scale and isinstance(level, int):
            picture.info["transparency"] = level * scale

    def traits(self, picture: ImageFile) -> FileTraits:
        """Return how often the animation is played."""
        return FileTraits(picture.info.get("loop"))

    def decoding(self, picture: ImageFile) -> Decoding | None:
        """Return the decoding of colours of 16 bits by the extra ``deep``, or None if that is not installed."""
        return decoding_by_extra(_levels, 16) if self.stored_bits(picture) > 8 else None

    def exif(self, picture: ImageFile) -> PIL.Image.Exif:
        """Return the EXIF; the pixels are decoded only if EXIF comes after them."""
        # Pillow's own method would always decode the pixels, to look for EXIF after them.
        if picture.fp and not _is_ahead(b"eXIf", picture.fp):
            return PIL.Image.Image.getexif(picture)
        return picture.getexif()

    def metadata_readers(self, picture: ImageFile, file: Path | BytesIO) -> Readers:
        """Return the readers of the metadata; Pillow knows the texts after the pixels only once these are decoded."""
        return {**super().metadata_readers(picture, file), **PngTexts(file).readers()}

    def dropped_parts(self, picture: ImageFile, file: Path | BytesIO) -> Iterator[str]:
        """Yield a sentence about chunks of other programs."""
        yield from dropped_chunks(file)

    def metadata_options(self, metadata: Metadata) -> dict[str, Any]:
        """Return Pillow's options for the metadata, much of which is in texts."""
        return {**super().metadata_options(metadata), "pnginfo": png_info(metadata)}

    def sequence(self, total: int, plays: int | None) -> Sequence:
        """Return an animation that is being written."""
        return ApngSequence(self.parts, total, plays or 0)

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a file of pixels, alpha and metadata; Pillow encodes only the chunks of metadata."""
        planes = [*pixels] if alpha is None else [*pixels, alpha]
        mode = ("L", "LA", "RGB", "RGBA")[len(planes) - 1]
        yield SIGNATURE + chunk(b"IHDR", _header(planes[0], _COLOURS[mode]))
        yield from self._described(mode, metadata)
        compression = coding.compression
        chosen = Compression(int(compression), zlib.Z_DEFAULT_STRATEGY) if compression in LEVELS else Compression()
        for part in compressed(planes, chosen):
            yield chunk(b"IDAT", part)
        yield chunk(b"IEND", b"")

    def _described(self, mode: str, metadata: Metadata) -> Iterator[bytes]:
        """Yield the chunks of metadata for a picture in this mode."""
        # To save even one pixel, Pillow imports other formats.
        if metadata == Metadata():
            return
        one_pixel = BytesIO()
        PIL.Image.new(mode, (1, 1)).save(one_pixel, "PNG", **self.metadata_options(metadata))
        for name, length in chunks(one_pixel):
            if name not in _FRAME:
                one_pixel.seek(-8, SEEK_CUR)
                yield one_pixel.read(length + 12)


PNG = Png(
    "png",
    ("png",),
    holds_alpha=True,
    deep_gray=True,
    deep_colour="extra",
    decoded_by_extra=True,
    decoded_in_place=True,
    compressions=LEVELS,
    metadata=("icc", "exif", "dpi", "xmp", "iptc", "comment", "texts"),
    frames="animation",
)


def _header(plane: Array, colours: int) -> bytes:
    rows, columns = plane.shape
    return struct.pack(">2I5B", columns, rows, 8 * plane.itemsize, colours, 0, 0, 0)


def _levels(data: bytes) -> Array:
    import imagecodecs

    # libpng says this of every interlaced picture, and decodes it correctly.
    with drop_thread_warnings("imagecodecs", "Interlace handling"):
        return np.asarray(imagecodecs.png_decode(data))


def _is_like_srgb(info: Mapping[Any, Any]) -> bool:
    """Return whether the gamma and the primaries, if the file has them, are those of sRGB."""
    described = [info.get("gamma", _GAMMA), *info.get("chromaticity", _PRIMARIES)]
    return bool(np.allclose(described, [_GAMMA, *_PRIMARIES], atol=0.01))


def _is_ahead(chunk: bytes, stream: IO[bytes]) -> bool:
    """Return whether the file has this chunk; only the head of each chunk is read."""
    position = stream.tell()
    found = next((name for name, _ in chunks(stream) if name in (chunk, b"IEND")), b"")
    stream.seek(position)
    return found == chunk
