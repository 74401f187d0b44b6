"""Pictures that are decoded into an array, without a copy."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from convcli.errors import FileError
from convcli.pictures.channels import Loan
from convcli.pictures.pillow_frames import open_picture
from convcli.pictures.reading import read_image

RNG = np.random.default_rng(5)
CHANNELS = {"L": (), "RGB": (3,), "RGBA": (4,)}


@pytest.fixture(params=[("png", "L"), ("png", "RGB"), ("png", "RGBA"), ("jpeg", "L"), ("jpeg", "RGB")], ids="-".join)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A picture with an odd number of rows and columns."""
    format, mode = request.param
    path = tmp_path / f"picture.{format}"
    PIL.Image.fromarray(RNG.integers(0, 256, (37, 53, *CHANNELS[mode]), np.uint8)).save(path)
    return path


def test_the_pixels_are_those_that_pillow_decodes(path: Path) -> None:
    image = read_image(path)
    levels = np.atleast_3d(np.asarray(PIL.Image.open(path)))
    channels = image.pixels if image.alpha is None else [*image.pixels, image.alpha]
    assert np.array_equal(np.stack([*channels], axis=-1), levels)


def test_pillow_decodes_into_the_array(path: Path) -> None:
    with open_picture(path) as picture:
        loan = Loan(picture)
        assert not np.any(loan._array)
        picture.load()
        assert np.any(loan._array)
        assert np.shares_memory(loan.channels(), loan._array)


def test_memory_that_pillow_does_not_use_is_not_taken(path: Path) -> None:
    with open_picture(path) as picture:
        loan = Loan(picture)
        assert loan.channels() is None
        picture.im = picture.im.copy()
        picture.load()
        assert loan.channels() is None


def test_nothing_is_lent_to_a_picture_that_is_loaded(path: Path) -> None:
    with open_picture(path) as picture:
        assert Loan.suits(picture)
        picture.load()
        assert not Loan.suits(picture)


def test_a_truncated_picture_is_refused(path: Path) -> None:
    with pytest.raises(FileError, match=r"truncated|broken"):
        read_image(path.read_bytes()[:-400])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_applies_to_the_pixels(orientation: int, tmp_path: Path) -> None:
    path, exif = tmp_path / "turned.jpg", PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(RNG.integers(0, 256, (16, 24, 3), np.uint8)).save(path, exif=exif)
    upright = PIL.ImageOps.exif_transpose(PIL.Image.open(path))
    assert np.array_equal(np.moveaxis(read_image(path).pixels, 0, -1), np.asarray(upright))
