"""The tables of docs/preset-names.md: each call gives what the preset of its row gives."""

import re
import subprocess
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
from page import rows
from peers import Operands, matlab, require_imagemagick
from PIL import ImageFilter
from support.pages import codes, page

from convcli import conv2d, load_kernel
from convcli.kernels.magnitudes import MAGNITUDES, magnitude_of
from convcli.kernels.presets import PRESETS

pytestmark = pytest.mark.conformance

V = np.random.default_rng(1).integers(0, 256, (44, 51)).astype(float)


def on_images(*modules):
    """Return the comparison of a cell that filters V, in Python with these modules."""

    def compare(call, preset, folder):
        libraries = {name.rpartition(".")[2]: pytest.importorskip(name) for name in (*modules, "numpy")}
        Z = maps(preset)
        theirs = eval(call, libraries | {"V": V})
        np.testing.assert_allclose(Z, inside(theirs, Z), rtol=0, atol=1e-9)

    return compare


def of_pillow(call, preset, folder):
    """Compare levels, which Pillow rounds; its rows are upside down on both sides of the border."""
    Z = np.clip(maps(preset), 0, 255)
    theirs = PIL.Image.fromarray(V.astype(np.uint8)).filter(getattr(ImageFilter, call))
    assert np.abs(Z - inside(np.asarray(theirs), Z)).max() <= 0.5 + 1e-6


def of_matlab(call, preset, folder):
    """Compare the weights, which imfilter does not flip."""
    assert_same_weights(matlab(call, Operands(V[:1, :1], V[:1, :1]), folder), preset)


def of_imagemagick(call, preset, folder):
    """Compare the weights, which -morphology Convolve flips."""
    require_imagemagick()
    sign, name, divisor = re.fullmatch(r"(-?)(\S+)(?: / (\d+))?", call).groups()
    command = ["convert", "xc:", "-define", "morphology:showKernel=1", "-morphology", "Convolve", name, "null:"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    kernel = np.array([row.split() for row in re.findall(r"^ *\d+:(.*)", shown, re.MULTILINE)], float)
    weights = np.nan_to_num(kernel[::-1, ::-1]) / int(divisor or 1)
    assert_same_weights(-weights if sign else weights, preset)


def assert_same_weights(weights, preset):
    ours = load_kernel(preset).weights
    rim = [(theirs - own) // 2 for theirs, own in zip(weights.shape, ours.shape, strict=True)]
    np.testing.assert_allclose(np.pad(ours, [(each, each) for each in rim]), weights, rtol=0, atol=6e-6)


def maps(preset):
    """Return what a preset makes of V where its window lies inside."""
    pair = magnitude_of(preset)
    if pair:
        return np.hypot(*(conv2d(V, load_kernel(name)) for name in pair.kernels))
    return conv2d(V, load_kernel(preset))


def inside(theirs, Z):
    """Return the part of an output as large as V where windows lie inside."""
    top, left = ((whole - part) // 2 for whole, part in zip(V.shape, Z.shape, strict=True))
    return np.asarray(theirs, float)[top : top + Z.shape[0], left : left + Z.shape[1]]


PEERS = {
    "scikit-image": on_images("skimage.filters"),
    "scipy.ndimage": on_images("scipy.ndimage"),
    "OpenCV": on_images("cv2"),
    "MATLAB": of_matlab,
    "ImageMagick": of_imagemagick,
    "Pillow": of_pillow,
}


class Row(NamedTuple):
    """A row of the table of a program."""

    preset: str
    peer: str
    call: str

    def __str__(self):
        return f"{self.preset} {self.peer}"


ROWS = [Row(codes(preset)[0], peer, codes(call)[0]) for peer in PEERS for call, preset in rows("preset-names", peer)]
ALONE = codes(page("docs/preset-names.md").partition("## Only in convcli")[2].partition("##")[0])


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_gives_what_its_preset_gives(row, tmp_path):
    PEERS[row.peer](row.call, row.preset, tmp_path)


def test_every_preset_has_a_row_or_is_only_in_convcli():
    named, alone = ({name.partition(":")[0] for name in names} for names in ([row.preset for row in ROWS], ALONE))
    assert named | alone == {*PRESETS, *MAGNITUDES} - {"edges"}
    assert named & alone == set()


@pytest.mark.parametrize("peer", PEERS)
def test_a_wrong_row_is_found(peer, tmp_path):
    """Compare a kernel of 3x3 with another of that size."""
    kernels = [each for each in ROWS if each.peer == peer and not magnitude_of(each.preset)]
    row = next(each for each in kernels if load_kernel(each.preset).weights.shape == (3, 3))
    with pytest.raises(AssertionError):
        PEERS[peer](row.call, "compass:ne", tmp_path)


@pytest.mark.parametrize("sigma", [1, 1.5, 3])
def test_log_differs_from_scipy_by_what_makes_its_sum_zero(sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    Z = maps(f"log:{sigma}")
    theirs = inside(ndimage.gaussian_laplace(V, sigma), Z)
    assert load_kernel(f"log:{sigma}").weights.sum() == pytest.approx(0, abs=1e-12)
    assert 1e-4 < np.abs(Z - theirs).max() < 1e-3 * 255
