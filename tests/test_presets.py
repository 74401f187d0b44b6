"""Presets, compared with their definitions, scipy, and plain loops."""

import math
import re
from itertools import takewhile

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFilter
from scipy import ndimage, signal

from convcli.errors import KernelError
from convcli.kernels.catalogue import PRESETS
from convcli.kernels.parameters import DIRECTIONS
from convcli.kernels.presets import preset
from convcli.kernels.structures import PILLOW_FILTERS

RIGHT = np.broadcast_to(np.arange(7.0), (6, 7))
DOWN = np.broadcast_to(np.arange(6.0)[:, np.newaxis], (6, 7))

LITERAL = [
    ("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    ("identity:1", [[1]]),
    ("sobel-x", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    ("sobel-y", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    ("prewitt-x", [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    ("prewitt-y", [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
    ("scharr-x", [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]),
    ("scharr-y", [[-3, -10, -3], [0, 0, 0], [3, 10, 3]]),
    ("roberts-x", [[1, 0], [0, -1]]),
    ("roberts-y", [[0, 1], [-1, 0]]),
    ("kirsch", [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]),
    ("kirsch:ne", [[-3, 5, 5], [-3, 0, 5], [-3, -3, -3]]),
    ("kirsch:w", [[5, -3, -3], [5, 0, -3], [5, -3, -3]]),
    ("compass:n", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    ("compass:se", [[-2, -1, 0], [-1, 0, 1], [0, 1, 2]]),
    ("laplacian", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    ("laplacian8", [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
    ("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    ("emboss", [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    ("outline", [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    ("box:2", [[0.25, 0.25], [0.25, 0.25]]),
    ("box", np.full((3, 3), 1 / 9)),
    ("binomial", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16),
    ("binomial:4", np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64),
    ("disk", np.array([[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]) / 13),
    ("disk:1.5", np.full((3, 3), 1 / 9)),
    ("box:2,1", [[0.5], [0.5]]),
    ("Box:Width=4,height=1", [[0.25, 0.25, 0.25, 0.25]]),
    ("KIRSCH:NE", [[-3, 5, 5], [-3, 0, 5], [-3, -3, -3]]),
    ("sobel-x:size=5", np.outer([1, 4, 6, 4, 1], [-1, -2, 0, 2, 1])),
    ("laplacian:1", [[0.5, 0, 0.5], [0, -2, 0], [0.5, 0, 0.5]]),
    ("laplacian:alpha=0.25", np.array([[1, 3, 1], [3, -16, 3], [1, 3, 1]]) / 5),
    ("sharpen:0.5", [[0, -0.5, 0], [-0.5, 3, -0.5], [0, -0.5, 0]]),
    ("emboss:strength=2", [[-4, -2, 0], [-2, 1, 2], [0, 2, 4]]),
    ("motion", np.full((1, 9), 1 / 9)),
    ("motion:3,90", np.full((3, 1), 1 / 3)),
    ("motion:4", [[0.125, 0.25, 0.25, 0.25, 0.125]]),
    ("gaussian:0.1", [[1]]),
]

GRADIENTS = ("sobel", "prewitt", "scharr", "frei-chen", "farid")
FULL_RANK = ["disk", "pillbox", "motion", "comet", "roberts-x", "roberts-y", "kirsch", "compass", "emboss", "pillow"]

RANKS = {
    **dict.fromkeys(("identity", "box", "gaussian", "blur", "gaussian-derivative", "binomial", "gabor"), 1),
    **dict.fromkeys((f"{name}-{axis}" for name in GRADIENTS for axis in "xy"), 1),
    **dict.fromkeys(("laplacian", "laplacian8", "log", "dog", "sharpen", "unsharp", "outline"), 2),
    **dict.fromkeys(FULL_RANK, 0),
}

SUM_ONE = (
    *("identity", "box", "gaussian", "blur", "binomial", "disk", "pillbox", "motion", "comet"),
    *("sharpen", "unsharp", "emboss", "pillow"),
)

GAUSSIAN = "; usage: gaussian:sigma=1,radius=int(4*sigma+0.5),sigma_y=sigma,sigma_x=sigma,angle=0"
BOX = "; usage: box:height=3,width=height"
GABOR = "; usage: gabor:wavelength=8,angle=0,sigma=wavelength/2,aspect=1,phase=0"
MISTAKES = [
    (
        "gausian:2",
        "expected the name of a preset, given 'gausian' (`convcli kernels` lists all); did you mean gaussian?",
    ),
    ("", "expected the name of a preset, given '' (`convcli kernels` lists all)"),
    ("zzz\n", r"expected the name of a preset, given 'zzz\n' (`convcli kernels` lists all)"),
    ("prewitt-x:3", "prewitt-x: expected at most 0 parameters, given 1; usage: prewitt-x"),
    (
        "Sobel-X:4",
        "sobel-x: expected size to be an odd number from 3 to 31, given '4'; usage: sobel-x:size=3",
    ),
    (
        "gaussian:sigm=2",
        "gaussian: expected a parameter called sigma, radius, sigma_y, sigma_x or angle, given 'sigm'; "
        "did you mean sigma?" + GAUSSIAN,
    ),
    ("gaussian:sigma=2,3", "gaussian: expected values by name after the first one by name, given '3'" + GAUSSIAN),
    ("gaussian:2,sigma=3", "gaussian: expected sigma once, given twice" + GAUSSIAN),
    (
        "gaussian:sigma_y=0,angle=30",
        "gaussian: expected sigma_y and sigma_x above 0 for an angle between the axes, given 0" + GAUSSIAN,
    ),
    ("laplacian:2", "laplacian: expected alpha to be a number from 0 to 1, given '2'; usage: laplacian:alpha=0"),
    (
        "gaussian-derivative:1,0.5",
        "gaussian-derivative: expected order_y to be a whole number from 0 to 10, given '0.5'; "
        "usage: gaussian-derivative:sigma=1,order_y=0,order_x=1,radius=int(4*sigma+0.5)",
    ),
    ("gaussian:1,2,3,4,5,6", "gaussian: expected at most 5 parameters, given 6" + GAUSSIAN),
    ("gaussian:wide", "gaussian: expected sigma to be a number above 0, given 'wide'" + GAUSSIAN),
    ("gaussian:", "gaussian: expected sigma to be a number above 0, given ''" + GAUSSIAN),
    ("gaussian:nan", "gaussian: expected sigma to be a number above 0, given 'nan'" + GAUSSIAN),
    ("gaussian:inf", "gaussian: expected sigma to be a number above 0, given 'inf'" + GAUSSIAN),
    ("gaussian:0", "gaussian: expected sigma to be a number above 0, given '0'" + GAUSSIAN),
    ("gaussian:-1", "gaussian: expected sigma to be a number above 0, given '-1'" + GAUSSIAN),
    ("gaussian:1,2.5", "gaussian: expected radius to be a whole number of at least 0, given '2.5'" + GAUSSIAN),
    ("gaussian:1,-1", "gaussian: expected radius to be a whole number of at least 0, given '-1'" + GAUSSIAN),
    ("gaussian:1e6", "gaussian: expected a kernel at most 4095 wide, given 8000001" + GAUSSIAN),
    ("gaussian:1e308", "gaussian: expected a kernel at most 4095 wide, given inf" + GAUSSIAN),
    ("gaussian:1,2048", "gaussian: expected a kernel at most 4095 wide, given 4097" + GAUSSIAN),
    ("identity:4", "identity: expected size to be an odd number of at least 1, given '4'; usage: identity:size=3"),
    ("identity:-1", "identity: expected size to be an odd number of at least 1, given '-1'; usage: identity:size=3"),
    ("box:0", "box: expected height to be a whole number of at least 1, given '0'" + BOX),
    ("box:4096", "box: expected a kernel at most 4095 wide, given 4096" + BOX),
    ("binomial:1e9", "binomial: expected a kernel at most 4095 wide, given 1000000000; usage: binomial:size=3"),
    ("disk:-1", "disk: expected radius to be a number of at least 0, given '-1'; usage: disk:radius=2"),
    ("motion:0", "motion: expected length to be a number of at least 1, given '0'; usage: motion:length=9,angle=0"),
    ("motion:9,up", "motion: expected angle to be a finite number, given 'up'; usage: motion:length=9,angle=0"),
    (
        "kirsch:up",
        "kirsch: expected direction to be one of n, ne, e, se, s, sw, w, nw, given 'up'; usage: kirsch:direction=n",
    ),
    ("dog:1,1", "dog: expected ratio to be a number above 1, given '1'; usage: dog:sigma=1,ratio=1.6"),
    (
        "dog:0.01",
        "dog: expected parameters that give finite weights, not all of them 0; usage: dog:sigma=1,ratio=1.6",
    ),
    ("gabor:1e-320", "gabor: expected parameters that give finite weights, not all of them 0" + GABOR),
    ("gabor:8,0,1e308", "gabor: expected a kernel at most 4095 wide, given inf" + GABOR),
]


@pytest.mark.parametrize(("text", "weights"), LITERAL, ids=[text for text, _ in LITERAL])
def test_weights_are_as_defined(text, weights):
    kernel = preset(text)
    assert kernel.weights.dtype == np.float64
    np.testing.assert_array_equal(kernel.weights, np.array(weights, np.float64))
    assert (kernel.name, kernel.bias, kernel.groups) == (text, None, 1)


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[repr(text) for text, _ in MISTAKES])
def test_mistakes_are_one_line(text, message):
    with pytest.raises(KernelError, match=f"^{re.escape(message)}$"):
        preset(text)


def test_every_preset_has_a_row_in_the_rank_table():
    assert RANKS.keys() == PRESETS.keys()
    assert all(name == found.name for name, found in PRESETS.items())


@pytest.mark.parametrize("name", PRESETS)
def test_weights_are_the_sum_of_the_factors(name):
    kernel = preset(name)
    assert len(kernel.factors) == RANKS[name]
    if kernel.factors:
        np.testing.assert_array_equal(kernel.weights, sum(np.outer(u, v) for u, v in kernel.factors))
        assert np.linalg.matrix_rank(kernel.weights) == RANKS[name]


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - {"gabor"}))
def test_blurs_sum_to_one_and_differences_to_zero(name):
    # Sums of up to 169 rounded weights.
    assert preset(name).weights.sum() == pytest.approx(float(name in SUM_ONE), abs=1e-14)


@pytest.mark.parametrize("name", PRESETS)
def test_each_call_returns_new_arrays(name):
    changed, expected = preset(name), preset(name).weights.copy()
    for array in (changed.weights, *(array for pair in changed.factors for array in pair)):
        array[:] = 7
    np.testing.assert_array_equal(preset(name).weights, expected)


@pytest.mark.parametrize("name", PRESETS)
def test_the_listed_defaults_are_the_defaults(name):
    plain = takewhile(lambda parameter: not parameter.is_derived, PRESETS[name].signature)
    text = ":".join(filter(None, (name, ",".join(parameter.default for parameter in plain))))
    np.testing.assert_array_equal(preset(text).weights, preset(name).weights)


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("gaussian", "gaussian:1,4"),
        ("gaussian:2.2", "gaussian:2.2,9"),
        ("log:2", "log:2,8"),
        ("gabor:6", "gabor:6,0,3"),
    ],
)
def test_derived_defaults_follow_their_formula(text, explicit):
    np.testing.assert_array_equal(preset(text).weights, preset(explicit).weights)


def test_parameters_and_usage_of_a_preset():
    gaussian = PRESETS["gaussian"]
    assert gaussian.parameters == {
        "sigma": "1",
        "radius": "int(4*sigma+0.5)",
        "sigma_y": "sigma",
        "sigma_x": "sigma",
        "angle": "0",
    }
    assert gaussian.usage == "gaussian:sigma=1,radius=int(4*sigma+0.5),sigma_y=sigma,sigma_x=sigma,angle=0"
    assert (PRESETS["prewitt-x"].parameters, PRESETS["prewitt-x"].usage) == ({}, "prewitt-x")


@pytest.mark.parametrize("family", GRADIENTS)
def test_x_grows_to_the_right_and_y_downwards(family):
    assert (signal.correlate2d(RIGHT, preset(f"{family}-x").weights, "valid") > 0).all()
    assert (signal.correlate2d(DOWN, preset(f"{family}-y").weights, "valid") > 0).all()


@pytest.mark.parametrize("family", GRADIENTS)
def test_x_ignores_changes_along_y_and_y_along_x(family):
    responses = (
        signal.correlate2d(DOWN, preset(f"{family}-x").weights, "valid"),
        signal.correlate2d(RIGHT, preset(f"{family}-y").weights, "valid"),
    )
    # The weights of frei-chen and farid are not whole, so their sums round.
    for response in responses:
        np.testing.assert_allclose(response, 0, rtol=0, atol=1e-14)


@pytest.mark.parametrize("family", ["kirsch", "compass"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_positive_side_faces_the_direction(family, direction):
    growing = RIGHT * (("e" in direction) - ("w" in direction)) + DOWN * (("s" in direction) - ("n" in direction))
    assert (signal.correlate2d(growing, preset(f"{family}:{direction}").weights, "valid") > 0).all()


@pytest.mark.parametrize("family", ["kirsch", "compass"])
@pytest.mark.parametrize("step", range(8))
def test_two_steps_rotate_by_90_degrees(family, step):
    rotated = preset(f"{family}:{DIRECTIONS[(step + 2) % 8]}").weights
    np.testing.assert_array_equal(rotated, np.rot90(preset(f"{family}:{DIRECTIONS[step]}").weights, -1))


@pytest.mark.parametrize("sigma", [0.3, 1, 1.7, 3.1])
def test_gaussian_agrees_with_scipy(sigma):
    image = np.random.default_rng(1).normal(size=(31, 37))
    ours = ndimage.correlate(image, preset(f"gaussian:{sigma}").weights, mode="mirror")
    # Two passes round differently from one.
    np.testing.assert_allclose(ours, ndimage.gaussian_filter(image, sigma, mode="mirror"), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("sigma_y", "sigma_x"), [(0, 2), (1.5, 0), (1.2, 2.6)])
def test_gaussian_of_two_widths_agrees_with_scipy(sigma_y, sigma_x):
    image = np.random.default_rng(4).normal(size=(31, 37))
    ours = ndimage.correlate(image, preset(f"gaussian:sigma_y={sigma_y},sigma_x={sigma_x}").weights, mode="mirror")
    expected = ndimage.gaussian_filter(image, (sigma_y, sigma_x), mode="mirror")
    # Two passes round differently from one.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-14)


def test_a_right_angle_swaps_the_axes_of_a_gaussian():
    turned = preset("gaussian:sigma_y=1,sigma_x=2,angle=90").weights
    np.testing.assert_array_equal(turned, preset("gaussian:sigma_y=2,sigma_x=1").weights)


def test_a_rotated_gaussian_has_its_covariance():
    weights = preset("gaussian:sigma_y=1.5,sigma_x=4,angle=30,radius=24").weights
    up, right = -(np.arange(49.0) - 24)[:, np.newaxis], np.arange(49.0) - 24
    moments = [(weights * a * b).sum() for a, b in ((right, right), (up, up), (right, up))]
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    expected = [16 * c * c + 2.25 * s * s, 16 * s * s + 2.25 * c * c, (16 - 2.25) * c * s]
    # Sums of samples up to six standard deviations are the integrals to many digits.
    np.testing.assert_allclose(moments, expected, rtol=1e-6)


@pytest.mark.parametrize("order", [(0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (5, 2)])
def test_gaussian_derivative_agrees_with_scipy_except_for_its_sum(order):
    image = np.random.default_rng(5).normal(size=(31, 37))
    weights = preset(f"gaussian-derivative:2,{order[0]},{order[1]}").weights
    expected = ndimage.gaussian_filter(image, 2, order=order, mode="mirror")
    # scipy's derivatives of even order sum to about 0.001.
    np.testing.assert_allclose(ndimage.correlate(image, weights, mode="mirror"), expected, rtol=0, atol=2e-3)


def test_the_pillbox_weights_pixels_by_their_area_in_the_disk():
    fine = 200
    at = (np.arange(7 * fine) + 0.5) / fine - 3.5
    inside = np.hypot(at[:, np.newaxis], at) <= 2.7
    areas = inside.reshape(7, fine, 7, fine).mean(axis=(1, 3))
    weights = preset("pillbox:2.7").weights
    # Counting the points of a fine grid is exact to about 1e-4 of a pixel.
    np.testing.assert_allclose(weights * math.pi * 2.7**2, areas, rtol=0, atol=5e-4)
    assert preset("pillbox:0.4").weights == 1


def test_the_comet_trails_behind_the_motion():
    point = np.zeros((31, 31))
    point[15, 15] = 1
    moving_right, moving_up = (ndimage.correlate(point, preset(f"comet:2,{angle}").weights) for angle in (0, 90))
    trail = np.exp(-(np.arange(9.0) ** 2) / 8)
    np.testing.assert_allclose(moving_right[15, 15:6:-1], trail / trail.sum(), rtol=0, atol=1e-15)
    np.testing.assert_allclose(moving_up, np.rot90(moving_right), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", PILLOW_FILTERS)
def test_filters_of_pillow_are_what_pillow_computes(name):
    kernel = preset(f"pillow:{name}")
    gray = np.random.default_rng(6).integers(100, 140, (9, 11), dtype=np.uint8)
    theirs = PIL.Image.fromarray(gray).filter(getattr(ImageFilter, name.upper().replace("-", "_")))
    exact = ndimage.correlate(gray.astype(float), kernel.weights) + (0 if kernel.bias is None else kernel.bias)
    # Pillow computes in float32, rounds halves up, and leaves the pixels of the border alone.
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(np.asarray(theirs)[inside], np.clip(exact, 0, 255)[inside], rtol=0, atol=0.501)


@pytest.mark.parametrize("sigma", [1, 1.7, 3.1])
def test_log_agrees_with_scipy_except_for_its_sum(sigma):
    image = np.random.default_rng(2).normal(size=(31, 37))
    ours = ndimage.correlate(image, preset(f"log:{sigma}").weights, mode="mirror")
    # Because scipy cuts its kernel off at four standard deviations, its sum is up to 0.003.
    np.testing.assert_allclose(ours, ndimage.gaussian_laplace(image, sigma, mode="mirror"), rtol=0, atol=5e-3)


def test_log_of_a_paraboloid_is_close_to_its_laplacian():
    response = ndimage.correlate((RIGHT**2 + DOWN**2)[:6, :6], preset("log:0.8,2").weights)[2:4, 2:4]
    # A Gaussian cut off at 2.5 standard deviations has lost a few percent of its second moment.
    np.testing.assert_allclose(response, 4, rtol=0.1)


def test_dog_is_the_difference_of_two_gaussians_on_one_support():
    expected = preset("gaussian:2,16").weights - preset("gaussian:4,16").weights
    np.testing.assert_array_equal(preset("dog:2,2").weights, expected)
    assert preset("dog:2,2").weights[16, 16] > 0


def test_unsharp_adds_the_difference_from_the_blur():
    image = np.random.default_rng(3).normal(size=(19, 23))
    expected = image + 1.5 * (image - ndimage.gaussian_filter(image, 1.2, mode="wrap"))
    ours = ndimage.correlate(image, preset("unsharp:1.2,1.5").weights, mode="wrap")
    # The same sums in another order.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)


def motion_by_distance(length, angle, reach):
    half, c, s = (length - 1) / 2, math.cos(math.radians(angle)), math.sin(math.radians(angle))
    line = np.zeros((2 * reach + 1, 2 * reach + 1))
    for row, column in np.ndindex(line.shape):
        x, y = column - reach, reach - row
        along = min(max(x * c + y * s, -half), half)
        line[row, column] = max(0, 1 - math.hypot(x - along * c, y - along * s))
    return line / line.sum()


@pytest.mark.parametrize(("length", "angle"), [(9, 45), (9, 30), (7.5, 120), (12, -17), (1, 33), (8, 200)])
def test_motion_falls_with_the_distance_to_the_segment(length, angle):
    weights = preset(f"motion:{length},{angle}").weights
    expected = motion_by_distance(length, angle, 8)
    top, left = (17 - weights.shape[0]) // 2, (17 - weights.shape[1]) // 2
    framed = np.pad(weights, ((top, top), (left, left)))
    np.testing.assert_allclose(framed, expected, rtol=0, atol=1e-14)


def test_motion_rotates_counterclockwise():
    assert preset("motion:9,30").weights[0, -1] > 0
    assert preset("motion:9,30").weights[0, 0] == 0


def gabor_by_definition(wavelength, angle, sigma, aspect, phase, extent):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    weights = np.zeros(extent)
    for row, column in np.ndindex(*extent):
        x, y = (extent[1] - 1) / 2 - column, (extent[0] - 1) / 2 - row
        along, across = x * c + y * s, y * c - x * s
        envelope = math.exp(-(along**2 + (aspect * across) ** 2) / (2 * sigma**2))
        weights[row, column] = envelope * math.cos(2 * math.pi * along / wavelength + math.radians(phase))
    return weights


@pytest.mark.parametrize(
    ("parameters", "extent", "rank"),
    [
        ((8, 0, 4, 1, 0), (25, 25), 1),
        ((8, 90, 4, 1, 0), (25, 25), 1),
        ((6, 30, 2, 1, 0), (11, 11), 2),
        ((6, 30, 2, 1, 50), (11, 11), 2),
        ((5, 0, 2, 0.5, 90), (25, 13), 1),
        ((5, 90, 2, 0.5, 20), (13, 25), 2),
        ((7, 30, 3, 0.5, 0), (33, 19), 0),
        ((7, -60, 3, 2, 70), (17, 9), 0),
    ],
)
def test_gabor_agrees_with_its_formula(parameters, extent, rank):
    kernel = preset("gabor:" + ",".join(map(str, parameters)))
    assert len(kernel.factors) == rank
    # The expanded cosine of a sum rounds differently from the cosine itself.
    np.testing.assert_allclose(kernel.weights, gabor_by_definition(*parameters, extent), rtol=0, atol=1e-14)


def test_gabor_rotates_clockwise():
    weights = preset("gabor:8,45").weights
    centre = weights.shape[0] // 2
    assert weights[centre + 3, centre + 3] < 0 < weights[centre + 3, centre - 3]
