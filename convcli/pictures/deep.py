"""Colours of more than 8 bits, which Pillow does not hold, in and out of PNG, JPEG 2000, AVIF and PPM."""

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, cast

import numpy as np
import PIL.Image
from PIL.ImageFile import ImageFile

from convcli.arrays import Array, in_native_order
from convcli.pictures import deep_extra
from convcli.pictures.depth import stored_bits
from convcli.pictures.image import Metadata
from convcli.pictures.metadata import metadata_options

Decoder = Callable[[bytes, ImageFile], Array]


def decoder_for(picture: ImageFile) -> Decoder | None:
    """Return the decoder that gives the levels ``(H, W, C)``, uint16, of an opened picture and its file's bytes.

    Returns None if nothing that is installed can decode them.
    """
    if picture.format == "PPM":
        return _from_ppm if picture.tile[0].codec_name == "ppm" else None
    return _DECODERS.get(str(picture.format)) if deep_extra.is_installed() else None


def encode_deep(
    levels: Array, format: str, metadata: Metadata, compression: int | None
) -> Iterator[bytes | memoryview]:
    """The bytes of a file of levels ``(H, W, C)``, uint16, in parts; with the extra, but for PPM."""
    return _ENCODERS[format](levels, metadata_options(metadata), compression)


def _from_png(data: bytes, picture: ImageFile) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(data))


def _from_jpeg2000(data: bytes, picture: ImageFile) -> Array:
    import imagecodecs

    return _scaled(imagecodecs.jpeg2k_decode(data), (1 << stored_bits(picture)) - 1)


def _from_avif(data: bytes, picture: ImageFile) -> Array:
    import imagecodecs

    return _scaled(imagecodecs.avif_decode(data), (1 << stored_bits(picture)) - 1)


def _from_ppm(data: bytes, picture: ImageFile) -> Array:
    offset, layout = picture.tile[0].offset, cast("tuple[str, int]", picture.tile[0].args)
    width, height = picture.size
    levels = np.frombuffer(data, ">u2", width * height * 3, offset).reshape(height, width, 3)
    return _scaled(levels, layout[1])


def _scaled(levels: Array, most: int) -> Array:
    """Levels of 0 to most as levels of 16 bits."""
    return in_native_order(levels) if most == 65535 else np.rint(levels * (65535 / most)).astype(np.uint16)


_DECODERS: dict[str, Decoder] = {"PNG": _from_png, "JPEG2000": _from_jpeg2000, "AVIF": _from_avif}


def _to_png(levels: Array, options: dict[str, Any], compression: int | None) -> Iterator[bytes | memoryview]:
    """Pillow writes the metadata, with a picture of one pixel, whose other chunks follow our header."""
    import imagecodecs

    by_level = {"strategy": zlib.Z_RLE} if compression is None else {"level": compression}
    data = memoryview(imagecodecs.png_encode(levels, **by_level))
    one_pixel = BytesIO()
    PIL.Image.new("L" if levels.shape[2] < 3 else "RGB", (1, 1)).save(one_pixel, "PNG", **options)
    yield data[:_PNG_HEADER]
    yield from (chunk for kind, chunk in _png_chunks(one_pixel.getvalue()) if kind not in _PNG_FRAME)
    yield data[_PNG_HEADER:]


# The signature, and IHDR.
_PNG_HEADER = 8 + 25
_PNG_FRAME = (b"IHDR", b"IDAT", b"IEND")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes of each."""
    start = 8
    while start < len(data):
        (length,) = struct.unpack_from(">I", data, start)
        end = start + length + 12
        yield data[start + 4 : start + 8], data[start:end]
        start = end


def _to_jpeg2000(levels: Array, options: dict[str, Any], compression: int | None) -> Iterator[bytes | memoryview]:
    import imagecodecs

    yield bytes(imagecodecs.jpeg2k_encode(levels, level=0, reversible=True, codecformat="jp2"))


def _to_ppm(levels: Array, options: dict[str, Any], compression: int | None) -> Iterator[bytes | memoryview]:
    height, width, _ = levels.shape
    yield b"P6\n%d %d\n65535\n" % (width, height)
    yield levels.astype(">u2").view(np.uint8).data.cast("B")


_ENCODERS = {"png": _to_png, "jpeg2000": _to_jpeg2000, "ppm": _to_ppm}
