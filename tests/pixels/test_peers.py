"""Compare the pixels that are read from files of other programs with those that the programs were given."""

import shutil
import subprocess
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from convcli.arrays import Array
from convcli.pictures.reading import read_header, read_image

pytestmark = pytest.mark.conformance

RNG = np.random.default_rng(11)
DEEP = RNG.integers(0, 65536, (13, 19, 4), np.uint16)
DEEP[0, 0], DEEP[0, 1] = 65535, 0
EIGHT = (DEEP >> 8).astype(np.uint8)
SOURCES = {
    "gray": EIGHT[..., 0],
    "rgb": EIGHT[..., :3],
    "rgba": EIGHT,
    "gray16": DEEP[..., 0],
    "rgb16": DEEP[..., :3],
    "rgba16": DEEP,
    "bits": (DEEP[..., 0] >> 15).astype(np.uint8) * 255,
    "square": RNG.integers(0, 256, (16, 16, 4), np.uint8),
}


def bands_of(path: Path) -> Array:
    image = read_image(path)
    assert read_header(path) == image.header
    return np.array(image.pixels if image.alpha is None else [*image.pixels, image.alpha])


def assert_holds(path: Path, source: Array) -> None:
    """Assert that a file has these pixels; gray may be stored as colours, and opaque pixels with alpha."""
    bands, expected = bands_of(path), np.moveaxis(np.atleast_3d(source), -1, 0)
    if len(expected) in (1, 3) and len(bands) in (2, 4):
        assert (bands[-1] == np.iinfo(bands.dtype).max).all()
        bands = bands[:-1]
    assert bands.dtype == source.dtype
    assert np.array_equal(bands, np.broadcast_to(expected, bands.shape))


IMAGEMAGICK = [
    ("gray", "a.bmp", ""), ("rgb", "a.bmp", ""), ("rgba", "a.bmp", ""), ("gray", "a.bmp", "-compress RLE"),
    ("rgb", "BMP3:a.bmp", ""), ("rgb", "BMP2:a.bmp", ""), ("bits", "a.bmp", "-monochrome"),
    ("rgba", "a.dds", "-define dds:compression=none -define dds:mipmaps=0"),
    ("rgb", "a.dds", "-define dds:compression=none"),
    ("gray", "a.fits", ""), ("gray16", "a.fits", ""),
    ("rgb", "a.gif", "-colors 256"),
    ("square", "a.ico", ""), ("square", "a.cur", ""),
    ("gray", "a.jp2", "-quality 0"), ("rgb16", "a.jp2", "-quality 0"), ("rgba16", "a.jp2", "-quality 0"),
    ("gray", "a.pcx", ""), ("rgb", "a.pcx", ""), ("rgb", "a.dcx", ""), ("bits", "a.pcx", "-monochrome"),
    ("gray16", "a.pgm", ""), ("rgb16", "a.ppm", "-compress none"), ("bits", "a.pbm", ""),
    ("rgb16", "a.png", ""), ("rgba", "PNG32:a.png", ""), ("rgba16", "a.png", ""),
    ("gray", "a.psd", ""), ("rgb", "a.psd", ""), ("rgba", "a.psd", ""), ("gray16", "a.psd", ""), ("rgb16", "a.psd", ""),
    ("rgba16", "a.psd", ""), ("rgb16", "a.psd", "-compress RLE"),
    ("gray", "a.ras", ""), ("rgb", "a.ras", ""), ("bits", "a.ras", "-monochrome"),
    ("gray", "a.sgi", ""), ("rgb", "a.sgi", "-compress none"), ("gray16", "a.sgi", ""), ("rgb16", "a.sgi", ""),
    ("rgba16", "a.sgi", "-compress none"),
    ("rgba", "a.webp", "-define webp:lossless=true -define webp:exact=true"),
    ("bits", "a.xbm", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "name", "options"), IMAGEMAGICK)
def test_imagemagick(source: str, name: str, options: str, tmp_path: Path) -> None:
    convert = shutil.which("convert-im6.q16") or shutil.which("magick")
    if not convert:
        pytest.skip("ImageMagick is not installed")
    (tmp_path / "source.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(SOURCES[source])))
    subprocess.run([convert, "source.png", *options.split(), name], cwd=tmp_path, check=True)
    assert_holds(tmp_path / name.rpartition(":")[2], SOURCES[source])


NETPBM = [
    ("gray", "ppmtobmp"), ("rgb", "ppmtobmp"), ("rgb", "ppmtobmp -os2"), ("bits", "ppmtobmp"),
    ("gray", "pamtotga"), ("rgb", "pamtotga"), ("rgb", "pamtotga -norle"),
    ("gray", "pnmtosgi"), ("rgb", "pnmtosgi -verbatim"), ("gray16", "pnmtosgi"), ("rgb16", "pnmtosgi"),
    ("gray16", "pnmtosgi -verbatim"),
    ("gray", "pnmtorast"), ("rgb", "pnmtorast"), ("rgb", "pnmtorast -standard"),
    ("rgb", "ppmtopcx -24bit"), ("bits", "pbmtoxbm"), ("square", "ppmtowinicon"),
    ("gray16", "pamtojpeg2k"), ("rgb", "pamtojpeg2k"),
    ("rgb16", "pamtojpeg2k"), ("rgb16", "pnmtopng"), ("gray16", "pamtopnm -plain"), ("rgb16", "pamtopnm -plain"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "command"), NETPBM)
def test_netpbm(source: str, command: str, tmp_path: Path) -> None:
    program, *options = command.split()
    if not shutil.which(program):
        pytest.skip(f"{program} of Netpbm is not installed")
    levels = SOURCES[source][..., :3] if SOURCES[source].ndim == 3 else SOURCES[source]
    height, width = levels.shape[:2]
    if source == "bits":
        given = b"P4 %d %d\n" % (width, height) + np.packbits(levels == 0, axis=1).tobytes()
    else:
        kind = b"P6" if levels.ndim == 3 else b"P5"
        most = np.iinfo(levels.dtype).max
        given = b"%b %d %d %d\n" % (kind, width, height, most) + levels.astype(levels.dtype.newbyteorder(">")).tobytes()
    made = subprocess.run([program, *options], input=given, capture_output=True, check=True).stdout
    (tmp_path / "a").write_bytes(made)
    assert_holds(tmp_path / "a", levels)
