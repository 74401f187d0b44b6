"""HEIC, read and written by the extra ``heic``: what pillow-heif and heif-enc write."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL.ExifTags import Base
from support.command_line import convcli
from support.pictures import SRGB, exif_of, parsed

from convcli import filter_image
from convcli.errors import FileError, OptionError
from convcli.pictures import heic_extra
from convcli.pictures.formats import format_of
from convcli.pictures.image import Metadata
from convcli.pictures.reading import read_header, read_image
from convcli.pictures.sources import readable_extensions
from convcli.pictures.writing import encode_image

NEEDS_EXTRA = pytest.mark.skipif(not heic_extra.is_installed(), reason="pillow-heif is not installed")
HEIGHT, WIDTH = 19, 24


def heif(levels: Any, **options: Any) -> bytes:
    """Return a lossless file of 8 bits, or of 10 bits from uint16."""
    import pillow_heif

    levels = np.atleast_3d(levels)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[levels.shape[2]] + ";16" * (levels.dtype == np.uint16)
    stream, lossless = BytesIO(), {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    pillow_heif.encode(mode, levels.shape[1::-1], levels.tobytes(), stream, **lossless, **options)
    return stream.getvalue()


def random_levels(channels: int, most: int = 255) -> Any:
    rng = np.random.default_rng(channels)
    return rng.integers(0, most, (HEIGHT, WIDTH, channels), np.min_scalar_type(most), endpoint=True)


@NEEDS_EXTRA
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10])
def test_levels_are_read_exactly(bits: int, channels: int) -> None:
    most = (1 << bits) - 1
    levels = random_levels(channels, most)
    # The encoder takes the upper bits of 16.
    data = heif(levels if bits == 8 else levels << 6)
    image = read_image(data)
    scaled = np.moveaxis(np.rint(levels * ((255 if bits == 8 else 65535) / most)), -1, 0)
    assert np.array_equal(image.pixels, scaled[:3])
    assert image.alpha is None if channels < 4 else np.array_equal(image.alpha, scaled[3])
    assert read_header(data) == image.header
    assert (image.notes, image.warnings) == (() if bits == 8 else ("10 bits scaled to 16",), ())


@NEEDS_EXTRA
def test_gray_with_alpha_is_read_as_colours() -> None:
    levels = random_levels(2)
    image = read_image(heif(levels))
    assert np.array_equal(image.pixels, np.stack([levels[..., 0]] * 3))
    assert np.array_equal(image.alpha, levels[..., 1])


@NEEDS_EXTRA
def test_a_turned_picture_is_upright_and_not_turned_again() -> None:
    levels = random_levels(3)
    data = heif(levels, exif=exif_of(6).tobytes())
    image = read_image(data)
    assert np.array_equal(image.pixels, np.moveaxis(np.rot90(levels, -1), -1, 0))
    assert read_header(data) == image.header
    assert image.metadata.exif is not None
    assert Base.Orientation not in parsed(image.metadata.exif)


@NEEDS_EXTRA
def test_a_picture_is_written_with_its_metadata() -> None:
    smooth = np.moveaxis(np.asarray(PIL.Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")), -1, 0)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>b</a></x:xmpmeta>'
    data = encode_image(smooth, None, format_of("heic"), Metadata(SRGB, exif_of().tobytes(), xmp=xmp))
    image = read_image(data)
    assert abs(image.pixels.astype(int) - smooth).max() <= 8
    assert image.metadata.icc == SRGB
    assert image.metadata.exif is not None
    assert parsed(image.metadata.exif)[Base.Make] == "Maker"
    assert image.metadata.xmp is not None
    assert b"<a>b</a>" in image.metadata.xmp


@NEEDS_EXTRA
def test_further_pictures_are_not_read() -> None:
    import pillow_heif

    file, stream = pillow_heif.HeifFile(), BytesIO()
    for level in (10, 90):
        file.add_frombytes("L", (8, 6), bytes([level] * 48))
    file.save(stream, quality=-1, primary_index=1)
    image = read_image(stream.getvalue())
    assert (image.pixels == 90).all()
    assert image.warnings == ("the file has more pictures, of which only the main one is read",)


@NEEDS_EXTRA
def test_other_colour_spaces_are_a_warning() -> None:
    data = heif(random_levels(3), color_primaries=9, transfer_characteristics=16, save_nclx_profile=True)
    assert read_image(data).warnings == (
        "the colour space (HDR, for example) is ignored, and levels are kept as they are",
    )


@NEEDS_EXTRA
@pytest.mark.parametrize("length", [30, 200, -40])
def test_damaged_files_are_errors_of_one_line(length: int) -> None:
    with pytest.raises(
        FileError, match=r"^cannot read <bytes>: it is a HEIC picture, damaged or of a kind that is not"
    ):
        read_image(heif(random_levels(3))[:length])


@NEEDS_EXTRA
def test_the_limit_of_pixels_holds() -> None:
    from convcli.files.source import Source

    data = heif(random_levels(3))
    with pytest.raises(FileError, match=r"it has 456 pixels, more than the limit of 455: use `max_pixels` 456"):
        read_image(Source("a", "a", Path("a"), lambda: data, max_pixels=455))


@NEEDS_EXTRA
def test_a_command_keeps_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(heif(random_levels(3)))
    result = convcli("apply", "a.heic", "-k", "box:3", "-o", "out/", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "out" / "a.heic").read_bytes()[4:12] == b"ftypheic"


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic_extra, "is_installed", lambda: False)
    start = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    with pytest.raises(
        FileError, match=r"^cannot read <bytes>: it is a HEIC picture: to read it, pip install .*\[heic"
    ):
        read_image(start)
    with pytest.raises(OptionError, match=r"^cannot write HEIC yet: to write it, pip install .*\[heic"):
        filter_image(np.zeros((4, 5), np.uint8), "box", format="heic")


def test_files_are_found_in_folders() -> None:
    assert {".heic", ".heif", ".hif"} <= readable_extensions()


@pytest.mark.conformance
@NEEDS_EXTRA
def test_files_of_heif_enc(tmp_path: Path) -> None:
    if not shutil.which("heif-enc"):
        pytest.skip("heif-enc is not installed")
    levels = random_levels(3)
    PIL.Image.fromarray(levels).resize((64, 48)).save(tmp_path / "a.png")
    subprocess.run(["heif-enc", "-q", "95", "a.png", "-o", "a.heic"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["heif-convert", "a.heic", "b.png"], cwd=tmp_path, check=True, capture_output=True)
    ours, theirs = read_image(tmp_path / "a.heic").pixels, read_image(tmp_path / "b.png").pixels
    assert abs(ours.astype(int) - theirs).max() <= 3
