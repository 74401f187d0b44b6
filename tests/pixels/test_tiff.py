"""Compare the pixels that are read from TIFF with those that were stored, for each row of docs/picture-reading.md.

The files are made by tifffile, libtiff's tools, GDAL, libvips and by hand.
"""

import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from support.command_line import ENVIRONMENT, convcli
from support.pages import page
from support.pictures import SRGB
from support.tiffs import ASCII, BYTE, FLOAT, LONG, RATIONAL, SHORT, page_tags, tiff_file

from convcli.arrays import Array
from convcli.errors import FileError
from convcli.pictures.image import Image
from convcli.pictures.reading import iter_frames, read_header, read_image

HEIGHT, WIDTH = 37, 53
ROWS: set[str] = set()


def row(name: str) -> Callable[[Any], Any]:
    """Mark a test as that of a row of the page's tables about TIFF."""
    ROWS.add(name)
    return lambda test: test


def tiff(samples: Array, **options: Any) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, samples, **({"metadata": None} | options))
    return stream.getvalue()


def random_levels(dtype: Any, channels: int = 1, most: int | None = None) -> Array:
    """Return ``(H, W, C)`` of all levels of a type, or up to ``most``, the extremes among them."""
    rng, dtype = np.random.default_rng(channels), np.dtype(dtype)
    if dtype.kind == "f":
        return (100 * rng.normal(size=(HEIGHT, WIDTH, channels))).astype(dtype)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if most is None else (0, most)
    levels = rng.integers(low, high, (HEIGHT, WIDTH, channels), dtype, endpoint=True)
    levels[0, 0], levels[0, 1] = low, high
    return levels


def read(data: bytes) -> Image:
    """Return the image, whose header must be the one that is read without decoding."""
    image = read_image(data)
    assert read_header(data) == image.header
    return image


def assert_reads(data: bytes, expected: Array, *notes: str) -> None:
    """Assert that the pixels are ``expected``, with ``(H, W, C)``, of the same type, without a warning."""
    image = read(data)
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), expected)
    assert (image.pixels.dtype, image.alpha) == (expected.dtype, None)
    assert (image.notes, image.warnings) == (notes, ())


TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


@row("whole numbers of 8, 16, 32 or 64 bits, signed or not; floats of 16, 32 or 64 bits")
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}], ids=str)
def test_every_type_is_read_as_it_is(dtype: str, channels: int, options: dict[str, Any]) -> None:
    levels = random_levels(dtype, channels)
    kind = "rgb" if channels == 3 else "minisblack"
    assert_reads(tiff(levels if channels == 3 else levels[..., 0], photometric=kind, **options), levels)


@row("either byte order, BigTIFF, strips, tiles, planes, each order of bits")
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4"])
@pytest.mark.parametrize("layout", [
    {"byteorder": ">"}, {"bigtiff": True}, {"bigtiff": True, "byteorder": ">"}, {"rowsperstrip": 5},
    {"tile": (16, 32)}, {"planarconfig": "separate"}, {"planarconfig": "separate", "tile": (16, 16)},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_layout_is_read_as_it_is(dtype: str, layout: dict[str, Any], compression: str | None) -> None:
    levels = random_levels(dtype, 3)
    stored = np.moveaxis(levels, -1, 0) if "planarconfig" in layout else levels
    image = read(tiff(stored, photometric="rgb", compression=compression, **layout))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels)
    assert (image.pixels.dtype, image.warnings) == (np.dtype(dtype), ())


def test_the_lowest_bit_may_come_first() -> None:
    levels = random_levels("u1")
    stored = np.packbits(np.unpackbits(levels).reshape(-1, 8)[:, ::-1]).tobytes()
    assert_reads(tiff_file((page_tags(WIDTH, HEIGHT, t266=(SHORT, [2])), stored)), levels)


@row("predictors: differences of levels, and with the extra those of floats")
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"tile": (16, 16)}], ids=str)
def test_predictors_are_undone(dtype: str, options: dict[str, Any]) -> None:
    levels = random_levels(dtype, 3)
    assert_reads(tiff(levels, photometric="rgb", compression="zlib", predictor=True, **options), levels)


@row("whole numbers of 1 to 7 bits, of 9 to 15 bits")
@pytest.mark.parametrize("bits", [*range(2, 8), *range(9, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_of_few_bits_are_scaled_so_that_white_is_white(bits: int, channels: int) -> None:
    dtype, full = ("u1", 255) if bits < 8 else ("u2", 65535)
    levels = random_levels(dtype, channels, (1 << bits) - 1)
    kind = "rgb" if channels == 3 else "minisblack"
    data = tiff(levels if channels == 3 else levels[..., 0], photometric=kind, bitspersample=bits)
    expected = np.rint(levels * (full / ((1 << bits) - 1))).astype(dtype)
    assert_reads(data, expected, f"{bits} bits scaled to {8 if bits < 8 else 16}")


@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("compression", [None, "group4", "lzw"])
def test_one_bit_is_black_or_white(white: int, compression: str | None) -> None:
    """Pillow inverts the bits that it writes where white is 0."""
    levels = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.5
    stream = BytesIO()
    PIL.Image.fromarray(levels).save(stream, "TIFF", compression=compression, tiffinfo={262: white})
    assert np.array_equal(read(stream.getvalue()).pixels[0], np.where(levels, 255, 0))


@row("whole numbers of 17 to 31 bits")
@pytest.mark.parametrize("bits", [17, 24, 31])
def test_levels_of_many_bits_are_not_scaled(bits: int) -> None:
    levels = random_levels("u4", 1, (1 << bits) - 1)
    data = tiff(levels[..., 0], photometric="minisblack", bitspersample=bits)
    assert_reads(data, levels, f"{bits} bits read as whole numbers up to {(1 << bits) - 1:,}")


@row("floats of 24 bits")
def test_floats_of_24_bits_are_read_at_32() -> None:
    """They have 7 bits of exponent and 16 of fraction."""
    numbers = np.array([1.5, -2.25, 0, 40000], ">f4")
    stored = b"\x3f\x80\0" + b"\xc0\x20\0" + bytes(3) + b"\x4e\x38\x80"
    data = tiff_file(
        (page_tags(4, 1, bits=24, t339=(SHORT, [3])), b"".join(stored[i : i + 3][::-1] for i in (0, 3, 6, 9)))
    )
    assert_reads(data, numbers.astype("f4").reshape(1, 4, 1))


@row("samples of undefined format (SampleFormat 4)")
def test_samples_of_undefined_format_are_whole_numbers() -> None:
    levels = random_levels("u2")
    data = tiff_file((page_tags(WIDTH, HEIGHT, bits=16, t339=(SHORT, [4])), levels.astype("<u2").tobytes()))
    assert_reads(data, levels, "samples of undefined format read as unsigned integers")


@row("white is zero")
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_white_is_zero_is_inverted(dtype: str, compression: str | None) -> None:
    levels = random_levels(dtype)
    data = tiff(levels[..., 0], photometric="miniswhite", compression=compression)
    assert_reads(data, np.iinfo(levels.dtype).max - levels, "white-is-zero inverted")


SIGNED_WHITE = "0 is white, but signed and float levels cannot be inverted: they are read as they are stored"


def test_white_is_zero_has_no_meaning_for_signed_levels_and_floats() -> None:
    for dtype in ("i2", "f4"):
        levels = random_levels(dtype)
        image = read(tiff(levels[..., 0], photometric="miniswhite"))
        assert np.array_equal(image.pixels[0], levels[..., 0])
        assert image.warnings == (SIGNED_WHITE,)


@row("a palette of up to 8 bits, or of 16")
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("compression", [1, 5])
@pytest.mark.parametrize("entries", ["repeated", "upper byte", "lower byte", "16 bits", "gray"])
def test_a_palette_is_read_at_the_depth_of_its_colours(bits: int, compression: int, entries: str) -> None:
    rng = np.random.default_rng(bits)
    colours = rng.integers(0, 256, (3, 1 << bits))
    colours[:, :2] = [[0, 255], [1, 255], [0, 254]]
    if entries == "gray":
        colours[:] = colours[0]
    expected = colours[:1] if entries == "gray" else colours
    stored = {"upper byte": colours << 8, "lower byte": colours, "16 bits": colours * 250 + 3}.get(
        entries, colours * 257
    )
    if entries == "16 bits":
        expected = stored
    indices = rng.integers(0, 1 << bits, (HEIGHT, WIDTH))
    packed = np.packbits(
        np.unpackbits(indices.astype("u1")).reshape(HEIGHT, WIDTH, 8)[..., 8 - bits :].reshape(HEIGHT, -1), axis=1
    )
    data = packed.tobytes() if compression == 1 else lzw(packed.tobytes())
    tags = page_tags(
        WIDTH, HEIGHT, bits=bits, t259=(SHORT, [compression]), t262=(SHORT, [3]), t320=(SHORT, stored.ravel().tolist())
    )
    image = read(tiff_file((tags, data)))
    assert np.array_equal(image.pixels, expected[:, indices])
    assert image.pixels.dtype == (np.uint16 if entries == "16 bits" else np.uint8)
    assert image.notes == (f"palette converted to {'L' if entries == 'gray' else 'RGB'}",)


def lzw(data: bytes) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.lzw_encode(data))


def test_a_palette_of_16_bits() -> None:
    rng = np.random.default_rng(2)
    palette = rng.integers(0, 65536, (3, 65536), np.uint16)
    indices = random_levels("u2")[..., 0]
    assert_reads(
        tiff(indices, photometric="palette", colormap=palette),
        np.moveaxis(palette[:, indices], 0, -1),
        "palette converted to RGB",
    )


def test_a_damaged_palette_is_an_error() -> None:
    for entries in ({}, {"t320": (SHORT, [7] * 30)}):
        tags = page_tags(2, 2, t262=(SHORT, [3]), **entries)
        with pytest.raises(FileError, match="its palette is missing, or not of three colours per level"):
            read_image(tiff_file((tags, bytes(4))))


@row("gray of several channels")
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("channels", [2, 4, 5])
def test_channels_without_a_meaning_are_a_spectrum(dtype: str, channels: int) -> None:
    levels = random_levels(dtype, channels)
    assert_reads(tiff(levels, photometric="minisblack", planarconfig="contig"), levels)


@row("RGB with extra channels")
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("extra", [1, 2])
def test_channels_beside_rgb_are_dropped_with_a_warning(dtype: str, extra: int) -> None:
    levels = random_levels(dtype, 3 + extra)
    image = read(tiff(levels, photometric="rgb", extrasamples=["unspecified"] * extra))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), levels[..., :3])
    assert (image.pixels.dtype, image.alpha) == (np.dtype(dtype), None)
    assert image.warnings == (f"{extra} of {3 + extra} channels dropped, because the file does not say what it is",)


@row("alpha")
@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_read_as_it_is(compression: str | None, dtype: str, channels: int) -> None:
    levels = random_levels(dtype, channels + 1)
    kind = "rgb" if channels == 3 else "minisblack"
    data = tiff(levels, photometric=kind, planarconfig="contig", extrasamples=["unassalpha"], compression=compression)
    image = read(data)
    assert image.alpha is not None
    assert np.array_equal(np.moveaxis(np.stack([*image.pixels, image.alpha]), 0, -1), levels)
    assert (image.alpha.dtype, image.notes, image.warnings) == (np.dtype(dtype), (), ())


def test_alpha_may_precede_a_channel_without_a_meaning() -> None:
    levels = random_levels("u2", 5)
    image = read(tiff(levels, photometric="rgb", extrasamples=["unassalpha", "unspecified"]))
    assert np.array_equal(image.alpha, levels[..., 3])
    assert image.warnings == ("1 of 5 channels dropped, because the file does not say what it is",)


@row("colours multiplied by alpha")
@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_colours_multiplied_by_alpha_are_divided(compression: str | None, dtype: str) -> None:
    levels = random_levels(dtype, 4)
    most = np.iinfo(dtype).max
    alpha = np.maximum(levels[..., 3:], most // 2)
    alpha[3, 4] = 0
    multiplied = np.rint(levels[..., :3] * (alpha / most)).astype(dtype)
    data = tiff(
        np.concatenate([multiplied, alpha], -1), photometric="rgb", extrasamples=["assocalpha"], compression=compression
    )
    image = read(data)
    expected = np.where(alpha > 0, levels[..., :3], 0)
    assert abs(np.moveaxis(image.pixels, 0, -1).astype(int) - expected).max() <= 2
    assert image.notes == ("premultiplied colours divided by alpha",)


@row("CMYK of 8 bits; of 16 bits")
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_cmyk_without_a_profile_is_converted_by_the_formula(dtype: str, compression: str | None) -> None:
    levels = random_levels(dtype, 4)
    image = read(tiff(levels, photometric="separated", compression=compression))
    inks = levels / np.iinfo(dtype).max
    expected = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
    assert abs(np.moveaxis(image.pixels, 0, -1) - expected).max() <= 1.5
    assert image.notes == ("CMYK converted to RGB",)
    deep = ("16-bit CMYK TIFF read at 8 bits: to keep all bits, use an .npy array",)
    assert image.warnings == (deep if dtype == "u2" else ())


@row("YCbCr of 8 bits")
def test_ycbcr_in_jpeg_becomes_rgb() -> None:
    pyvips = pytest.importorskip("pyvips")
    y, x = np.mgrid[:64, :96]
    colours = np.stack([x, y, 50 + x + y], -1).astype(np.uint8)
    image = pyvips.Image.new_from_array(colours, interpretation="srgb")
    data = image.tiffsave_buffer(compression="jpeg", Q=89, tile=True, tile_width=32, tile_height=32)
    found = read(data)
    assert abs(np.moveaxis(found.pixels, 0, -1).astype(int) - colours).max() <= 3
    assert found.notes == ("YCbCr converted to RGB",)


def test_uncompressed_ycbcr_becomes_rgb() -> None:
    levels = random_levels("u1", 3)
    tags = page_tags(WIDTH, HEIGHT, 3, t262=(SHORT, [6]), t530=(SHORT, [1, 1]))
    y, cb, cr = np.moveaxis(levels.astype(float), -1, 0)
    expected = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    )
    found = read(tiff_file((tags, levels.tobytes())))
    assert abs(found.pixels - expected.clip(0, 255)).max() <= 1
    subsampled = page_tags(WIDTH, HEIGHT, 3, t262=(SHORT, [6]))
    with pytest.raises(FileError, match="8-bit YCbCr, uncompressed, with fewer colours than pixels: convert it"):
        read_image(tiff_file((subsampled, levels.tobytes())))


def test_the_subsampling_of_colours_that_are_not_ycbcr_is_ignored() -> None:
    levels = random_levels("u1", 3)
    assert_reads(tiff_file((page_tags(WIDTH, HEIGHT, 3, t530=(SHORT, [2, 2])), levels.tobytes())), levels)


@row("Lab of 8 bits, of white point D50")
@pytest.mark.parametrize(
    ("photometric", "neutral", "decoder"), [(8, 0, "tifffile"), (8, 0, "Pillow"), (9, 128, "tifffile")]
)
def test_lab_becomes_rgb(photometric: int, neutral: int, decoder: str, request: pytest.FixtureRequest) -> None:
    """CIELab stores a and b as signed numbers, ICCLab with an offset. Red and gray are known colours."""
    # sRGB's red is L 54.29, a 80.81, b 69.89 relative to D50.
    samples = np.array([[0, 0, 0], [137, 0, 0], [255, 0, 0], [138, 81, 70]])
    samples[:, 1:] += neutral
    data = samples.astype("u1").tobytes()
    tags = page_tags(4, 1, 3, t262=(SHORT, [photometric]))
    if decoder == "Pillow":
        request.getfixturevalue("without_extra")
        tags, data = tags | {259: (SHORT, [5])}, lzw(data)
    found = read(tiff_file((tags, data)))
    expected = [[0, 128, 255, 255], [0, 128, 255, 0], [0, 128, 255, 0]]
    assert abs(found.pixels[:, 0].astype(int) - expected).max() <= 5
    assert found.notes == ("Lab converted to RGB",)


def test_lab_of_another_white_point_is_refused() -> None:
    tags = page_tags(4, 1, 3, t262=(SHORT, [8]), t318=(RATIONAL, struct.pack("<4I", 3127, 10000, 3290, 10000)))
    with pytest.raises(FileError, match="a TIFF of 8-bit CIELab, uncompressed, with another white point than D50"):
        read_image(tiff_file((tags, bytes(12))))


TURNS: dict[int, Callable[[Array], Array]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: np.rot90,
}


@row("orientation 1 to 8")
@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(("dtype", "channels"), [("u1", 1), ("u1", 3), ("u1", 4), ("u2", 1), ("f4", 3)])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"byteorder": ">"}], ids=str)
def test_every_orientation_is_upright(
    orientation: int, dtype: str, channels: int, options: dict[str, Any], tmp_path: Path
) -> None:
    levels = random_levels(dtype, channels)
    kind: dict[str, Any] = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        kind["extrasamples"] = ["unassalpha"]
    stored = levels[..., 0] if channels == 1 else levels
    data = tiff(stored, extratags=[(274, "H", 1, orientation, True)], **kind, **options)
    (tmp_path / "a.tif").write_bytes(data)
    for image in (read(data), read_image(tmp_path / "a.tif")):
        found = [*image.pixels] if image.alpha is None else [*image.pixels, image.alpha]
        assert np.array_equal(np.stack(found, -1), TURNS[orientation](levels))


@row("several pages")
def test_pages_are_frames() -> None:
    stream = BytesIO()
    pages = [random_levels("u1", 3), random_levels("i2"), random_levels("f4")]
    with tifffile.TiffWriter(stream) as writer:
        for samples, compression in zip(pages, ("jpeg", None, "lzw"), strict=True):
            # JPEG is decoded by Pillow.
            smooth = np.full_like(samples, 99) if compression == "jpeg" else samples
            kind = "rgb" if smooth.shape[-1] == 3 else "minisblack"
            writer.write(
                smooth if kind == "rgb" else smooth[..., 0], photometric=kind, compression=compression, metadata=None
            )
    first, second, third = iter_frames(stream.getvalue())
    assert abs(first.pixels.astype(int) - 99).max() <= 1
    assert np.array_equal(second.pixels[0], pages[1][..., 0])
    assert np.array_equal(third.pixels[0], pages[2][..., 0])


def test_pages_are_read_when_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may have a hundred thousand of them."""
    read: list[int] = []
    genuine = tifffile.TiffPage.__init__

    def counted(self: Any, *arguments: Any, **named: Any) -> None:
        genuine(self, *arguments, **named)
        read.append(self.offset)

    data = tiff_file(*[(page_tags(4, 4), bytes(16))] * 9)
    monkeypatch.setattr(tifffile.TiffPage, "__init__", counted)
    assert read_header(data).frames == 9
    assert len(set(read)) == 1
    frames = iter_frames(data)
    next(frames)
    next(frames)
    assert len(set(read)) == 2


def with_thumbnail(kind: int, within: bool) -> bytes:
    """Return a file whose first page is of a kind (NewSubfileType), and whose photograph is within it or follows."""
    small, large = np.full((8, 12), 7, np.uint8), np.full((64, 96), 9, np.uint16)
    if kind & 4:
        tags = page_tags(12, 8, t254=(LONG, [kind])), page_tags(96, 64, bits=16)
        return tiff_file((tags[0], small.tobytes()), (tags[1], large.tobytes()))
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(small, photometric="minisblack", subfiletype=kind, subifds=int(within), metadata=None)
        writer.write(large, photometric="minisblack", subfiletype=0, metadata=None)
    return stream.getvalue()


@row("reduced copies and masks; thumbnails with the photograph within (SubIFDs)")
@pytest.mark.parametrize(("kind", "within"), [(1, False), (1, True), (4, False), (5, False)])
def test_the_photograph_is_read_and_not_its_thumbnail(kind: int, within: bool) -> None:
    image = read(with_thumbnail(kind, within))
    assert np.array_equal(image.pixels, np.full((1, 64, 96), 9))
    assert image.warnings == (("the transparency mask is dropped",) if kind & 4 else ())


def test_a_file_of_thumbnails_alone_is_read_with_a_warning() -> None:
    data = tiff(np.zeros((4, 5), np.uint8), photometric="minisblack", subfiletype=1)
    assert read(data).warnings == ("the file says that it holds only copies of reduced size, or masks",)


@row("a stack of ImageJ or MetaMorph with one page")
def test_images_without_pages_are_a_warning() -> None:
    text = "ImageJ=1.54\nimages=500\nslices=500\n"
    data = tiff(random_levels("u2")[..., 0], photometric="minisblack", description=text)
    assert read(data).warnings == ("a stack of 500 images, of which only 1 can be read",)
    # MetaMorph describes each image by three fractions.
    tags = page_tags(5, 4, t33628=(LONG, [0, 0]), t33629=(RATIONAL, struct.pack("<18I", *range(18))))
    assert read(tiff_file((tags, bytes(500)))).warnings == ("a stack of 9 images, of which only 1 can be read",)


@row("GDAL's nodata, scale and offset")
def test_what_gdal_says_about_levels_is_a_note() -> None:
    scale = b'<GDALMetadata><Item name="SCALE" sample="0" role="scale">0.01</Item></GDALMetadata>\0'
    tags = page_tags(2, 2, bits=16, t42112=(ASCII, scale), t42113=(ASCII, b"-9999\0"), t339=(SHORT, [2]))
    image = read(tiff_file((tags, struct.pack("<4h", 1, -9999, 3, 4))))
    assert image.pixels.tolist() == [[[1, -9999], [3, 4]]]
    assert image.notes == (
        "the nodata value -9999 is computed like any other", "GDAL's scale and offset are not applied")  # fmt: skip


@row("no PhotometricInterpretation")
@pytest.mark.parametrize(("samples", "meaning"), [(1, "gray"), (3, "RGB")])
def test_a_missing_meaning_is_assumed_with_a_note(samples: int, meaning: str) -> None:
    levels = random_levels("u1", samples)
    tags = page_tags(WIDTH, HEIGHT, samples)
    del tags[262]
    note = f"the file does not say what its levels mean: read as {meaning}"
    assert_reads(tiff_file((tags, levels.tobytes())), levels, note)


REFUSED = {
    "complex numbers": (
        {"bits": 64, "t339": (SHORT, [6])},
        "a TIFF of 64-bit complex gray, uncompressed: save its magn",
    ),
    "whole complex numbers": (
        {"bits": 32, "t339": (SHORT, [5])},
        "a TIFF of 32-bit complex gray, uncompressed: save its",
    ),
    "a mosaic": (
        {"bits": 16, "t262": (SHORT, [32803])},
        "a raw photograph .the colour mosaic of a camera., which must be d",
    ),
    "raw colours": (
        {"bits": 16, "samples": 3, "t262": (SHORT, [34892])},
        "a raw photograph .the raw colours of a camera., wh",
    ),
    "volumes": (
        {"t32997": (LONG, [4])},
        "a TIFF of volumes: convcli reads pages of one layer",
    ),
    "LogLuv": (
        {"bits": 16, "samples": 3, "t262": (SHORT, [32845]), "t259": (SHORT, [34676])},
        "a TIFF of 16-bit LogLuv, SGI Log",
    ),
    "565": (
        {"samples": 3, "t258": (SHORT, [5, 6, 5])},
        "a TIFF whose channels differ in depth: 5, 6, 5 bits",
    ),
    "signed 12 bits": (
        {"bits": 12, "t339": (SHORT, [2])},
        "a TIFF of 12-bit signed gray, uncompressed, which convcli does",
    ),
    "JPEG XR": (
        {"t259": (SHORT, [22610])},
        "a TIFF of 8-bit gray, JPEG XR, which convcli does not read",
    ),
    "unknown compression": (
        {"t259": (SHORT, [12345])},
        "a TIFF of 8-bit gray, an unknown compression .12345., which",
    ),
    "unknown format": (
        {"t339": (SHORT, [9])},
        "a TIFF of samples of an unknown format .9.",
    ),
    "unknown colours": (
        {"t262": (SHORT, [777])},
        "a TIFF of 8-bit colours of an unknown kind .777., uncompressed, which",
    ),
    "a mask": (
        {"bits": 1, "t262": (SHORT, [4])},
        "a TIFF of 1-bit transparency mask, uncompressed, which convcli",
    ),
    "LERC in Deflate": (
        {"t259": (SHORT, [34887]), "t50674": (LONG, [4, 1])},
        "a TIFF of 8-bit gray, LERC within another comp",
    ),
    "two of three": (
        {"samples": 2, "t262": (SHORT, [2])},
        "a TIFF of 8-bit RGB, uncompressed, but has 2 channels",
    ),
}


@row("complex numbers, raw photographs (DNG, NEF, CR2), volumes, LogLuv, channels of different depths")
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_refused_by_its_name(case: str) -> None:
    options, message = REFUSED[case]
    data = tiff_file((page_tags(WIDTH, HEIGHT, **options), bytes(64 * HEIGHT * WIDTH)))
    for attempt in (read_image, read_header):
        with pytest.raises(FileError, match=f"^cannot read <bytes>: it is {message}"):
            attempt(data)


def test_raw_photographs_of_canon_are_refused() -> None:
    data = tiff(np.zeros((4, 5), np.uint8), photometric="minisblack")
    with pytest.raises(FileError, match=r"it is a raw photograph \(CR2\), which must be developed first"):
        read_image(data[:8] + b"CR\2\0" + data[12:])


def test_the_page_has_a_row_of_every_kind() -> None:
    assert {first for first, _ in table_rows("a page holds", "compression")} == ROWS


def table_rows(*headings: str) -> list[tuple[str, str]]:
    """Return the cells of the tables about TIFF with one of these first headings."""
    text = page("docs/picture-reading.md")
    return [
        (first, second)
        for heading in headings
        for block in re.findall(rf"^\| {heading} \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
        for first, second in re.findall(r"^\| (.*?) \| (.*?) \|$", block, re.MULTILINE)
    ]


@row("none, Deflate, LZMA")
@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_deflate_and_lzma_keep_every_type(compression: str) -> None:
    levels = random_levels("u2", 3)
    assert_reads(tiff(levels, photometric="rgb", compression=compression, tile=(16, 16)), levels)


@row("LZW, PackBits, Zstandard")
@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_general_compressions_keep_every_type(compression: str, dtype: str) -> None:
    levels = random_levels(dtype, 3)
    assert_reads(tiff(levels, photometric="rgb", compression=compression, rowsperstrip=8), levels)


@row("CCITT")
@pytest.mark.parametrize("how", ["g3", "g3:2d", "g4"])
def test_faxes_are_read(how: str, tmp_path: Path) -> None:
    if not shutil.which("tiffcp"):
        pytest.skip("tiffcp of libtiff-tools is not installed")
    levels = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.3
    (tmp_path / "a.tif").write_bytes(tiff(levels, photometric="miniswhite"))
    subprocess.run(["tiffcp", "-c", how, "a.tif", "b.tif"], cwd=tmp_path, check=True)
    assert np.array_equal(read_image(tmp_path / "b.tif").pixels[0], np.where(levels, 0, 255))


@row("JPEG")
@pytest.mark.parametrize("bits", [8, 12])
def test_jpeg_is_read_at_its_depth(bits: int) -> None:
    levels = np.full((32, 32), (1 << bits) // 3, "u1" if bits == 8 else "u2")
    data = tiff(levels, photometric="minisblack", compression="jpeg", bitspersample=bits,
                compressionargs={"level": 99, "bitspersample": bits})  # fmt: skip
    expected = int(levels[0, 0]) * (1 if bits == 8 else 65535 / 4095)
    assert abs(read(data).pixels.astype(int) - expected).max() <= (1 if bits == 8 else 20)


def test_jpeg_of_two_channels_needs_the_extra() -> None:
    levels = np.full((32, 32, 2), (50, 200), np.uint8)
    data = tiff(levels, photometric="minisblack", planarconfig="contig", compression="jpeg")
    assert abs(np.moveaxis(read(data).pixels, 0, -1).astype(int) - levels).max() <= 1


LOSSLESS = {
    "jpeg2000": {"level": 0, "reversible": True}, "jpegxl": {"lossless": True}, "lerc": {}, "png": {},
    "webp": {"lossless": True},
}  # fmt: skip


@row("JPEG 2000, JPEG XL, LERC, PNG, WebP")
@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("tile", [(16, 16), None])
def test_pictures_within_strips_and_tiles_are_read(compression: str, tile: tuple[int, int] | None) -> None:
    for dtype in ("u1",) if compression == "webp" else ("u1", "u2"):
        levels = random_levels(dtype, 3)
        assert_reads(
            tiff(levels, photometric="rgb", compression=compression, tile=tile, compressionargs=LOSSLESS[compression]),
            levels,
        )


@pytest.mark.parametrize("compression", [*LOSSLESS, "jpeg"])
def test_a_picture_within_a_tile_that_is_larger_than_the_tile_is_refused(compression: str) -> None:
    """The larger picture is never decoded."""
    import imagecodecs

    encode, number = {
        "jpeg2000": (imagecodecs.jpeg2k_encode, 34712), "jpegxl": (imagecodecs.jpegxl_encode, 50002),
        "lerc": (imagecodecs.lerc_encode, 34887), "png": (imagecodecs.png_encode, 34933),
        "webp": (imagecodecs.webp_encode, 50001), "jpeg": (imagecodecs.jpeg8_encode, 7),
    }[compression]  # fmt: skip
    bits = 8 if compression in ("webp", "png") else 12 if compression == "jpeg" else 16
    options = LOSSLESS.get(compression, {"bitspersample": 12})
    picture = np.zeros((48, 64, 3), np.uint8 if bits == 8 else np.uint16)
    tags = page_tags(16, 16, 3, bits, t259=(SHORT, [number]), t322=(LONG, [16]), t323=(LONG, [16]))
    with pytest.raises(
        FileError, match=r"a tile or strip holds 64 x 48 pixels of \d samples, expected at most 16 x 16"
    ):
        read_image(tiff_file((tags, bytes(encode(picture, **options))), tiled=True))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG", b"RIFF", b"Lerc2 ", b"\0\0\0\x0cjP  ", b"\xff\x0a", bytes(40)]
)
@pytest.mark.parametrize("number", [7, 34712, 34887, 34933, 50001, 50002])
def test_a_damaged_picture_within_a_tile_is_an_error(data: bytes, number: int) -> None:
    tags = page_tags(16, 16, 3, 16, t259=(SHORT, [number]), t322=(LONG, [16]), t323=(LONG, [16]))
    with pytest.raises(
        FileError, match=r"^cannot read <bytes>: it is a TIFF of 16-bit RGB, [\w ]+, damaged or incompl"
    ):
        read_image(tiff_file((tags, data + b"\0" * (not data)), tiled=True))


WITHOUT_EXTRA = "import sys\nsys.modules['imagecodecs'] = None\n"


@pytest.fixture
def blocked(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which imagecodecs cannot be imported."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT_EXTRA)
    return {"PYTHONPATH": f"{folder}:{ENVIRONMENT.get('PYTHONPATH', '')}"}


def test_the_program_reads_colours_of_every_depth_without_the_extra(tmp_path: Path, blocked: dict[str, str]) -> None:
    levels = {dtype: random_levels(dtype, 3) for dtype in ("u2", "i2", "f8")}
    for dtype, samples in levels.items():
        (tmp_path / f"{dtype}.tif").write_bytes(
            tiff(samples, photometric="rgb", compression="zlib", predictor=dtype != "f8", tile=(16, 16))
        )
    names = [f"{dtype}.tif" for dtype in levels]
    result = convcli("apply", *names, "-k", "identity:1", "-o", "{stem}.npy", "-q", cwd=tmp_path, env=blocked)
    assert (result.code, result.err) == (0, "")
    for dtype, samples in levels.items():
        assert np.array_equal(np.moveaxis(np.load(tmp_path / f"{dtype}.npy"), 0, -1), samples)


def test_a_strip_that_expands_without_end_is_refused_without_the_extra(tmp_path: Path, blocked: dict[str, str]) -> None:
    """The decompressor of Python would expand it first."""
    import zlib

    tags = page_tags(16, 16, 3, 16, t259=(SHORT, [8]))
    (tmp_path / "a.tif").write_bytes(tiff_file((tags, zlib.compress(bytes(1 << 24), 9))))
    result = convcli("apply", "a.tif", "-k", "box", cwd=tmp_path, env=blocked)
    assert result.code == 1
    assert result.err == (
        "convcli: error: cannot read a.tif: it is a TIFF of 16-bit RGB, Deflate, damaged or incomplete: "
        "a tile or strip expands to more than 4 times its 1,536 bytes\n"
    )


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("options", [
    {"photometric": "rgb", "compression": "lzw", "dtype": "u2"},
    {"photometric": "minisblack", "bitspersample": 10, "dtype": "u2"},
    {"photometric": "minisblack", "compression": "zlib", "predictor": True, "dtype": "f8"},
    {"photometric": "minisblack", "compression": "lzw", "byteorder": ">", "dtype": "f4"},
    {"photometric": "rgb", "compression": "webp", "dtype": "u1"},
], ids=str)  # fmt: skip
def test_the_extra_is_advised_where_it_helps(options: dict[str, Any]) -> None:
    dtype, kind = options.pop("dtype"), options["photometric"]
    levels = random_levels(dtype, 3 if kind == "rgb" else 1, (1 << options.get("bitspersample", 8)) - 1)
    data = tiff(levels if kind == "rgb" else levels[..., 0], **options)
    with pytest.raises(FileError, match=r"it is a TIFF of .*: to read it, pip install .*\[deep\]'$"):
        read_image(data)


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "f4"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_deep_gray_in_lzw_is_right_or_refused_without_the_extra(dtype: str, order: Any) -> None:
    """Pillow returns it with its bytes swapped, if the file is big-endian."""
    levels = random_levels(dtype)
    data = tiff(levels[..., 0], photometric="minisblack", compression="lzw", byteorder=order)
    if order == ">" and dtype != "u2":
        with pytest.raises(FileError, match="to read it, pip install"):
            read_image(data)
    else:
        assert_reads(data, levels)


@pytest.mark.parametrize("kind", [SHORT, LONG, ASCII, RATIONAL, FLOAT])
def test_a_profile_of_another_type_is_dropped_with_a_warning(kind: int) -> None:
    tags = page_tags(4, 4, 3, t34675=(kind, b"abcdefgh"), t274=(SHORT, [6]))
    image = read(tiff_file((tags, bytes(48))))
    assert image.metadata.icc is None
    assert image.warnings[0].startswith("the colour profile is dropped, because it is damaged: expected bytes, given")


def test_a_profile_of_bytes_is_kept() -> None:
    assert read(tiff_file((page_tags(4, 4, 3, t34675=(BYTE, SRGB)), bytes(48)))).metadata.icc == SRGB


NUMBERS = (256, 257, 258, 259, 262, 277, 278, 284, 317, 322, 323, 338, 339)


@pytest.mark.parametrize("tag", NUMBERS)
@pytest.mark.parametrize("kind", [FLOAT, RATIONAL, ASCII])
def test_a_tag_of_another_type_is_an_error_or_ignored(tag: int, kind: int) -> None:
    """No library's exception escapes, neither from the pixels nor from the header."""
    data = tiff_file((page_tags(4, 4, 3) | {tag: (kind, struct.pack("<2f", 4, 4))}, bytes(48)))
    for attempt in (read_image, read_header):
        with suppress(FileError):
            attempt(data)


def test_damaged_tags_do_not_turn_the_picture() -> None:
    """The orientation holds even if other tags are damaged."""
    levels = random_levels("u1", 3)
    tags = page_tags(WIDTH, HEIGHT, 3, t274=(SHORT, [6]), t282=(ASCII, b"twelve\0"), t283=(ASCII, b"twelve\0"))
    image = read(tiff_file((tags, levels.tobytes())))
    assert np.array_equal(np.moveaxis(image.pixels, 0, -1), np.rot90(levels, -1))
    assert image.warnings[0].startswith("the resolution is dropped, because it is damaged")


def test_directories_within_a_page_count_too() -> None:
    """A thousand of them, which lie on one another, would be read for each thumbnail."""
    first = page_tags(4, 4, t254=(LONG, [1]), t330=(LONG, list(range(8, 4000))))
    with pytest.raises(FileError, match="its tags overlap or are empty"):
        read_image(tiff_file((first, bytes(16))))
    many = page_tags(4, 4, t254=(LONG, [1]), t330=(LONG, [8] * 5000))
    with pytest.raises(FileError, match="a page claims 5,000 pictures within it"):
        read_image(tiff_file((many, bytes(16))))


def test_samples_count_against_the_pixel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 16 channels takes as much memory as four of RGB and alpha."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    assert (
        read(tiff(np.zeros((10, 20, 4), np.uint8), photometric="minisblack", planarconfig="contig")).pixels.shape[0]
        == 4
    )
    with pytest.raises(FileError, match="it has 800 pixels, more than the limit of 200"):
        read_image(tiff(np.zeros((10, 20, 16), np.uint8), photometric="minisblack", planarconfig="contig"))


@pytest.mark.parametrize("how", [
    ["-c", "lzw:2"], ["-c", "zip"], ["-c", "packbits"], ["-t", "-w", "32", "-l", "32"], ["-B"], ["-8"],
    ["-f", "lsb2msb"], ["-r", "3"],
], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_files_of_libtiff_are_read(how: list[str], dtype: str, tmp_path: Path) -> None:
    if not shutil.which("tiffcp"):
        pytest.skip("tiffcp of libtiff-tools is not installed")
    levels = random_levels(dtype, 3)
    (tmp_path / "a.tif").write_bytes(tiff(levels, photometric="rgb"))
    subprocess.run(["tiffcp", *how, "a.tif", "b.tif"], cwd=tmp_path, check=True)
    assert_reads((tmp_path / "b.tif").read_bytes(), levels)


@pytest.mark.parametrize("options", [
    {}, {"interleave": "band"}, {"compress": "LZW", "predictor": 2}, {"compress": "ZSTD"}, {"compress": "LERC"},
    {"compress": "DEFLATE", "tiled": True, "blockxsize": 16, "blockysize": 16}, {"ENDIANNESS": "BIG"},
    {"BIGTIFF": "YES"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float64"])
def test_files_of_gdal_are_read(options: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    levels = np.moveaxis(random_levels(dtype, 5), -1, 0)
    size = {"count": 5, "height": HEIGHT, "width": WIDTH, "dtype": dtype, "transform": rasterio.Affine.scale(2)}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", photometric="MINISBLACK", **size, **options) as file:
        file.write(levels)
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, levels)


@pytest.mark.parametrize("options", [
    {}, {"compression": "deflate", "predictor": "horizontal"}, {"compression": "lzw", "tile": True}, {"bigtiff": True},
    {"compression": "lzw", "pyramid": True, "tile": True, "tile_width": 16, "tile_height": 16},
    {"pyramid": True, "subifd": True, "tile": True, "tile_width": 16, "tile_height": 16},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_files_of_vips_are_read(options: dict[str, Any], dtype: str) -> None:
    pyvips = pytest.importorskip("pyvips")
    levels = random_levels(dtype, 3)
    image = pyvips.Image.new_from_array(levels, interpretation="rgb16" if dtype == "u2" else "srgb")
    found = read(image.tiffsave_buffer(**options))
    assert np.array_equal(np.moveaxis(found.pixels, 0, -1), levels)
    assert found.warnings == ()


def test_a_png_does_not_load_the_reader_of_tiff() -> None:
    camera = Path(__file__).parents[2] / "sample_images" / "camera.png"
    script = f"import sys; from convcli.pictures.reading import read_image; read_image({str(camera)!r})"
    script += "; print('tifffile' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_tiff_is_read_from_a_pipe(tmp_path: Path) -> None:
    levels = random_levels("i2", 3)
    data = tiff(levels, photometric="rgb", tile=(16, 16), compression="lzw", extratags=[(274, "H", 1, 8, True)])
    result = convcli("apply", "-", "-k", "identity:1", "-f", "npy", "-o", "-", cwd=tmp_path, stdin=data)
    assert np.array_equal(np.moveaxis(np.load(BytesIO(result.out)), 0, -1), np.rot90(levels))
