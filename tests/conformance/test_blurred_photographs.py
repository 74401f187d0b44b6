"""A blur of a photograph as other programs blur it, borders included."""

import shutil
import subprocess

import numpy as np
import pytest
from support.command_line import SAMPLES, pixels

from convcli import filter_image

pytestmark = pytest.mark.conformance
PHOTOGRAPHS = pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg"])
# The decibels above which nobody sees a difference between 8-bit pictures.
INVISIBLE = 48


def decibels(some, other):
    """Return the peak signal-to-noise ratio of two pictures of 8 bits."""
    return 10 * np.log10(255**2 / np.mean((some.astype(float) - other) ** 2))


def assert_alike(some, other):
    """Assert that two pictures ``(C, H, W)`` look the same, as a whole and within 8 pixels of the border."""
    assert some.shape == other.shape
    inner = np.zeros(some.shape, bool)
    inner[..., 8:-8, 8:-8] = True
    assert decibels(some, other) >= INVISIBLE
    assert decibels(some[~inner], other[~inner]) >= INVISIBLE


def blurred(name):
    return filter_image(SAMPLES / name, "gaussian:2").maps.values


def planes(picture):
    """Return a picture ``(H, W)`` or ``(C, H, W)`` as planes."""
    return picture if picture.ndim == 3 else picture[np.newaxis]


@PHOTOGRAPHS
def test_opencv_blurs_alike(name):
    cv2 = pytest.importorskip("cv2")
    V = np.moveaxis(planes(pixels(SAMPLES / name)), 0, -1)
    Z = cv2.GaussianBlur(np.ascontiguousarray(V), (0, 0), 2, borderType=cv2.BORDER_REPLICATE)
    assert_alike(blurred(name), np.moveaxis(np.atleast_3d(Z), -1, 0))


# By default libvips rounds the weights to whole numbers, and leaves out those below a fifth of the largest.
@PHOTOGRAPHS
@pytest.mark.parametrize(
    "command", ["convert {} -blur 0x2 {}", "vips gaussblur {} {} 2 --min-ampl 0.01 --precision float"]
)
def test_programs_blur_alike(name, command, tmp_path):
    program, *arguments = command.split()
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    paths = iter([str(SAMPLES / name), str(tmp_path / "out.png")])
    subprocess.run([program, *(next(paths) if each == "{}" else each for each in arguments)], check=True, timeout=60)
    assert_alike(blurred(name), planes(pixels(tmp_path / "out.png")))
