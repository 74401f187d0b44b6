"""Every kind of input in every format of output: numbers are kept, or a sentence says why they are not."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from convcli.arrays import Array
from convcli.functional import filter_image
from convcli.pictures.formats import PICTURE_FORMATS, Format
from convcli.pictures.image import Image
from convcli.pictures.reading import read_image

HEIGHT, WIDTH = 16, 17
RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)


def levels(channels: int, bits: int) -> Array:
    """Return levels ``(H, W, C)``, all of them different."""
    planes = [np.roll(RAMP, 40 * channel) for channel in range(channels)]
    return np.rint(np.stack(planes, axis=-1) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def png(array: Array) -> bytes:
    return bytes(imagecodecs.png_encode(np.squeeze(array)))


def tiff(array: Array, **options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, array, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def npy(array: Array) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def pillow(picture: PIL.Image.Image, format: str) -> bytes:
    stream = BytesIO()
    picture.save(stream, format)
    return stream.getvalue()


def kinds() -> Iterator[tuple[str, bytes]]:
    for bits in (8, 16):
        for channels in (1, 2, 3, 4):
            yield f"{channels} x {bits} bits", png(levels(channels, bits))
        yield f"5 x {bits} bits", npy(np.moveaxis(levels(5, bits), -1, 0))
        yield f"CMYK of {bits} bits", tiff(levels(4, bits), photometric="separated")
    yield "palette", pillow(PIL.Image.fromarray(levels(3, 8)).quantize(16), "PNG")
    yield "1 bit", pillow(PIL.Image.fromarray(levels(1, 8)[..., 0]).convert("1"), "PNG")
    yield "RGB and more", tiff(levels(4, 8), photometric="rgb", extrasamples=["unspecified"])
    for name in ("int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float32", "float64"):
        numbers = RAMP if name.startswith("f") else 400 * RAMP - 150 * name.startswith("i")
        yield f"{name} TIFF", tiff(numbers.clip(-128, 127 if name == "int8" else 400).astype(name))
        yield f"{name} array", npy(numbers.clip(-128, 127 if name == "int8" else 400).astype(name))
    yield "float32 RGB", tiff(np.stack([RAMP] * 3, -1).astype(np.float32), photometric="rgb")


KINDS = dict(kinds())
# Sentences that say what was chosen, and not what is lost.
CHOICES = ("`range` auto", "`alpha` auto", "EXIF")


EVERY_FORMAT = [
    pytest.param(format, id=format.name, marks=[pytest.mark.slow] * (format.name not in ("png", "tiff", "gif")))
    for format in PICTURE_FORMATS
]


def said(*sentences: str) -> list[str]:
    return [sentence for sentence in sentences if not sentence.startswith(CHOICES)]


@pytest.mark.parametrize("format", EVERY_FORMAT)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_kept_is_said(kind: str, format: Format, tmp_path: Path) -> None:
    source = read_image(KINDS[kind])
    filtered = filter_image(KINDS[kind], "identity", format=format.name)
    maps = filtered.maps.values
    source = source._replace(pixels=source.pixels.reshape(-1, *source.pixels.shape[-2:]))
    first = slice(0, format.maps_per_file(len(maps)))
    if format.is_array:
        found = Image(maps.reshape(source.pixels.shape))
    else:
        stream = BytesIO()
        filtered.write_picture(stream, first)
        found = read_image(stream.getvalue())
        source = source._replace(pixels=source.pixels[first])
    sentences = said(*source.warnings, *source.notes, *filtered.warnings, *filtered.notes)
    assert sentences or is_kept(source, found, lossy=format.has_quality)


def is_kept(source: Image, found: Image, *, lossy: bool) -> bool:
    """Return whether the numbers are the same, or about the same in a lossy format; gray may be stored as RGB."""
    if (source.alpha is None) != (found.alpha is None):
        return False
    if source.alpha is not None and not lossy and not np.array_equal(source.alpha, found.alpha):
        return False
    difference = np.abs(source.pixels.astype(float) - found.pixels)
    return bool(difference.mean() < 30 if lossy else not difference.any())
