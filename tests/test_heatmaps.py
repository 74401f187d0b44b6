"""Heatmaps: colours, the layout of panels, and what is drawn where."""

import numpy as np
import pytest

from convcli.drawing.fixed_numbers import fixed_numbers
from convcli.drawing.heatmap_layout import SMALL, lay_out
from convcli.drawing.heatmaps import draw_heatmap, draw_panels, stack_heatmaps, tile_heatmaps
from convcli.drawing.palette import NAN_COLOUR, Statistics, signed_colours, statistics

RANDOM = np.random.default_rng(11)
BLUE, WHITE, RED = (5, 40, 110), (255, 255, 255), (103, 0, 31)


@pytest.mark.parametrize(
    ("value", "colour"),
    [(-2, BLUE), (0, WHITE), (2, RED), (-9, BLUE), (9, RED), (-np.inf, BLUE), (np.inf, RED), (np.nan, NAN_COLOUR)],
)
def test_the_scale_is_centred_and_saturates_at_its_limit(value, colour):
    assert tuple(signed_colours(np.array([float(value)]), 2.0)[0]) == colour


def test_colours_are_darker_the_further_from_zero():
    luma = signed_colours(np.linspace(-1, 1, 101), 1.0) @ (0.299, 0.587, 0.114)
    assert (np.diff(luma[:51]) > 0).all()
    assert (np.diff(luma[50:]) < 0).all()


@pytest.mark.parametrize("limit", [5e-324, 1e-300, 1.7e308])
def test_scales_of_any_size(limit):
    ends = signed_colours(np.array([-limit, 0, limit]), limit)
    assert [tuple(colour) for colour in ends] == [BLUE, WHITE, RED]


def test_all_zeros_are_white():
    assert (signed_colours(np.zeros((2, 3)), 0.0) == 255).all()


@pytest.mark.parametrize("shape", [(700, 800), (3, 500, 600), (1_000_000,), (2, 3, 400, 300), (90_000, 3, 3)])
def test_large_and_small_arrays_are_coloured_alike(shape):
    values = RANDOM.normal(size=shape)
    picked = np.unravel_index(RANDOM.integers(0, values.size, 100), shape)
    assert (signed_colours(values, 3.0)[picked] == signed_colours(values[picked], 3.0)).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-3, 1, 2], Statistics(-3, 2)),
        ([np.nan, 1, np.inf, -np.inf], Statistics(1, 1, 1, 2)),
        ([np.nan, np.inf], Statistics(0, 0, 1, 1)),
    ],
)
def test_statistics(values, expected):
    assert statistics(np.array(values, float)) == expected


# A tensor's shape: panels down and across, a cell's height and width, the block averaged into it.
LAYOUTS = {
    (): (1, 1, (64, 64), (1, 1)),
    (4,): (1, 1, (64, 64), (1, 1)),
    (512,): (1, 1, (24, 1), (1, 1)),
    (100_000,): (1, 1, (24, 1), (1, 9)),
    (3, 3): (1, 1, (64, 64), (1, 1)),
    (512, 512): (1, 1, (1, 1), (1, 1)),
    (3, 28, 28): (1, 3, (20, 20), (1, 1)),
    (8, 3, 3, 3): (8, 3, (64, 64), (1, 1)),
    (64, 1, 7, 7): (7, 10, (24, 24), (1, 1)),
    (256, 256, 3, 3): (256, 256, (2, 2), (1, 1)),
    (3, 3000, 4000): (1, 3, (1, 1), (2, 2)),
}


@pytest.mark.parametrize("shape", LAYOUTS, ids=str)
def test_layouts_of_shapes(shape):
    layout = lay_out(shape)
    assert (layout.down, layout.across, layout.cell, layout.block) == LAYOUTS[shape]


def test_every_number_has_its_cell():
    """The cells' corners, where no number is written, have the numbers' colours."""
    K = RANDOM.normal(size=(2, 3, 3, 4))
    layout = lay_out(K.shape)
    picture = np.asarray(draw_panels(K.reshape(6, 3, 4), layout, 2.0))
    assert (layout.down, layout.across, layout.cell, layout.gap, layout.label) == (2, 3, (64, 64), 10, 16)
    for i, channel, m, n in np.ndindex(K.shape):
        row, column = 1 + i * (3 * 64 + 16 + 10) + 16 + m * 64, 1 + channel * (4 * 64 + 10) + n * 64
        colour = signed_colours(K[i, channel, m, n], 2.0)
        for y, x in [(row, column), (row + 63, column), (row, column + 63), (row + 63, column + 63)]:
            assert (picture[y, x] == colour).all()


def test_an_atlas_of_small_kernels_shows_every_number():
    K = RANDOM.normal(size=(256, 256, 3, 3))
    layout = lay_out(K.shape)
    picture = np.asarray(draw_panels(K.reshape(-1, 3, 3), layout, 4.0))
    assert picture.shape == (256 * 7 + 1, 256 * 7 + 1, 3)
    tiles = picture[1:, 1:].reshape(256, 7, 256, 7, 3)
    expected = signed_colours(K, 4.0).transpose(0, 2, 1, 3, 4)
    for y, x in np.ndindex(2, 2):
        assert (tiles[:, y:6:2, :, x:6:2] == expected).all()


def test_a_large_tensor_is_averaged_in_blocks():
    planes = RANDOM.normal(size=(2, 7, 8))
    layout = lay_out((2, 7, 8))._replace(block=(3, 5))
    expected = [
        [[plane[m : m + 3, n : n + 5].mean() for n in range(0, 8, 5)] for m in range(0, 7, 3)] for plane in planes
    ]
    assert np.allclose(layout.shrink(planes), expected, rtol=1e-12)


def test_a_heatmap_of_a_photograph_has_a_limited_size():
    dV = RANDOM.normal(size=(3, 300, 9000)).astype(np.float32)
    picture = draw_heatmap("dV", dV, ["l", "a", "c"])
    assert max(picture.shape) <= 12_000 + 32 + 2


@pytest.mark.parametrize(
    "values", [np.array(2.5), np.zeros((3, 3)), np.array([np.nan, np.inf, 1.0])], ids=["number", "zeros", "not finite"]
)
def test_every_tensor_has_a_heatmap(values):
    picture = draw_heatmap("db", values)
    assert (picture.shape[2], picture.dtype) == (3, np.uint8)
    assert picture.shape[1] >= 64


def test_numbers_of_neighbouring_cells_do_not_touch():
    numbers = RANDOM.normal(size=(17, 17))
    numbers[3, 1] = -0.00445
    layout = lay_out(numbers.shape)
    picture = np.asarray(draw_panels(numbers[np.newaxis], layout, 4.0))[1:-1, 1:-1].reshape(17, 48, 17, 48, 3)
    colours = signed_colours(numbers, 4.0)[:, np.newaxis, :, np.newaxis]
    assert (picture[:, :, :, :4] == colours).all()
    assert (picture[:, :, :, -4:] == colours).all()
    assert (picture != colours).any(axis=(1, 3, 4)).all()


def test_small_numbers_are_written_with_a_power_of_ten():
    numbers = np.array([[1.25, -2.5], [0, 0.125]])
    plain, small = draw_heatmap("K", numbers), draw_heatmap("K", numbers * 1e-8)
    assert small.shape[0] > plain.shape[0]
    # The bar is in 42 lines and 16 of margin; above it are the cells, with the same numbers.
    assert (small[-58 - 130 : -58, :150] == plain[-58 - 130 : -58, :150]).all()


def test_a_tensor_without_finite_numbers_has_no_scale():
    shown, zeros = (draw_heatmap("K", np.full((3, 3), value)) for value in (np.nan, 0.0))
    assert shown.shape[0] < zeros.shape[0]
    drawn = {tuple(colour) for colour in shown.reshape(-1, 3)}
    assert all(len(set(colour)) == 1 for colour in drawn), "expected only black, gray and white"


def test_one_channel_has_no_index():
    assert draw_heatmap("V", np.ones((1, 5, 5))).shape == draw_heatmap("V", np.ones((5, 5))).shape


def test_smaller_bounds_make_smaller_cells():
    assert lay_out((3, 28, 28), SMALL).cell == (10, 10)
    assert lay_out((5, 5), SMALL).cell == (64, 64)


def test_heatmaps_are_tiled_in_rows():
    wide, narrow = np.full((30, 1300, 3), 9, np.uint8), np.full((50, 1000, 3), 7, np.uint8)
    whole = tile_heatmaps([wide, narrow, wide])
    assert whole.shape == (50 + 16 + 30, 2300, 3)
    assert (whole[:30, :1300] == 9).all()
    assert (whole[:50, 1300:] == 7).all()
    assert (whole[66:, :1300] == 9).all()
    assert (whole[66:, 1300:] == 255).all()


@pytest.mark.parametrize(
    ("values", "digits", "texts", "power"),
    [
        ([1, -2, 0, 255], 3, ["1", "-2", "0", "255"], ""),
        ([123456, -7], 3, ["123456", "-7"], ""),
        ([0.5, 0.25, -0.0004, 0], 3, ["0.50", "0.25", "0.00", "0"], ""),
        ([0.5, 0.25], 3, ["0.50", "0.25"], ""),
        ([254.73, 0.3], 3, ["254.7", "0.3"], ""),
        ([0.0398, 4e-9], 3, ["3.98", "0.00"], "1e-02"),
        ([3e-320, -1e-320], 2, ["3", "-1"], "1e-320"),
        ([1.7e308, -1.2e308], 3, ["1.7", "-1.2"], "1e+308"),
        ([np.nan, 1.5, -np.inf], 3, ["nan", "1.5", "-inf"], ""),
        ([0, 0], 3, ["0", "0"], ""),
        ([], 3, [], ""),
    ],
    ids=str,
)
def test_numbers_have_one_count_of_decimals(values, digits, texts, power):
    found = fixed_numbers(np.array(values, float), digits)
    assert (found.texts, found.power) == (texts, power)


def test_heatmaps_are_stacked_at_the_left():
    first, second = draw_heatmap("dK", np.eye(3)), draw_heatmap("db", np.ones(9))
    whole = stack_heatmaps([first, second])
    (height, width, _), (height_below, width_below, _) = first.shape, second.shape
    assert whole.shape == (height + 16 + height_below, max(width, width_below), 3)
    assert (whole[-height_below:, :width_below] == second).all()
