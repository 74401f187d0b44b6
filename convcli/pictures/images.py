"""Images in and out: pictures, ``.npy`` arrays and JSON tensors, told apart by content."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image

from convcli.arrays import Array, in_native_order
from convcli.errors import FileError, JsonError, OptionError, reason_of
from convcli.files.caught_warnings import caught_warnings
from convcli.files.file_bytes import contents, first_bytes
from convcli.files.json_reading import decoded, parse_array_json
from convcli.files.large_arrays import by_rows
from convcli.files.npy_files import NPY_MAGIC, load_npy
from convcli.pictures.channels import picture_of
from convcli.pictures.formats import FORMATS, Format, format_of
from convcli.pictures.metadata import metadata_losses
from convcli.pictures.pixel_limit import limit_pixels, pixel_limit, refusal_of
from convcli.pictures.reading import read_frames, read_picture, read_picture_header
from convcli.pictures.types import Header, Image, Metadata
from convcli.pictures.writing import encode_image, write_image

__all__ = [
    "FORMATS",
    "Format",
    "Header",
    "Image",
    "Metadata",
    "decode_frames",
    "decode_header",
    "decode_image",
    "encode_image",
    "format_of",
    "limit_pixels",
    "metadata_losses",
    "open_frames",
    "open_header",
    "open_image",
    "pixel_limit",
    "to_gray",
    "write_image",
]


def open_image(path: Path) -> Image:
    """Reads a picture, ``.npy`` or JSON tensor from a file, a FIFO or a device; an ``.npy`` file is memory-mapped.

    Raises FileError if it is missing, unreadable, broken, or none of them; JsonError for JSON that is no tensor.
    """
    return _decode(path, str(path))


def open_frames(path: Path) -> Iterator[Image]:
    """Every frame or page of a picture in order, each read when it is asked for; what has no frames is one.

    Errors as those of ``open_image``, the first when the first frame is asked for.
    """
    return _decode_frames(path, str(path))


def open_header(path: Path) -> Header:
    """The header alone; errors as those of ``open_image``."""
    return _decode_header(path, str(path))


def decode_image(data: bytes, source: str) -> Image:
    """Decodes a picture, ``.npy`` array or JSON tensor, told apart by content; ``source`` names it in errors.

    Raises FileError if the data is broken or none of them, JsonError for JSON that is no tensor.
    """
    return _decode(BytesIO(data), source)


def decode_frames(data: bytes, source: str) -> Iterator[Image]:
    """Every frame in order; errors as those of ``decode_image``, the first when the first frame is asked for."""
    return _decode_frames(BytesIO(data), source)


def decode_header(data: bytes, source: str) -> Header:
    """The header alone; errors as those of ``decode_image``."""
    return _decode_header(BytesIO(data), source)


def readable_extensions() -> set[str]:
    """The extensions, in lower case with the dot, of files that can be read: pictures and ``.npy``."""
    # Pillow takes MPEG films for pictures, to refuse them once they are loaded; EPS is refused here.
    refused = {"MPEG", "EPS"}
    extensions = PIL.Image.registered_extensions()
    return {name for name, format in extensions.items() if format in PIL.Image.OPEN.keys() - refused} | {".npy"}


def to_gray(image: Image) -> Image:
    """The image with one channel, its ITU-R BT.601 luma: 0.299 R + 0.587 G + 0.114 B, in its own type.

    An image of one channel is returned as it is. Raises OptionError if it has neither 1 nor 3.
    """
    channels = len(image.pixels)
    if channels == 1:
        return image
    if channels != 3:
        raise OptionError(f"gray is made of 3 channels (red, green, blue), and this image has {channels}")
    shape = (1, *image.pixels.shape[1:])
    return replace(image, pixels=by_rows(_luma, shape, image.pixels.dtype, image.pixels))


def _decode(file: Path | BytesIO, source: str) -> Image:
    with _reading(source) as messages:
        image = _read(file, source, _array_image, read_picture)
    return _with_warnings(image, messages)


def _decode_frames(file: Path | BytesIO, source: str) -> Iterator[Image]:
    frames = _frames(file, source)
    for number in count(1):
        with _reading(source if number == 1 else f"frame {number} of {source}") as messages:
            image = next(frames, None)
        if image is None:
            return
        yield _with_warnings(image, messages)


def _frames(file: Path | BytesIO, source: str) -> Iterator[Image]:
    yield from _read(file, source, lambda array: iter([_array_image(array)]), read_frames)


def _decode_header(file: Path | BytesIO, source: str) -> Header:
    with _reading(source):
        return _read(file, source, _array_header, read_picture_header)


def _with_warnings(image: Image, messages: list[str]) -> Image:
    return replace(image, warnings=(*image.warnings, *dict.fromkeys(messages)))


@contextmanager
def _reading(source: str) -> Iterator[list[str]]:
    """Within, the list gets what libraries warn of, and what goes wrong is a FileError, or a JsonError."""
    try:
        with caught_warnings() as messages:
            yield messages
    except (FileError, JsonError):
        raise
    # A broken file makes Pillow and NumPy raise OSError, ValueError, SyntaxError, EOFError, MemoryError,
    # struct.error, zlib.error and others: whichever it is, the file cannot be read.
    except Exception as error:
        raise FileError(f"cannot read {source}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "it is neither a picture that Pillow knows, nor an .npy array, nor a JSON tensor"
    if isinstance(error, PIL.Image.DecompressionBombError):
        return refusal_of(error)
    return (isinstance(error, OSError) and error.strerror) or reason_of(error)


Decoded = TypeVar("Decoded")
Decoder = Callable[[Path | BytesIO], Decoded]


def _read(
    file: Path | BytesIO, source: str, of_array: Callable[[Array], Decoded], of_picture: Decoder[Decoded]
) -> Decoded:
    file = _seekable(file)
    start = first_bytes(file, len(NPY_MAGIC))
    if not start:
        raise ValueError("it is empty")
    if start == NPY_MAGIC:
        return of_array(load_npy(file))
    if start.lstrip().startswith(b"["):
        return of_array(parse_array_json(decoded(contents(file), source, "JSON in UTF-8"), source))
    return of_picture(file)


def _seekable(file: Path | BytesIO) -> Path | BytesIO:
    """A file as it is; a FIFO or device read whole. A missing file or a folder fails here, with its reason."""
    return BytesIO(file.read_bytes()) if isinstance(file, Path) and not file.is_file() else file


def _array_image(array: Array) -> Image:
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"expected an array (H, W) or (C, H, W) that is not empty, and it is {array.shape}")
    pixels = in_native_order(array)
    return Image(pixels if pixels.ndim == 3 else pixels[np.newaxis])


def _array_header(array: Array) -> Header:
    pixels = _array_image(array).pixels
    return Header(pixels.shape, pixels.dtype)


@np.errstate(over="ignore", invalid="ignore")
def _luma(pixels: Array) -> Array:
    if pixels.dtype == np.uint8:
        return np.asarray(picture_of(pixels, None).convert("L"))
    red, green, blue = pixels
    luma: Array = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.astype(pixels.dtype) if pixels.dtype.kind == "f" else np.rint(luma).astype(pixels.dtype)
