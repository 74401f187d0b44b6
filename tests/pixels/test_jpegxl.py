"""JPEG XL, read by the extra ``deep``: what imagecodecs and cjxl write."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from PIL.ExifTags import Base

from convcli.errors import FileError
from convcli.files.source import Source
from convcli.pictures import deep_extra
from convcli.pictures.formats.jpegxl import CodeHeader, code_header
from convcli.pictures.reading import read_header, read_image
from convcli.pictures.sources import readable_extensions

HEIGHT, WIDTH = 7, 9


def levels_of(bits: int, channels: int) -> Any:
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(bits).integers(0, 1 << bits, (HEIGHT, WIDTH, channels), dtype)


def encoded(levels: Any, **options: Any) -> bytes:
    plane = levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels
    return bytes(imagecodecs.jpegxl_encode(plane, lossless=True, **options))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_levels_are_read_exactly(bits: int, channels: int) -> None:
    levels = levels_of(bits, channels)
    data = encoded(levels, bitspersample=bits)
    image, white = read_image(data), 255 if bits == 8 else 65535
    scaled = np.moveaxis(np.rint(levels * (white / ((1 << bits) - 1))), -1, 0)
    colours = 1 if channels < 3 else 3
    assert np.array_equal(image.pixels, scaled[:colours])
    if channels in (2, 4):
        assert image.alpha is not None
        assert np.array_equal(image.alpha, scaled[-1])
    assert read_header(data) == image.header
    assert image.notes == (() if bits in (8, 16) else (f"{bits} bits scaled to 16",))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_are_read_exactly(dtype: Any, channels: int) -> None:
    levels = np.random.default_rng(1).random((HEIGHT, WIDTH, channels)).astype(dtype)
    image = read_image(encoded(levels))
    assert image.pixels.dtype == dtype
    assert np.array_equal(image.pixels, np.moveaxis(levels, -1, 0))
    # The encoder says that floats are linear.
    assert image.warnings == ("its colour space or profile is not read",)
    assert read_header(encoded(levels)) == image.header


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (256, 256), (257, 3), (3, 9000), (768, 1024), (16, 9), (8, 264)])
def test_every_form_of_size_is_read(size: tuple[int, int]) -> None:
    data = encoded(np.zeros(size, np.uint8), effort=1)
    header = code_header(BytesIO(data))
    assert (header.height, header.width, header.channels) == (*size, 1)


def test_the_pixel_limit_holds() -> None:
    source = replace(Source.of_bytes(encoded(levels_of(8, 3))), max_pixels=62)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it has 63 pixels, more than the limit of 62"):
            read(source)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(levels_of(8, 3))
    monkeypatch.setattr(deep_extra, "is_installed", lambda: False)
    for read in (read_image, read_header):
        with pytest.raises(FileError, match=r"it is a JPEG XL picture: to read it, pip install .*\[deep\]'$"):
            read(data)


REFUSED = {
    "several frames": {"obstacle": "several frames"},
    "24-bit RGB": {"bits": 24},
    "24-bit float gray": {"bits": 24, "is_float": True, "channels": 1},
    "32-bit float RGB with alpha": {"bits": 32, "is_float": True, "alpha": True},
}


@pytest.mark.parametrize(("name", "fields"), REFUSED.items())
def test_other_pictures_are_refused(name: str, fields: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^it is a JPEG XL picture of {name}, which is not read: convert it first, as in djxl"
    ):
        CodeHeader(9, 7, **fields).require_readable()


@pytest.mark.parametrize(
    "data", [b"\xff\x0a", b"\xff\x0a" + bytes(30), encoded(levels_of(8, 3))[:40], b"\0\0\0\x0cJXL "]
)
def test_damaged_files_are_named(data: bytes) -> None:
    with pytest.raises(FileError, match=r"^cannot read <bytes>: [^\n]*JPEG XL"):
        read_image(data)


def test_a_name_of_a_channel_cannot_be_longer_than_the_header() -> None:
    """A name of a kilobyte, which ends behind the file."""
    bits = "1" + "00000" + "000" + "00000"  # a small size: 8 x 8
    bits += "0" + "0" + "0" + "00" + "0" + "10"  # other fields; 8 bits; one extra channel
    bits += "0" + "00" + "0" + "00" + "00" + "11" + "1" * 10
    code = int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little")
    with pytest.raises(ValueError, match=r"^the header of this JPEG XL file is damaged or too long$"):
        code_header(BytesIO(b"\xff\x0a" + code))


def test_a_folder_names_its_files() -> None:
    assert ".jxl" in readable_extensions()


@pytest.fixture
def by_cjxl(tmp_path: Path) -> Callable[..., bytes]:
    """Return a function that converts a file by the encoder of libjxl."""
    if not shutil.which("cjxl"):
        pytest.skip("cjxl (libjxl-tools) is not installed")

    def convert(source: Path, *options: str) -> bytes:
        target = tmp_path / "a.jxl"
        subprocess.run(["cjxl", source, target, *options], capture_output=True, check=True)
        return target.read_bytes()

    return convert


@pytest.mark.parametrize("options", [["-d", "0"], ["-d", "0", "--container=1"]])
@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (8, 3), (8, 4), (16, 1), (16, 3)])
def test_what_cjxl_makes_of_png(bits: int, channels: int, options: Any, by_cjxl: Any, tmp_path: Path) -> None:
    levels = levels_of(bits, channels)
    (tmp_path / "a.png").write_bytes(bytes(imagecodecs.png_encode(levels.squeeze())))
    image = read_image(by_cjxl(tmp_path / "a.png", *options))
    assert np.array_equal(image.pixels, np.moveaxis(levels, -1, 0)[: 1 if channels == 1 else 3])
    assert (image.warnings, image.notes) == ((), ())
    if channels == 4:
        assert image.alpha is not None
        assert np.array_equal(image.alpha, levels[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int, by_cjxl: Any, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[Base.Orientation] = orientation
    ramp = np.arange(16 * 24, dtype=np.uint16).reshape(16, 24) // 2
    PIL.Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    data = by_cjxl(tmp_path / "a.jpg")
    expected, image = read_image(tmp_path / "a.jpg").pixels, read_image(data)
    assert image.pixels.shape == expected.shape
    # The decoders of JPEG round differently.
    assert np.abs(image.pixels.astype(int) - expected).max() <= 2
    assert read_header(data) == image.header


def test_a_profile_is_a_warning(by_cjxl: Any, tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PIL.Image.new("RGB", (9, 7)).save(tmp_path / "a.png", icc_profile=profile)
    assert read_image(by_cjxl(tmp_path / "a.png", "-d", "0")).warnings == ("its colour space or profile is not read",)


def test_an_animation_is_refused(by_cjxl: Any, tmp_path: Path) -> None:
    frames = [PIL.Image.new("L", (9, 7), level) for level in (0, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match=r"it is a JPEG XL picture of several frames, which is not read: convert it"):
        read_image(by_cjxl(tmp_path / "a.gif", "-d", "0"))


def test_a_container_without_a_codestream_is_refused() -> None:
    box = struct.pack(">I4sI", 12, b"JXL ", 0x0D0A870A) + struct.pack(">I4s", 8, b"free")
    with pytest.raises(FileError, match=r"it is a JPEG XL file without a picture$"):
        read_image(box)
