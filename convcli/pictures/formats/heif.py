"""HEIC, the photographs of phones, read and written by the extra ``heic``.

The library can register itself as a reader of Pillow's, but then it reads more than 8 bits at 8, and for all programs
that run in this process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from convcli.arrays import Array
from convcli.errors import OptionError, reason_of
from convcli.files.file_bytes import contents, require_fitting
from convcli.pictures import heic_extra
from convcli.pictures.channels import split_alpha
from convcli.pictures.formats.format import Coding, Format, Parts
from convcli.pictures.formats.levels import scale_levels, scaled_type
from convcli.pictures.image import Header, Image, Metadata
from convcli.pictures.metadata import Description, bytes_in, description, kept_exif_in
from convcli.pictures.pixel_limit import refuse_beyond_limit
from convcli.pictures.xmp import kept_xmp

# Gray of more than 8 bits is I.
_CHANNELS = {"L": 1, "I": 1, "LA": 2, "RGB": 3, "RGBA": 4}
# The numbers of colour spaces (ITU-T H.273) whose levels are like those of sRGB, or not specified.
_PRIMARIES, _CURVES = (1, 2), (1, 2, 6, 13)
_QUALITY = 80


class Heif(Format):
    """The format HEIC."""

    def require_writable(self) -> None:
        """Raise OptionError if the extra is not installed."""
        if not heic_extra.is_installed():
            raise OptionError(f"cannot write HEIC yet: {heic_extra.advice('to write it')}; or choose another format")

    def parts(self, pixels: Array, alpha: Array | None, metadata: Metadata, coding: Coding) -> Parts:
        """Yield the bytes of a file; its chroma has half the resolution, because cameras and viewers expect that."""
        import pillow_heif

        picture, stream = self.picture(pixels, alpha), BytesIO()
        options = {"quality": coding.quality or _QUALITY, **self.metadata_options(metadata)}
        pillow_heif.encode(picture.mode, picture.size, picture.tobytes(), stream, **options)
        yield stream.getvalue()


HEIF = Heif(
    "heif",
    ("heic", "heif", "hif"),
    holds_alpha=True,
    has_quality=True,
    metadata=("icc", "exif", "xmp"),
)


class HeifFrame:
    """The main picture of a HEIC file; raises ValueError if the file is damaged or the extra is not installed."""

    def __init__(self, file: Path | BytesIO) -> None:
        if not heic_extra.is_installed():
            raise ValueError(f"it is a HEIC picture: {heic_extra.advice('to read it')}")
        require_fitting(file)
        import pillow_heif

        with _damage():
            found = pillow_heif.open_heif(
                BytesIO(contents(file)), convert_hdr_to_8bit=False, hdr_to_16bit=False, depth_images=False
            )
            self._picture = found[found.primary_index]
        self._others = len(found) - 1
        self._mode, _, bits = self._picture.mode.partition(";")
        self._bits = int(bits or 8)
        if self._mode not in _CHANNELS:
            raise ValueError(f"it is a HEIC picture of {self._picture.mode}, which is not read: {_REMEDY}")

    def header(self) -> Header:
        """Return the header of the picture that ``decode`` would return, without decoding it."""
        width, height = self._picture.size
        refuse_beyond_limit(width * height)
        alpha = self._mode.endswith("A")
        return Header((_CHANNELS[self._mode] - alpha, height, width), scaled_type(self._most), alpha=alpha)

    def decode(self) -> Image:
        """Return the picture, which libheif has turned upright."""
        expected = self.header()
        with _damage():
            levels = np.atleast_3d(np.asarray(self._picture))
        pixels, alpha = split_alpha(np.moveaxis(scale_levels(levels, self._most), -1, 0))
        if pixels.shape != expected.shape or (alpha is not None) != expected.alpha:
            raise ValueError(f"its headers contradict each other: {expected.shape} and {pixels.shape}")
        described = self._described()
        notes = () if self._bits in (8, 16) else (f"{self._bits} bits scaled to 16",)
        return Image(pixels, alpha, described.metadata, notes, (*self._losses(), *described.warnings))

    @property
    def _most(self) -> int:
        return (1 << self._bits) - 1

    def _described(self) -> Description:
        info: dict[str, Any] = self._picture.info
        readers = {
            "icc": lambda: bytes_in(info.get("icc_profile")),
            "exif": lambda: kept_exif_in(info.get("exif")),
            "xmp": lambda: kept_xmp(bytes_in(info.get("xmp"))),
        }
        # The orientation in EXIF only repeats what libheif has applied.
        return description(1, readers)

    def _losses(self) -> Iterator[str]:
        if self._others:
            yield "the file has more pictures, of which only the main one is read"
        space = self._picture.info.get("nclx_profile") or {}
        primaries, curve = space.get("color_primaries", 2), space.get("transfer_characteristics", 2)
        if "icc_profile" not in self._picture.info and (primaries not in _PRIMARIES or curve not in _CURVES):
            yield "the colour space (HDR, for example) is ignored, and levels are kept as they are"


_REMEDY = "convert it first, as in heif-dec FILE a.png"


@contextmanager
def _damage() -> Iterator[None]:
    """Turn every error of the library within into a ValueError."""
    try:
        yield
    except (ArithmeticError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, ValueError) as error:
        reason = reason_of(error)
        raise ValueError(f"it is a HEIC picture, damaged or of a kind that is not read: {reason}") from error
