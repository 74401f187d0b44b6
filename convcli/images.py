"""Pictures in and out. The only module that knows Pillow, and which file format holds what."""

import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import PIL.Image
import PIL.ImageOps
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from convcli.arrays import Array
from convcli.errors import FileError, JsonError, OptionError
from convcli.json_reading import decoded, parse_array_json
from convcli.npy_files import NPY_MAGIC, load_npy


class Metadata(NamedTuple):
    """What travels with a picture beside its pixels.

    icc: the colour profile.  exif: without orientation, sizes, thumbnail and other traces of the old
    file's layout.  dpi: dots per inch, ``(x, y)``.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Image:
    """A decoded picture, upright.

    pixels: ``(C, H, W)`` in the file's own type.  alpha: ``(H, W)`` uint8, 0 is transparent.
    notes: what was done to read it.  warnings: what was lost in reading it.
    """

    pixels: Array
    alpha: Array | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Header(NamedTuple):
    """What a picture's pixels will be once decoded: ``(C, H, W)`` upright, without alpha, and their type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Format(NamedTuple):
    """What a file format for output can hold.

    name: Pillow's name in lower case, or ``npy``.  extensions: without the dot, the usual one first.
    deep, floating: whether one channel may be uint16, float32.
    """

    name: str
    extensions: tuple[str, ...]
    holds_alpha: bool = False
    deep: bool = False
    floating: bool = False

    @property
    def is_array(self) -> bool:
        """Whether it is ``.npy``, which holds any number of maps of any type, exactly."""
        return self.name == "npy"

    def max_depth(self, channels: int) -> int:
        """The bits, 8 or 16, that a picture of so many channels can have in each."""
        return 16 if self.deep and channels == 1 else 8

    def holds_float(self, channels: int) -> bool:
        """Whether a picture of so many channels can hold float32."""
        return self.floating and channels == 1


FORMATS = (
    Format("png", ("png",), holds_alpha=True, deep=True),
    Format("jpeg", ("jpg", "jpeg", "jpe", "jfif")),
    Format("tiff", ("tif", "tiff"), holds_alpha=True, deep=True, floating=True),
    Format("webp", ("webp",), holds_alpha=True),
    Format("avif", ("avif",), holds_alpha=True),
    Format("gif", ("gif",), holds_alpha=True),
    Format("bmp", ("bmp",)),
    Format("ppm", ("ppm", "pgm", "pnm"), deep=True),
    Format("jpeg2000", ("jp2", "j2k", "jpx"), holds_alpha=True, deep=True),
    Format("tga", ("tga",), holds_alpha=True),
    Format("npy", ("npy",)),
)


def format_of(name: str) -> Format:
    """The format that a name (``png``, ``jpeg``) or an extension (``.tif``, ``JPG``) stands for.

    Raises OptionError for one that cannot be written.
    """
    wanted = name.lower().removeprefix(".")
    for format in FORMATS:
        if wanted in (format.name, *format.extensions):
            return format
    names = [format.name for format in FORMATS]
    raise OptionError(f"unknown image format {name!r}: use {', '.join(names[:-1])} or {names[-1]}")


def open_image(path: Path) -> Image:
    """Reads a picture, ``.npy`` or JSON tensor from a file, a FIFO or a device; an ``.npy`` file is memory-mapped.

    Raises FileError if it is missing, unreadable, broken, or none of them; JsonError for JSON that is no tensor.
    """
    return _decode(path, str(path))


def open_header(path: Path) -> Header:
    """The header alone; errors as those of ``open_image``."""
    return _decode_header(path, str(path))


def decode_image(data: bytes, source: str) -> Image:
    """Decodes a picture, ``.npy`` array or JSON tensor, told apart by content; ``source`` names it in errors.

    Raises FileError if the data is broken or none of them, JsonError for JSON that is no tensor.
    """
    return _decode(BytesIO(data), source)


def decode_header(data: bytes, source: str) -> Header:
    """The header alone; errors as those of ``decode_image``."""
    return _decode_header(BytesIO(data), source)


def readable_extensions() -> set[str]:
    """The extensions, in lower case with the dot, of files that can be read: pictures and ``.npy``."""
    # Pillow takes MPEG films for pictures, to refuse them once they are loaded.
    pictures = {name for name, format in PIL.Image.registered_extensions().items() if format in PIL.Image.OPEN}
    return (pictures - {".mpg", ".mpeg"}) | {".npy"}


def to_gray(image: Image) -> Image:
    """The image with one channel, its ITU-R BT.601 luma: 0.299 R + 0.587 G + 0.114 B, in its own type.

    An image of one channel is returned as it is. Raises OptionError if it has neither 1 nor 3.
    """
    channels = len(image.pixels)
    if channels == 1:
        return image
    if channels != 3:
        raise OptionError(f"gray is made of 3 channels (red, green, blue), and this image has {channels}")
    return replace(image, pixels=_luma(image.pixels)[np.newaxis])


def encode_image(
    pixels: Array, alpha: Array | None, format: Format, metadata: Metadata, compression: int | None = None
) -> bytes:
    """The bytes of a picture file.

    pixels: ``(1, H, W)`` or ``(3, H, W)`` uint8, or ``(1, H, W)`` uint16 or float32 where ``format``
    holds them.  alpha: ``(H, W)`` uint8, with uint8 pixels and a format that holds alpha, or None.
    metadata: written as far as the format holds it and, for a colour profile, as it fits the channels.
    compression: zlib's level, 0 to 9, for PNG; by default its quickest strategy for photographs.
    Raises OptionError if the format cannot hold the picture, say for its size.
    """
    stream = BytesIO()
    try:
        picture = _picture(pixels, alpha)
        # Pillow drops the alpha of a gray GIF.
        if format.name == "gif" and picture.mode == "LA":
            picture = picture.convert("RGBA")
        options = _options(format, len(pixels), metadata)
        picture.save(stream, format.name, **(options if compression is None else _at_level(options, compression)))
    # A picture beyond a format's limits is an OSError, ValueError, struct.error or KeyError, by format.
    except Exception as error:
        message = f"cannot write the image as {format.name}: {_reason(error)}; choose another format"
        raise OptionError(message) from error
    return stream.getvalue()


def _seekable(file: Path | BytesIO) -> Path | BytesIO:
    """A file as it is; a FIFO or device read whole. A missing file or a folder fails here, with its reason."""
    return BytesIO(file.read_bytes()) if isinstance(file, Path) and not file.is_file() else file


def _contents(file: Path | BytesIO) -> bytes:
    return file.getvalue() if isinstance(file, BytesIO) else file.read_bytes()


def _start(file: Path | BytesIO) -> bytes:
    if isinstance(file, BytesIO):
        return file.getvalue()[: len(NPY_MAGIC)]
    with file.open("rb") as stream:
        return stream.read(len(NPY_MAGIC))


def _decode(file: Path | BytesIO, source: str) -> Image:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        image = _read(file, source, _array_image, _decode_picture)
    messages = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return replace(image, warnings=(*image.warnings, *messages))


def _decode_header(file: Path | BytesIO, source: str) -> Header:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(file, source, _array_header, _picture_header)


Decoded = TypeVar("Decoded")
Decoder = Callable[[Path | BytesIO], Decoded]


def _read(
    file: Path | BytesIO, source: str, of_array: Callable[[Array], Decoded], of_picture: Decoder[Decoded]
) -> Decoded:
    try:
        file = _seekable(file)
        start = _start(file)
    except OSError as error:
        raise FileError(f"cannot read {source}: {error.strerror}") from error
    if not start:
        raise FileError(f"cannot read {source}: it is empty")
    try:
        if start == NPY_MAGIC:
            return of_array(load_npy(file))
        if start.lstrip().startswith(b"["):
            return of_array(parse_array_json(decoded(_contents(file), source, "JSON in UTF-8"), source))
        return of_picture(file)
    except JsonError:
        raise
    # A broken file makes Pillow and NumPy raise OSError, ValueError, SyntaxError, EOFError, MemoryError,
    # struct.error, zlib.error and others: whichever it is, the file cannot be read.
    except Exception as error:
        raise FileError(f"cannot read {source}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "it is neither a picture that Pillow knows, nor an .npy array, nor a JSON tensor"
    return " ".join(str(error).split()) or type(error).__name__


def _array_image(array: Array) -> Image:
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"expected an array (H, W) or (C, H, W) that is not empty, and it is {array.shape}")
    pixels = _native(array)
    return Image(pixels if pixels.ndim == 3 else pixels[np.newaxis])


def _array_header(array: Array) -> Header:
    pixels = _array_image(array).pixels
    return Header(pixels.shape, pixels.dtype)


def _picture_header(file: Path | BytesIO) -> Header:
    with PIL.Image.open(file) as picture:
        mode = _mode(picture)
        channels = PIL.Image.getmodebands(mode) - mode.endswith("A")
        sideways = picture.getexif().get(Base.Orientation, 1) >= 5
        width, height = picture.size[::-1] if sideways else picture.size
        return Header((channels, height, width), _picture_type(mode, picture.format))


def _picture_type(mode: str, file_format: str | None) -> np.dtype[Any]:
    if mode[0] not in "IF":
        return np.dtype(np.uint8)
    # Pillow reads a 16-bit PGM as int32, though its levels are 0..65535.
    deep = mode.startswith("I;16") or file_format == "PPM"
    return np.dtype(np.float32) if mode == "F" else np.dtype(np.uint16 if deep else np.int32)


def _native(array: Array) -> Array:
    return np.asarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def _decode_picture(file: Path | BytesIO) -> Image:
    with PIL.Image.open(file) as picture:
        losses = [*_frame_warnings(picture), *_depth_warnings(picture)]
        picture.load()
        try:
            PIL.ImageOps.exif_transpose(picture, in_place=True)
            metadata = _metadata(picture)
        # Metadata that cannot be parsed raises as many kinds of error as a broken picture.
        except Exception as error:
            metadata = Metadata()
            losses.append(f"EXIF, ICC profile and DPI are left out, for they are damaged: {_reason(error)}")
        mode = _mode(picture)
        notes = () if mode == picture.mode else (f"{_WORDS.get(picture.mode, picture.mode)} converted to {mode}",)
        pixels, alpha = _bands(picture if mode == picture.mode else picture.convert(mode), picture.format)
    return Image(pixels, alpha, metadata, notes, tuple(losses))


_WORDS = {
    "1": "1-bit",
    "P": "palette",
    "PA": "palette with alpha",
    "L": "L with a transparent level",
    "RGB": "RGB with a transparent colour",
}


def _frame_warnings(picture: ImageFile) -> Iterator[str]:
    frames = getattr(picture, "n_frames", 1)
    # The other frames of an MPO, which is what many phones write as .jpg, are previews and depth maps.
    if frames > 1 and picture.format != "MPO":
        yield f"{frames} frames: only the first is read"


def _depth_warnings(picture: ImageFile) -> Iterator[str]:
    """A warning if the file holds 16 bits in several channels, which Pillow opens at 8 and says nothing."""
    layout = picture.tile[0].args if picture.tile else None
    raw_mode, *rest = layout if isinstance(layout, tuple) else (layout,)
    cut = ";16" in str(raw_mode) or (picture.format == "PPM" and rest and rest[0] > 255)
    if cut and len(picture.getbands()) > 1:
        kind = "gray and alpha" if str(raw_mode).startswith("LA") else picture.mode
        yield (
            f"16-bit {kind} {picture.format} read at 8 bits: Pillow keeps 16 in a single channel only "
            "(an .npy array would keep them all)"
        )


# Sizes, strips, thumbnails and the like are of the old file, and a TIFF writer would obey them.
_KEPT_TAGS = {
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
    Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment,
    Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.ExifOffset, Base.GPSInfo,
}  # fmt: skip


def _metadata(picture: ImageFile) -> Metadata:
    exif = picture.getexif()
    for tag in set(exif) - _KEPT_TAGS:
        del exif[tag]
    # Writing tags imports what writes TIFF.
    return Metadata(picture.info.get("icc_profile") or None, exif.tobytes() if exif else None, _dpi(picture))


def _dpi(picture: ImageFile) -> tuple[float, float] | None:
    x, y = map(float, picture.info.get("dpi", (0, 0)))
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None


def _mode(picture: ImageFile) -> str:
    """The mode to work in: L, LA, RGB or RGBA, or the picture's own if its channel is deeper than 8 bits."""
    if picture.mode[0] in "IF":
        return picture.mode
    color = "L" if _is_gray(picture) else "RGB"
    return color + "A" if picture.has_transparency_data else color


def _is_gray(picture: ImageFile) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in ("1", "L", "LA", "La")
    red, green, blue = np.reshape(picture.getpalette("RGB") or [], (-1, 3)).T
    return bool((red == green).all() and (green == blue).all())


def _bands(picture: PIL.Image.Image, file_format: str | None) -> tuple[Array, Array | None]:
    """Channels ``(C, H, W)`` and alpha: views of Pillow's interleaved pixels, which are not copied once more."""
    pixels = _native(np.asarray(picture))
    dtype = _picture_type(picture.mode, file_format)
    channels = np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0).astype(dtype, copy=False)
    return (channels[:-1], channels[-1]) if picture.mode.endswith("A") else (channels, None)


def _luma(pixels: Array) -> Array:
    if pixels.dtype == np.uint8:
        return np.asarray(_picture(pixels, None).convert("L"))
    red, green, blue = pixels
    luma: Array = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.astype(pixels.dtype) if pixels.dtype.kind == "f" else np.rint(luma).astype(pixels.dtype)


def _picture(pixels: Array, alpha: Array | None) -> PIL.Image.Image:
    planes = [*pixels] if alpha is None else [*pixels, alpha]
    bands = [PIL.Image.fromarray(plane) for plane in planes]
    if len(bands) == 1:
        return bands[0]
    return PIL.Image.merge({2: "LA", 3: "RGB", 4: "RGBA"}[len(bands)], bands)


_ENCODING = {
    # Runs alone, after PNG's own filters: on photographs a third of the time of Pillow's level, 6, and files as large.
    "png": {"compress_type": zlib.Z_RLE},
    # ImageMagick's defaults: at 92 it keeps the chroma at full resolution.
    "jpeg": {"quality": 92, "subsampling": 0},
}
_ICC_SPACES = {1: b"GRAY", 3: b"RGB "}
_JPEG_EXIF_LIMIT = 65533


def _at_level(options: dict[str, Any], compression: int) -> dict[str, Any]:
    return {**options, "compress_type": zlib.Z_DEFAULT_STRATEGY, "compress_level": compression}


def _options(format: Format, channels: int, metadata: Metadata) -> dict[str, Any]:
    options: dict[str, Any] = dict(_ENCODING.get(format.name, {}))
    if metadata.icc and metadata.icc[16:20] == _ICC_SPACES[channels]:
        options["icc_profile"] = metadata.icc
    if metadata.exif and (format.name != "jpeg" or len(metadata.exif) <= _JPEG_EXIF_LIMIT):
        options["exif"] = metadata.exif
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    return options
