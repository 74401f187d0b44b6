"""The compression of the pixels of a PNG, read by other decoders."""

import zlib
from io import BytesIO

import numpy as np
import PIL.Image
import pytest

from convcli.files.samples import sample_path
from convcli.pictures.formats import Coding, png_pixels
from convcli.pictures.formats.png import PNG
from convcli.pictures.image import Metadata
from convcli.pictures.reading import read_image
from convcli.pictures.writing import encode_image

RNG = np.random.default_rng(6)
MODES = ("L", "LA", "RGB", "RGBA")


def smooth(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Random levels, smooth along rows, along columns or both, so that each filter suits some rows."""
    levels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    levels[:, 5:12] = levels[:, 5:12, :1]
    levels[:, 12:20] = levels[:, 12:13]
    levels[:, 20:28] = np.add.accumulate(levels[:, 20:28] // 64, axis=2, dtype=dtype)
    levels[:, 28:] = (np.add.outer(np.arange(levels.shape[1] - 28), np.arange(shape[2])) * 3 + levels[:, 28:] % 3) % 251
    return levels


def encoded(levels: np.ndarray, compression: str | None = None) -> bytes:
    """Return the file of ``(C, H, W)``, of which the last of 2 or 4 channels is alpha."""
    has_alpha = len(levels) in (2, 4)
    pixels, alpha = (levels[:-1], levels[-1]) if has_alpha else (levels, None)
    return encode_image(pixels, alpha, PNG, Metadata(), Coding(compression))


@pytest.mark.parametrize("compression", [None, "0", "1", "9"])
@pytest.mark.parametrize("band", [100, 1 << 19])
@pytest.mark.parametrize("mode", MODES)
def test_pillow_reads_the_pixels(mode: str, band: int, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_pixels, "BAND", band)
    levels = smooth((len(mode), 41, 31), np.uint8)
    with PIL.Image.open(BytesIO(encoded(levels, compression))) as picture:
        assert picture.mode == mode
        assert np.array_equal(np.moveaxis(np.asarray(picture).reshape(41, 31, -1), -1, 0), levels)


@pytest.mark.parametrize("channels", range(1, 5))
def test_libpng_reads_16_bits(channels: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    levels = smooth((channels, 41, 31), np.uint16)
    decoded = imagecodecs.png_decode(
        b"".join(
            PNG.parts(
                levels[: channels - (channels in (2, 4))],
                levels[-1] if channels in (2, 4) else None,
                Metadata(),
                Coding(),
            )
        )
    )
    assert np.array_equal(np.moveaxis(decoded.reshape(41, 31, -1), -1, 0), levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_has_the_filter_of_the_least_sum(channels: int, dtype: type) -> None:
    levels = smooth((channels, 41, 31), dtype)
    pixels = np.moveaxis(levels, 0, -1).astype(levels.dtype.newbyteorder(">")).reshape(41, -1).view(np.uint8)
    stream = zlib.decompress(b"".join(png_pixels.compressed([*levels])))
    expected = slowly_filtered(pixels.astype(int), channels * levels.itemsize)
    assert stream == expected
    used = {stream[row * (pixels.shape[1] + 1)] for row in range(41)}
    assert len(used) >= 4


def slowly_filtered(rows: np.ndarray, pixel: int) -> bytes:
    """Return the filtered rows by the definition of the PNG specification."""
    found = bytearray()
    for y, row in enumerate(rows):
        best = min((filtered_row(rows, y, pixel, number) for number in range(5)), key=magnitudes)
        found += best
        assert len(best) == len(row) + 1
    return bytes(found)


def filtered_row(rows: np.ndarray, y: int, pixel: int, number: int) -> bytes:
    def predicted(x: int) -> int:
        a = rows[y, x - pixel] if x >= pixel else 0
        b = rows[y - 1, x] if y else 0
        c = rows[y - 1, x - pixel] if y and x >= pixel else 0
        nearest = min((a, b, c), key=lambda each: abs(a + b - c - each))
        return int((0, a, b, (a + b) // 2, nearest)[number])

    return bytes([number, *((int(value) - predicted(x)) % 256 for x, value in enumerate(rows[y]))])


def magnitudes(row: bytes) -> int:
    return sum(min(value, 256 - value) for value in row[1:])


@pytest.mark.parametrize("name", ["camera", "portrait"])
def test_files_are_about_as_large_as_pillow_writes_them(name: str) -> None:
    path, other = sample_path(name), BytesIO()
    image = read_image(path)
    with PIL.Image.open(path) as picture:
        picture.save(other, "PNG", compress_type=zlib.Z_RLE)
    ours = encode_image(image.pixels, image.alpha, PNG, Metadata())
    assert len(ours) <= 1.01 * len(other.getvalue())
