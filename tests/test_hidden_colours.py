"""The colours of transparent pixels do not show where they are filtered with visible ones."""

import numpy as np
import pytest

from convcli import filter_image, load_kernel
from convcli.apply.appearance import Appearance
from convcli.apply.filtering import apply_filter, plan_filter
from convcli.apply.hidden_colours import spread_visible_colours
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.pictures.formats import format_of
from convcli.pictures.image import Image


def test_hidden_pixels_take_the_mean_of_the_smallest_block_that_shows_any():
    pixels = np.array([[[10, 20, 99, 99, 40], [99, 30, 99, 99, 99], [99, 99, 99, 99, 60]]], np.uint8)
    alpha = np.array([[255, 255, 0, 0, 255], [0, 255, 0, 0, 0], [0, 0, 0, 0, 85]], np.uint8)
    block, column = 20, 40
    # Of the block of 4x4 at the left, and of the one at the right.
    expected = [[10, 20, block, block, 40], [20, 30, block, block, column], [block, block, block, block, 60]]
    assert spread_visible_colours(pixels, alpha).tolist() == [expected]


def test_partly_visible_pixels_count_by_their_alpha():
    pixels, alpha = np.array([[[0, 100], [7, 7]]], np.uint16), np.array([[65535, 21845], [0, 0]], np.uint16)
    found = spread_visible_colours(pixels, alpha)
    assert (found.dtype, found.tolist()) == (np.uint16, [[[0, 100], [25, 25]]])


@pytest.mark.parametrize("level", [0, 255])
def test_without_hidden_or_without_visible_pixels_nothing_changes(level):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(spread_visible_colours(pixels, np.full((3, 4), level, np.uint8)), pixels)


def test_hidden_numbers_that_are_not_finite_do_not_spread():
    pixels, alpha = np.array([[[0.5, np.nan], [np.inf, np.nan]]]), np.array([[255, 0], [0, 0]], np.uint8)
    assert spread_visible_colours(pixels, alpha).tolist() == [[[0.5, 0.5], [0.5, 0.5]]]


def cut_out(seed):
    """Return an image of one colour before random ones that are hidden."""
    alpha = np.zeros((19, 23), np.uint8)
    alpha[4:13, 5:15], alpha[4:13, 14] = 255, 90
    hidden = np.random.default_rng(seed).integers(0, 256, (3, *alpha.shape), np.uint8)
    return Image(np.where(alpha, np.array([200, 40, 90], np.uint8)[:, None, None], hidden), alpha)


def filtered(image, kernel, format="png", alpha="auto"):
    request = Request(kernel, Convolution.of(load_kernel(kernel), padding="same", edge="replicate"))
    return apply_filter(plan_filter(request, image.header, Appearance(alpha=alpha), format_of(format)), image)


@pytest.mark.parametrize(
    ("kernel", "colour"), [("sharpen", (200, 40, 90)), ("emboss", (200, 40, 90)), ("sobel-x", (0, 0, 0))]
)
def test_a_cut_out_of_one_colour_has_no_fringe(kernel, colour):
    image = cut_out(1)
    found = filtered(image, kernel)
    assert np.array_equal(found.alpha, image.alpha)
    assert (found.maps.values[:, image.alpha > 0] == np.array(colour)[:, None]).all()
    assert any("colours of visible pixels in place of hidden ones" in note for note in found.notes)


def test_keep_takes_hidden_colours_as_they_are():
    image = cut_out(2)
    found = filtered(image, "sharpen", alpha="keep").maps.values
    assert np.array_equal(found, filter_image(image.pixels, "sharpen").maps.values)
    assert not np.array_equal(found, filtered(image, "sharpen").maps.values)


def test_hidden_colours_stay_where_no_pixels_are_mixed():
    image = cut_out(3)
    assert np.array_equal(filtered(image, "identity").maps.values, image.pixels)


def test_hidden_colours_stay_where_the_format_shows_them():
    image = cut_out(4)
    assert np.array_equal(
        filtered(image, "sharpen", "jpeg").maps.values, filter_image(image.pixels, "sharpen").maps.values
    )
