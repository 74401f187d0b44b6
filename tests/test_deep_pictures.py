"""Colours of more than 8 bits, with and without the extra that reads them."""

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL.ExifTags import IFD, Base
from support.command_line import ENVIRONMENT, convcli, npy
from support.pictures import HEIGHT, SRGB, WIDTH, exif_of, parsed

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.extras import install_command
from convcli.pictures import deep_extra
from convcli.pictures.formats import PICTURE_FORMATS, Format, format_of, tiff_pages, tiff_writing
from convcli.pictures.image import Metadata
from convcli.pictures.reading import iter_frames, read_header, read_image
from convcli.pictures.writing import encode_image, write_image


def random_levels(channels: int, dtype: Any = np.uint16, seed: int = 3) -> Array:
    """(H, W, C)."""
    levels = np.random.default_rng(seed).integers(0, 65536, (HEIGHT, WIDTH, channels))
    return levels.astype(dtype) if np.dtype(dtype).kind == "u" else (levels / 1000).astype(dtype)


def png_of_16_bits(samples: Array, color_type: int) -> bytes:
    """samples: (H, W, C) uint16."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def ppm_of_16_bits(samples: Array) -> bytes:
    """samples: (H, W, 3) uint16."""
    height, width, _ = samples.shape
    return b"P6 %d %d 65535\n" % (width, height) + samples.astype(">u2").tobytes()


def tiff_of_16_bits(samples: Array) -> bytes:
    """samples: (H, W, 3) uint16. An uncompressed little-endian TIFF of one strip, by no library."""
    height, width, channels = samples.shape
    data = samples.astype("<u2").tobytes()
    bits = 8 + 2 + 9 * 12 + 4
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, bits + 6),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + struct.pack("<3H", 16, 16, 16) + data


def tiff(samples: Array, **options: Any) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, samples, **({"photometric": "rgb", "metadata": None} | options))
    return stream.getvalue()


def test_the_extra_is_looked_for_without_importing_it() -> None:
    script = (
        "import sys, convcli.pictures.reading, convcli.pictures.formats as f; print(f.format_of('png').max_depth(3));"
        "print({'imagecodecs', 'tifffile'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "16\nset()\n"


COLOURS = {
    "RGB PNG": (3, lambda levels: png_of_16_bits(levels, 2)),
    "RGBA PNG": (4, lambda levels: png_of_16_bits(levels, 6)),
    "gray and alpha PNG": (2, lambda levels: png_of_16_bits(levels, 4)),
    "RGB TIFF": (3, tiff_of_16_bits),
    "RGBA TIFF": (4, lambda levels: tiff(levels, extrasamples=["unassalpha"])),
    "RGB JPEG2000": (3, lambda levels: bytes(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2"))),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_are_read_at_16_bits(kind: str) -> None:
    channels, encode = COLOURS[kind]
    levels = random_levels(channels)
    data = encode(levels)
    image = read_image(data)
    bands = image.pixels if image.alpha is None else np.concatenate([image.pixels, image.alpha[np.newaxis]])
    assert np.array_equal(np.moveaxis(bands, 0, -1), levels)
    assert (image.pixels.dtype, image.notes, image.warnings) == (np.uint16, (), ())
    header = read_header(data)
    assert header == image.header
    assert image.alpha is None or image.alpha.dtype == np.uint16


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("kind", [kind for kind in COLOURS if "PNG" in kind])
def test_without_the_extra_colours_are_read_at_8_bits_and_the_warning_names_it(kind: str) -> None:
    channels, encode = COLOURS[kind]
    levels = random_levels(channels)
    data = encode(levels)
    image = read_image(data)
    assert abs(np.moveaxis(image.pixels, 0, -1) - levels[..., : len(image.pixels)] / 257).max() < 1.4
    assert image.warnings == (
        f"16-bit {kind} read at 8 bits: to keep all bits, {install_command('deep')}, or use an .npy array",
    )
    assert read_header(data).dtype == image.pixels.dtype == np.uint8


@pytest.mark.parametrize("most", [65535, 4095])
def test_ppm_needs_no_extra(without_extra: None, most: int) -> None:
    levels = random_levels(3) // (65536 // (most + 1))
    data = ppm_of_16_bits(levels).replace(b"65535", str(most).encode(), 1)
    image = read_image(data)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), np.rint(levels * (65535 / most)))
    assert (image.pixels.dtype, image.warnings) == (np.uint16, ())


def test_levels_of_12_bits_are_scaled() -> None:
    levels = random_levels(3) >> 4
    data = bytes(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2", bitspersample=12))
    image = read_image(data)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), np.rint(levels * (65535 / 4095)))
    assert image.notes == ("12 bits scaled to 16",)


def avif(bits: int) -> tuple[Array, bytes]:
    levels = np.broadcast_to(np.linspace(0, (1 << bits) - 1, 64)[:, np.newaxis], (64, 64, 3)).astype(np.uint16)
    return levels, bytes(imagecodecs.avif_encode(np.ascontiguousarray(levels), level=100, bitspersample=bits))


@pytest.mark.parametrize("bits", [10, 12])
def test_avif_of_10_and_12_bits_is_scaled(bits: int) -> None:
    levels, data = avif(bits)
    image = read_image(data)
    assert abs(np.moveaxis(image.pixels, 0, -1) - levels * (65535 / ((1 << bits) - 1))).max() < 400
    assert image.notes == (f"{bits} bits scaled to 16",)


@pytest.mark.usefixtures("without_extra")
def test_avif_without_the_extra_is_read_at_8_bits() -> None:
    (warning,) = read_image(avif(10)[1]).warnings
    assert warning.startswith("10-bit RGB AVIF read at 8 bits: to keep all bits, pip install")


def with_chunk(png: bytes, kind: bytes, body: bytes, before: bytes) -> bytes:
    at = png.index(before) - 4
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:at] + chunk + png[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_metadata_of_a_deep_png_before_and_behind_its_pixels(before: bytes) -> None:
    levels = random_levels(3)
    data = with_chunk(png_of_16_bits(levels, 2), b"eXIf", exif_of(orientation=6).tobytes()[6:], before)
    image = read_image(data)
    assert np.array_equal(image.pixels, np.rot90(np.moveaxis(levels, -1, 0), -1, axes=(1, 2)))
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"
    assert read_header(data).shape == (3, WIDTH, HEIGHT)


def test_a_transparent_colour_or_level_of_16_bits_becomes_alpha() -> None:
    colour = random_levels(3)
    image = read_image(with_chunk(png_of_16_bits(colour, 2), b"tRNS", colour[1, 2].astype(">u2").tobytes(), b"IDAT"))
    assert image.alpha is not None
    assert np.argwhere(image.alpha == 0).tolist() == [[1, 2]]
    gray = random_levels(1)
    data = with_chunk(png_of_16_bits(gray, 0), b"tRNS", gray[3, 4].astype(">u2").tobytes(), b"IDAT")
    image = read_image(data)
    assert image.alpha is not None
    assert (image.pixels.dtype, image.alpha.dtype) == (np.uint16, np.uint16)
    assert np.argwhere(image.alpha == 0).tolist() == [[3, 4]]
    assert read_header(data).alpha


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("options", [
    {}, {"planarconfig": "separate"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)},
    {"byteorder": ">"}, {"bigtiff": True}, {"compression": "lzw", "rowsperstrip": 2},
], ids=str)  # fmt: skip
def test_tiffs_of_every_type_and_layout(dtype: Any, options: dict[str, Any]) -> None:
    levels = random_levels(3, dtype)
    stored = np.moveaxis(levels, -1, 0) if "planarconfig" in options else levels
    data = tiff(stored, **options)
    image = read_image(data)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)
    assert image.pixels.dtype == dtype
    assert (image.alpha, image.notes, image.warnings) == (None, (), ())
    assert read_header(data) == image.header
    assert image.alpha is None


@pytest.mark.parametrize("dtype", [np.uint32, np.float64])
def test_gray_tiffs_that_pillow_would_convert_keep_their_type(dtype: Any) -> None:
    levels = random_levels(1, dtype)[..., 0] * 60000 + 7
    image = read_image(tiff(levels.astype(dtype), photometric="minisblack"))
    assert np.array_equal(image.pixels[0], levels)
    assert image.pixels.dtype == dtype


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int16])
def test_gray_integers_are_exact_without_the_extra(dtype: Any) -> None:
    levels = (random_levels(1, np.uint16)[..., 0].astype(np.int64) * 65537).astype(dtype)
    data = tiff(levels, photometric="minisblack")
    image = read_image(data)
    assert np.array_equal(image.pixels[0], levels)
    assert read_header(data).dtype == image.pixels.dtype == dtype


def test_a_spectrum_keeps_its_channels() -> None:
    levels = random_levels(6)
    image = read_image(tiff(np.moveaxis(levels, -1, 0), photometric="minisblack", planarconfig="separate"))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)


def test_a_channel_of_unknown_meaning_is_dropped_with_a_warning() -> None:
    levels = random_levels(4)
    image = read_image(tiff(levels, extrasamples=["unspecified"]))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels[..., :3])
    assert image.warnings == ("1 of 4 channels dropped, because the file does not say what it is",)


def test_premultiplied_colours_are_divided() -> None:
    levels = random_levels(3)
    alpha = np.full((HEIGHT, WIDTH, 1), 65535 // 3, np.uint16)
    alpha[0, 0] = 0
    multiplied = np.rint(levels * (alpha / 65535)).astype(np.uint16)
    image = read_image(tiff(np.concatenate([multiplied, alpha], -1), extrasamples=["assocalpha"]))
    expected = np.where(alpha > 0, levels, 0)
    assert abs(np.moveaxis(image.pixels, 0, -1).astype(int) - expected).max() <= 2
    assert image.notes == ("premultiplied colours divided by alpha",)


@pytest.mark.parametrize("large", [True, False])
def test_white_is_zero_is_inverted(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(tiff_pages, "LARGE", 1)
    levels = random_levels(1)[..., 0]
    image = read_image(tiff(levels, photometric="miniswhite"))
    assert np.array_equal(image.pixels[0], 65535 - levels)
    assert image.notes == ("white-is-zero inverted",)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_metadata_of_a_deep_tiff(orientation: int, bigtiff: bool) -> None:
    levels = random_levels(3)
    tags = [
        (274, "H", 1, orientation, True),
        (271, "s", 0, "Maker", True),
        (34675, 7, len(SRGB), SRGB, True),
    ]
    data = tiff(levels, resolution=(118.11, 59.055), resolutionunit="CENTIMETER", extratags=tags,
                bigtiff=bigtiff)  # fmt: skip
    image = read_image(data)
    expected = np.moveaxis(levels, -1, 0)
    assert np.array_equal(image.pixels, expected if orientation == 1 else np.rot90(expected, -1, axes=(1, 2)))
    assert image.metadata.icc == SRGB
    assert image.metadata.dpi == pytest.approx((300, 150) if orientation == 1 else (150, 300), abs=0.01)
    assert image.metadata.exif is not None
    assert image.metadata.exif[6:10] in (b"II*\0", b"MM\0*")
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"
    assert read_header(data).shape == image.pixels.shape


def test_exif_of_a_big_tiff_of_8_bits_fits_other_files() -> None:
    data = tiff(random_levels(3).astype(np.uint8), bigtiff=True, extratags=[(271, "s", 0, "Maker", True)])
    exif = read_image(data).metadata.exif
    assert exif is not None
    assert exif[6:10] in (b"II*\0", b"MM\0*")


def test_pages_of_several_depths_keep_their_types() -> None:
    stream = BytesIO()
    pages = [random_levels(3).astype(np.uint8), random_levels(3), random_levels(3, np.float32)]
    with tifffile.TiffWriter(stream) as writer:
        for page in pages:
            writer.write(page, photometric="rgb", metadata=None)
    images = list(iter_frames(stream.getvalue()))
    for image, page in zip(images, pages, strict=True):
        assert np.array_equal(np.moveaxis(image.pixels, 0, -1), page)
        assert image.pixels.dtype == page.dtype
    assert read_header(stream.getvalue()).frames == 3
    assert read_image(stream.getvalue()).warnings[0].startswith("of its frames only the first is read")


DEEP = [format for format in PICTURE_FORMATS if not format.is_array and format.max_depth(3) == 16]


@pytest.mark.parametrize("format", DEEP, ids=lambda format: format.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_written_and_read_exactly(channels: int, format: Any) -> None:
    levels = np.moveaxis(random_levels(channels), -1, 0)
    image = read_image(encode_image(levels, None, format, Metadata()))
    assert np.array_equal(image.pixels, levels)
    assert image.alpha is None


@pytest.mark.parametrize("format", [format for format in DEEP if format.holds_alpha], ids=lambda format: format.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_of_16_bits_is_written_and_read_exactly(channels: int, format: Any) -> None:
    levels = np.moveaxis(random_levels(channels + 1), -1, 0)
    image = read_image(encode_image(levels[:-1], levels[-1], format, Metadata()))
    assert np.array_equal(image.pixels, levels[:-1])
    assert np.array_equal(image.alpha, levels[-1])


def test_floats_are_written_and_read_exactly() -> None:
    for channels in (1, 3):
        pixels = np.moveaxis(random_levels(channels, np.float32), -1, 0) - np.float32(30)
        image = read_image(encode_image(pixels, None, format_of("tiff"), Metadata()))
        assert np.array_equal(image.pixels, pixels)
        assert image.pixels.dtype == np.float32


@pytest.mark.parametrize("name", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_metadata_is_written_to_deep_files(name: str, channels: int) -> None:
    icc = SRGB if channels == 3 else SRGB[:16] + b"GRAY" + SRGB[20:]
    levels = np.moveaxis(random_levels(channels), -1, 0)
    alpha = random_levels(1, seed=4)[..., 0]
    data = encode_image(levels, alpha, format_of(name), Metadata(icc, exif_of().tobytes(), (300.0, 150.0)))
    image = read_image(data)
    assert np.array_equal(image.pixels, levels)
    assert image.metadata.icc == icc
    assert image.metadata.dpi == pytest.approx((300, 150), abs=0.02)  # PNG stores whole dots per metre
    exif = parsed(image.metadata.exif)
    assert exif[Base.Make] == "Maker"
    assert exif.get_ifd(IFD.Exif)[Base.LensModel] == "Lens"
    assert exif.get_ifd(IFD.GPSInfo)[1] == "N"


DEEP_GRAY = pytest.mark.parametrize(
    "format", [each for each in PICTURE_FORMATS if each.deep_gray], ids=lambda each: each.name
)


@DEEP_GRAY
def test_the_depth_of_colour_without_the_extra(format: Format, without_extra: None) -> None:
    assert depths(format) == (16, *[16 if format.deep_colour == "yes" else 8] * 2)


@DEEP_GRAY
def test_the_depth_of_colour_with_the_extra(format: Format) -> None:
    assert depths(format) == (16, *[8 if format.deep_colour == "no" else 16] * 2)


def depths(format: Format) -> tuple[int, ...]:
    """Return the bits of gray, of colour, and of gray with alpha."""
    return format.max_depth(1), format.max_depth(3), format.max_depth(1, alpha=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_written_at_the_depth_of_the_pixels(channels: int) -> None:
    levels = np.moveaxis(random_levels(channels), -1, 0)
    deep_alpha = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    shallow = np.rint(deep_alpha / 257).astype(np.uint8)
    image = read_image(encode_image(levels, shallow, format_of("png"), Metadata()))
    assert np.array_equal(image.alpha, shallow * np.uint16(257))
    image = read_image(encode_image((levels >> 8).astype(np.uint8), deep_alpha, format_of("png"), Metadata()))
    assert np.array_equal(image.alpha, shallow)


def test_without_the_extra_deep_gray_with_alpha_is_written_at_8_bits(without_extra: None) -> None:
    levels = np.moveaxis(random_levels(2), -1, 0)
    image = read_image(encode_image(levels[:1], levels[1], format_of("png"), Metadata()))
    assert np.array_equal(image.pixels, np.rint(levels[:1] / 257))
    assert np.array_equal(image.alpha, np.rint(levels[1] / 257))


def test_other_programs_read_our_tiffs(tmp_path: Path) -> None:
    """Pillow converts tags to its own types, so tifffile reads them again from the file."""
    levels = np.moveaxis(random_levels(4), -1, 0)
    data = encode_image(levels[:3], levels[3], format_of("tiff"), Metadata(SRGB, exif_of().tobytes(), (300, 150)))
    with tifffile.TiffFile(BytesIO(data)) as file:
        (page,) = file.pages
        assert np.array_equal(page.asarray(), np.moveaxis(levels, 0, -1))
        assert (page.photometric, page.extrasamples) == (2, (2,))
        assert page.tags["ExifTag"].value["LensModel"] == "Lens"
        assert page.get_resolution("INCH") == (300, 150)


def test_large_tiffs_have_strips_and_64_bit_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_writing, "STRIP", 100)
    monkeypatch.setattr(tiff_writing, "CLASSIC_LIMIT", 150)
    levels = np.moveaxis(random_levels(3), -1, 0)
    data = encode_image(levels, None, format_of("tiff"), Metadata(SRGB, exif_of().tobytes(), (300, 150)))
    with tifffile.TiffFile(BytesIO(data)) as file:
        assert file.is_bigtiff
        assert len(file.pages[0].dataoffsets) == 3
        assert np.array_equal(np.moveaxis(file.asarray(), -1, 0), levels)
    again = read_image(data)
    assert np.array_equal(again.pixels, levels)
    assert parsed(again.metadata.exif).get_ifd(IFD.Exif)[Base.LensModel] == "Lens"


def test_a_large_tiff_is_written_one_strip_at_a_time() -> None:
    """A TIFF is written strip by strip."""

    class Stream:
        longest = total = 0

        def write(self, part: Any) -> int:
            size = memoryview(part).nbytes
            self.longest, self.total = max(self.longest, size), self.total + size
            return size

    stream: Any = Stream()
    write_image(stream, np.zeros((3, 4000, 1000), np.uint16), None, format_of("tiff"), Metadata())
    assert stream.total > 24_000_000
    assert stream.longest <= tiff_writing.STRIP


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}], ids=str)
def test_large_tiffs_are_read_past_pillow(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_pages, "LARGE", 100)
    levels = random_levels(3).astype(np.uint16)
    path = tmp_path / "large.tif"
    path.write_bytes(tiff(levels, **options))
    image = read_image(path)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)
    assert image.warnings == ()


def test_a_large_uncompressed_tiff_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_pages, "LARGE", 100)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "large.tif"
    path.write_bytes(tiff(random_levels(3)))
    pixels: Any = read_image(path).pixels
    while pixels.base is not None and not isinstance(pixels, np.memmap):
        pixels = pixels.base
    assert isinstance(pixels, np.memmap)


@pytest.mark.parametrize("encode", [
    lambda levels: bytes(imagecodecs.png_encode(levels)), ppm_of_16_bits, tiff_of_16_bits,
    lambda levels: tiff(levels, compression="zlib"), lambda levels: tiff(levels, tile=(64, 64)),
    lambda levels: bytes(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2")),
])  # fmt: skip
def test_truncated_deep_pictures_are_errors(encode: Callable[[Array], bytes], tmp_path: Path) -> None:
    data = encode(np.random.default_rng(1).integers(0, 65536, (90, 110, 3), np.uint16, endpoint=False))
    path = tmp_path / "half.pic"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileError, match=r"^cannot read <bytes>: \S[^\n]*$"):
        read_image(path.read_bytes())
    with pytest.raises(FileError, match=r"^cannot read .*half\.pic: \S[^\n]*$"):
        read_image(path)


@pytest.mark.parametrize("encode", [
    lambda levels: png_of_16_bits(levels, 2), tiff, lambda levels: tiff(levels, compression="zlib"),
    lambda levels: bytes(imagecodecs.jpeg2k_encode(levels, level=0, codecformat="jp2")),
])  # fmt: skip
def test_the_pixel_limit_applies_to_deep_pictures(
    encode: Callable[[Array], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    data = encode(random_levels(3).astype(np.uint16))
    for decode in (read_image, read_header):
        with pytest.raises(
            FileError, match=r"^cannot read <bytes>: it has 35 pixels, more than the limit of 20: use `max_pix"
        ):
            decode(data)


def tag_at(data: bytes, tag: int) -> int:
    """Where the value of a tag of the first page lies."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    (place,) = [
        at for at in range(start + 2, start + 2 + 12 * count, 12) if struct.unpack_from("<H", data, at) == (tag,)
    ]
    return place + 8


def test_a_tiff_that_claims_more_bytes_than_it_has_is_not_mapped(tmp_path: Path) -> None:
    data = bytearray(tiff(random_levels(3).astype(np.uint16)))
    data[(at := tag_at(data, 257)) : at + 4] = struct.pack("<I", 1 << 29)
    path = tmp_path / "lies.tif"
    path.write_bytes(data)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it has 3,758,096,384 pixels, more than the limit of 178,956,970"):
            read(path)


def overlapping_directories() -> bytes:
    """300 of 400 tags each, every one of them six bytes behind the one before."""
    length = 2 + 12 * 400
    data = bytearray(b"II*\0\x08\0\0\0" + bytes(6 * 300 + length))
    for start in range(8, 8 + 6 * 300, 6):
        data[start : start + 2] = struct.pack("<H", 400)
        data[start + length : start + length + 4] = struct.pack("<I", start + 6)
    return bytes(data)


def overlapping_values(order: str, big: bool) -> bytes:
    """Of 100 tags, each the whole file."""
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8)
    tag = struct.pack(f"{order}HHQQ" if big else f"{order}HHII", 700, 4, 1 << 20, 8)
    count = struct.pack(f"{order}Q" if big else f"{order}H", 100)
    return {"<": b"II", ">": b"MM"}[order] + head + count + tag * 100 + bytes(5000)


def directories_of_nothing() -> bytes:
    """A hundred thousand pages without tags, one after the other."""
    return b"II" + struct.pack("<HI", 42, 8) + b"".join(struct.pack("<HI", 0, 14 + 6 * at) for at in range(100_000))


OVERLAPPING = [
    overlapping_directories(),
    directories_of_nothing(),
    *(overlapping_values(order, big) for order in "<>" for big in (False, True)),
]


@pytest.mark.parametrize("data", OVERLAPPING, ids=range(len(OVERLAPPING)))
@pytest.mark.parametrize("extra", [True, False])
def test_overlapping_tags_are_refused(data: bytes, extra: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of kilobytes would take minutes, or gigabytes."""
    monkeypatch.setattr(deep_extra, "is_installed", lambda: extra)
    with pytest.raises(FileError) as caught:
        read_image(data)
    reason = f"its tags overlap or are empty: they claim more than 16 times the {len(data):,} bytes of the file"
    assert str(caught.value) == f"cannot read <bytes>: {reason}"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_that_lead_back_to_the_first_are_read_once(compression: str | None) -> None:
    pages = np.stack([random_levels(3), random_levels(3, seed=4)]).astype(np.uint16)
    data = bytearray(tiff(pages, compression=compression))
    with tifffile.TiffFile(BytesIO(data)) as file:
        second = file.pages[1]
    (count,) = struct.unpack_from("<H", data, second.offset)
    data[(at := second.offset + 2 + 12 * count) : at + 4] = data[4:8]
    assert [image.pixels.shape for image in iter_frames(bytes(data))] == [(3, HEIGHT, WIDTH)] * 2
    assert read_header(bytes(data)).frames == 2


def half_opaque(dtype: Any) -> bytes:
    """A TIFF whose first column is transparent, and the rest half so."""
    opaque = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    samples = np.full((HEIGHT, WIDTH, 4), opaque / 2).astype(dtype)
    samples[:, 0, 3] = 0
    return tiff(samples, extrasamples=["unassalpha"])


@pytest.mark.parametrize(("dtype", "half"), [("f2", 32768), ("f4", 32768), ("f8", 32768), ("u4", 32767)])
def test_alpha_of_floats_and_32_bit_integers_becomes_16_bits(dtype: str, half: int) -> None:
    alpha = read_image(half_opaque(dtype)).alpha
    assert alpha is not None
    assert (alpha.dtype, np.unique(alpha).tolist()) == (np.uint16, [0, half])


@pytest.mark.parametrize("rule", ["keep", "premultiply"])
def test_alpha_of_floats_is_written_at_8_bits(rule: str, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(half_opaque("f4"))
    result = convcli("apply", "a.tif", "-k", "identity", "--alpha", rule, "-o", "Z.png", "-q", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert np.unique(read_image((tmp_path / "Z.png").read_bytes()).alpha).tolist() == [0, 128]


def test_what_libtiff_writes_to_stderr_is_not_printed(tmp_path: Path) -> None:
    stream = BytesIO()
    PIL.Image.fromarray(random_levels(3).astype(np.uint8)).save(stream, "TIFF", compression="jpeg")
    data = bytearray(stream.getvalue())
    # Of the compressed strip.
    data[12:30] = bytes(18)
    (tmp_path / "a.tif").write_bytes(data)
    result = convcli("apply", "a.tif", "-k", "box", cwd=tmp_path)
    assert result.code == 1
    reason = r"it is a TIFF of 8-bit RGB, JPEG, damaged or incomplete: .+"
    assert re.fullmatch(rf"convcli: error: cannot read a\.tif: {reason}\n", result.err)


@pytest.mark.usefixtures("without_extra")
def test_the_error_for_a_tiff_that_needs_the_extra_names_it() -> None:
    with pytest.raises(FileError) as caught:
        read_image(tiff(random_levels(3, np.float32), compression="lzw"))
    assert str(caught.value) == (
        f"cannot read <bytes>: it is a TIFF of 32-bit float RGB, LZW: to read it, {install_command('deep')}"
    )


@pytest.mark.parametrize("data", [b"II*\0", b"MM\0*garbage", b"II+\0" + bytes(30), tiff(random_levels(3))[:60]])
def test_a_file_that_only_starts_like_a_tiff_is_an_error(data: bytes) -> None:
    with pytest.raises(FileError, match=r"^cannot read <bytes>: it is a (damaged TIFF: \S|TIFF without pages)"):
        read_image(data)


def test_a_damaged_tag_is_a_warning() -> None:
    """By the library that reads the pixels, in a log, and by the one that reads the tags."""
    data = bytearray(tiff(random_levels(3)))
    place = data.index((305).to_bytes(2, "little") + b"\x02\0")
    data[place + 4 : place + 8] = (1 << 28).to_bytes(4, "little")
    image = read_image(bytes(data))
    assert any("305" in warning for warning in image.warnings)
    assert image.pixels.shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize("text", ["ImageJ=1.54\nimages=500", '{"shape": [500, 5, 7]}', "<?xml version='1.0'?><OME/>"])
def test_a_description_of_the_old_pages_is_dropped(text: str) -> None:
    data = tiff(random_levels(3), description=text, software="Scanner")
    exif = parsed(read_image(data).metadata.exif)
    assert Base.ImageDescription not in exif
    assert exif[Base.Software] == "Scanner"


def test_the_program_filters_deep_pictures(tmp_path: Path) -> None:
    levels = random_levels(4)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(levels))
    for name in ("out.png", "out.tif"):
        result = convcli("apply", "deep.png", "-k", "identity", "-o", name, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
        image = read_image(tmp_path / name)
        assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels[..., :3])
        assert np.array_equal(image.alpha, levels[..., 3])
    floats = convcli("apply", "-", "-k", "identity", "--range", "raw", "-f", "tiff", "-o", "-", cwd=tmp_path,
                     stdin=npy(np.moveaxis(levels[..., :3], -1, 0) - 0.5))  # fmt: skip
    assert np.array_equal(tifffile.imread(BytesIO(floats.out)), (levels[..., :3] - 0.5).astype(np.float32))


def test_the_program_without_the_extra_warns(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    blocker = "import sys\nsys.modules['imagecodecs'] = None\n"
    (blocked / "sitecustomize.py").write_text(blocker)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(random_levels(3)))
    paths = {"PYTHONPATH": f"{blocked}:{ENVIRONMENT.get('PYTHONPATH', '')}"}
    result = convcli("apply", "deep.png", "-k", "identity", "-o", "out.png", cwd=tmp_path, env=paths)
    assert (result.code, result.err) == (
        0,
        "convcli: warning: deep.png: 16-bit RGB PNG read at 8 bits: to keep all bits, "
        f"{install_command('deep')}, or use an .npy array\n",
    )
    deep = npy(np.moveaxis(random_levels(3), -1, 0))
    result = convcli(
        "apply", "-", "-k", "identity", "--range", "clip", "-o", "low.png", cwd=tmp_path, stdin=deep, env=paths
    )
    assert result.err == "convcli: warning: low.png: 16 bits reduced to 8: png stores no more for 3 maps\n"
