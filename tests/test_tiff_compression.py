"""TIFF keeps its compression, or takes another one, and every reader finds the same numbers."""

import shutil
import subprocess
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from convcli.apply.filtering import FilteredImage
from convcli.arrays import Array
from convcli.errors import FileError
from convcli.functional import filter_image
from convcli.pictures import deep_extra
from convcli.pictures.formats import Coding, format_of
from convcli.pictures.formats.tiff_compression import NUMBERS
from convcli.pictures.image import Metadata, Stored
from convcli.pictures.reading import read_image
from convcli.pictures.writing import DEFAULT_CODING, encode_image

TIFF = format_of("tiff")
HEIGHT, WIDTH = 23, 37
RNG = np.random.default_rng(19)
EVERY_COMPRESSION = pytest.mark.parametrize("compression", NUMBERS)


def samples(channels: int, dtype: type) -> Array:
    """Return numbers of the whole range of a type, with a smooth part that compresses well."""
    shape = (channels, HEIGHT, WIDTH)
    if dtype is np.float32:
        values = RNG.normal(0, 1e4, shape).astype(dtype)
        values[:, 0, :4] = (np.inf, -np.inf, -0.0, 1e-42)
    else:
        values = RNG.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    values[:, 5:] = np.linspace(0, 200, WIDTH).astype(dtype)
    return values


def written(pixels: Array, alpha: Array | None, compression: str) -> bytes:
    return encode_image(pixels, alpha, TIFF, Metadata(), Coding(compression=compression))


@EVERY_COMPRESSION
@pytest.mark.parametrize(
    ("dtype", "channels", "has_alpha"),
    [*product([np.uint8, np.uint16], [1, 3], [False, True]), *product([np.float32], [1, 3], [False])],
)
def test_every_reader_finds_the_same_numbers(
    compression: str, dtype: type, channels: int, has_alpha: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """imagecodecs decodes for tifffile, libtiff for Pillow. There are several strips."""
    monkeypatch.setattr("convcli.pictures.formats.tiff_writing.STRIP", 2000)
    planes = samples(channels + has_alpha, dtype)
    data = written(planes[:channels], planes[-1] if has_alpha else None, compression)
    with tifffile.TiffFile(BytesIO(data)) as file:
        (page,) = file.pages
        assert page.compression == NUMBERS[compression]
        assert len(page.dataoffsets) > 1 or planes[:, 0].nbytes * HEIGHT < 2000
        found = np.moveaxis(np.atleast_3d(page.asarray()), -1, 0)
    assert found.tobytes() == planes.tobytes()
    if dtype is np.uint8 or (channels, has_alpha) == (1, False):
        with PIL.Image.open(BytesIO(data)) as picture:
            assert np.array_equal(np.moveaxis(np.atleast_3d(np.asarray(picture)), -1, 0), planes)


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd"])
def test_a_smooth_picture_becomes_smaller(compression: str) -> None:
    smooth = np.add.outer(np.arange(200), np.arange(300)).astype(np.uint16)[np.newaxis]
    assert len(written(smooth, None, compression)) < smooth.nbytes / 8
    floats = (smooth / np.float32(7)).astype(np.float32)
    assert len(written(floats, None, compression)) < floats.nbytes / 2


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_extra, "is_installed", lambda: False)


@pytest.mark.usefixtures("without_extra")
@pytest.mark.parametrize(
    ("channels", "dtype", "names"),
    [(1, np.float32, NUMBERS), (3, np.uint8, NUMBERS), (1, np.uint16, NUMBERS), (3, np.float32, ["none", "deflate"]),
     (3, np.uint16, ["none", "deflate"])],
)  # fmt: skip
def test_what_is_written_is_read_again_without_the_extra(channels: int, dtype: type, names: list[str]) -> None:
    pixels = samples(channels, dtype)
    for name in names:
        assert read_image(written(pixels, None, name)).pixels.tobytes() == pixels.tobytes()


def source(tmp_path: Path, compression: str | None, dtype: type = np.uint8) -> Path:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.moveaxis(samples(3, dtype), 0, -1), photometric="rgb", compression=compression)
    return path


def compression_of(filtered: FilteredImage, coding: Coding = DEFAULT_CODING) -> int:
    stream = BytesIO()
    filtered.write_picture(stream, coding=coding)
    with tifffile.TiffFile(BytesIO(stream.getvalue())) as file:
        return int(file.pages[0].compression)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (None, "none"),
        ("zlib", "deflate"),
        (32946, "deflate"),
        ("lzw", "lzw"),
        ("packbits", "packbits"),
        ("zstd", "zstd"),
    ],
)
def test_a_tiff_keeps_its_compression(tmp_path: Path, stored: str | None, kept: str) -> None:
    filtered = filter_image(source(tmp_path, stored), "box", format="tiff")
    assert compression_of(filtered) == NUMBERS[kept]
    assert compression_of(filtered, Coding(compression="packbits")) == NUMBERS["packbits"]
    # A level of PNG, in a batch of both formats.
    assert compression_of(filtered, Coding(compression="9")) == NUMBERS[kept]


@pytest.mark.parametrize(("stored", "name"), [("jpeg", "JPEG"), ("lzma", "LZMA"), ("jpeg2000", "JPEG 2000")])
def test_another_compression_becomes_deflate_with_a_note(tmp_path: Path, stored: str, name: str) -> None:
    filtered = filter_image(source(tmp_path, stored), "box", format="tiff")
    assert compression_of(filtered) == NUMBERS["deflate"]
    assert f"the compression of the image, {name}, is not kept: the output is lossless" in filtered.notes
    assert not any("compression" in note for note in filter_image(source(tmp_path, stored), "box", format="png").notes)


def test_other_pictures_become_tiffs_without_compression(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    assert compression_of(filter_image(tmp_path / "a.png", "box", format="tiff")) == NUMBERS["none"]


def test_png_ignores_the_names_of_tiff() -> None:
    pixels = samples(3, np.uint8)
    files = [encode_image(pixels, None, format_of("png"), Metadata(), Coding(name)) for name in (None, "lzw", "0")]
    assert files[0] == files[1] != files[2]


def test_a_compressed_tiff_may_be_larger_than_its_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """LZW makes noise larger; the offsets of a BigTIFF leave room for that."""
    noise = RNG.integers(0, 255, (1, 64, 64), np.uint8)
    monkeypatch.setattr("convcli.pictures.formats.tiff_writing.CLASSIC_LIMIT", noise.nbytes)
    assert written(noise, None, "none")[:4] == b"II*\0"
    assert written(noise, None, "lzw")[:4] == b"II+\0"
    assert np.array_equal(read_image(written(noise, None, "lzw")).pixels, noise)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcli.pictures.formats.tiff_compression._MOST", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(FileError, match=r"^cannot write the image as tiff: No such file or directory"):
        written(samples(3, np.uint8), None, "zstd")


def test_strips_beyond_memory_come_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = samples(3, np.uint16)
    expected = written(pixels, None, "zstd")
    monkeypatch.setattr("convcli.pictures.formats.tiff_compression._MOST", 1)
    assert written(pixels, None, "zstd") == expected


@pytest.mark.conformance
@pytest.mark.skipif(shutil.which("tiffcp") is None, reason="libtiff's tools are not installed")
@EVERY_COMPRESSION
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiffcp_copies_them(tmp_path: Path, compression: str, dtype: type) -> None:
    """libtiff decodes the predictor; floats of one channel have one of their own."""
    for channels in (1, 3):
        pixels = samples(channels, dtype)
        (tmp_path / "a.tif").write_bytes(written(pixels, None, compression))
        command = ["tiffcp", "-c", "none", tmp_path / "a.tif", tmp_path / "b.tif"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        copy = np.moveaxis(np.atleast_3d(tifffile.imread(tmp_path / "b.tif")), -1, 0)
        assert copy.tobytes() == pixels.tobytes()


def test_the_stored_compression_is_that_of_a_tiff_only() -> None:
    png = encode_image(samples(3, np.uint8), None, format_of("png"), Metadata())
    assert read_image(png).stored == Stored()
