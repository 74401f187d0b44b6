"""What ``auto`` stands for, by kernel, image and format."""

import numpy as np
import pytest
from support.command_line import SAMPLES, convcli, save_picture
from support.pictures import random_pixels

from convcli import OptionError, conv2d, filter_image, load_kernel
from convcli.apply.appearance import Appearance
from convcli.apply.combining import Combination
from convcli.apply.defaults import alpha_rule, range_and_gain
from convcli.apply.filtering import apply_filter, plan_filter
from convcli.convolution.prepared import Convolution
from convcli.convolution.request import Request
from convcli.kernels.kernel import Kernel
from convcli.pictures.formats import format_of
from convcli.pictures.image import Header, Image

PNG = format_of("png")
EDGES = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
EDGE_PRESETS = ["sobel-x", "prewitt-y", "scharr-x", "roberts-y", "kirsch:ne", "laplacian", "laplacian8", "log:2", "dog"]


def request(kernel, bias=None):
    K = load_kernel(kernel) if isinstance(kernel, str) else kernel
    return Request("k", Convolution.of(K, bias, padding="same", edge="replicate"))


def chosen(*kernels, dtype=np.uint8, format="png", bias=None, range="auto", combine="magnitude"):
    requests = [request(kernel, bias) for kernel in kernels]
    wanted = requests[0] if len(requests) == 1 else Combination(requests, combine)
    return range_and_gain(range, wanted, Header((3, 9, 9), np.dtype(dtype)), format_of(format))


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("sobel-x", ("abs", 1)),
        ("laplacian", ("abs", 1)),
        ("laplacian8", ("abs", 0.5)),
        ("prewitt-x", ("abs", 8 / 6)),
        ("scharr-y", ("abs", 0.25)),
        ("gaussian:2", ("clip", 1)),
        ("sharpen", ("clip", 1)),
        ("emboss", ("clip", 1)),
        (EDGES * 3, ("abs", 1 / 3)),
        # At most 2 % of the sum of magnitudes, 200 and 201 of 10,000.
        ([[5100, -4900]], ("abs", 8 / 10_000)),
        ([[5101, -4900]], ("clip", 1)),
        ([[0.0, 0.0]], ("clip", 1)),
        # Each output channel of a bank, over all of its input channels.
        ([[[[1, 2]], [[-3, 0]]], [[[8, -4]], [[-4, 0]]]], ("abs", 0.5)),
        ([[[[1, 2]], [[-3, 0]]], [[[8, -4]], [[4, 0]]]], ("clip", 1)),
    ],
)
def test_auto_follows_the_weights(kernel, expected):
    mode, gain = chosen(kernel)
    # Presets compute their weights in floats.
    assert (mode, gain) == (expected[0], pytest.approx(expected[1], rel=1e-12))


def test_auto_follows_the_format_and_the_depth():
    assert chosen("sobel-x", format="npy") == ("raw", 1)
    assert chosen("sobel-x", format="tiff") == ("abs", 1)
    assert chosen("sobel-x", format="tiff", dtype=np.float32) == ("raw", 1)
    assert chosen("box", format="tiff", dtype=np.int16) == ("raw", 1)
    assert chosen("box", format="png", dtype=np.float32) == ("clip", 1)


def test_a_bias_is_no_edge():
    assert chosen("sobel-x", bias=3) == ("clip", 1)
    assert chosen("sobel-x", bias=0) == ("abs", 1)


def test_every_combined_kernel_counts():
    assert chosen("sobel-x", "sobel-y") == ("abs", 1)
    assert chosen("sobel-x", "scharr-y") == ("abs", 0.25)
    assert chosen("sobel-x", "box", combine="max") == ("clip", 1)


@pytest.mark.parametrize("range", ["clip", "abs", "offset", "minmax", "raw"])
def test_a_range_that_is_given_has_no_gain(range):
    assert chosen("scharr-x", range=range) == (range, 1)


@pytest.mark.parametrize(
    ("kernels", "bias", "rule"),
    [
        (["gaussian:2"], None, "premultiply"),
        ([[[0, 0], [1, 3]]], None, "premultiply"),
        (["gaussian:2"], 3, "premultiply"),
        (["box", "disk:3"], None, "premultiply"),
        (["box", "disk:3"], 3, "keep"),
        (["box", "sharpen"], None, "keep"),
        (["sobel-x"], None, "keep"),
        (["identity"], None, "keep"),
        ([[[0.0, 0.0]]], None, "keep"),
        ([np.ones((2, 3, 1, 1))], None, "keep"),
    ],
)
def test_alpha_follows_the_signs_of_the_weights(kernels, bias, rule):
    requests = [request(kernel, bias) for kernel in kernels]
    wanted = requests[0] if len(requests) == 1 else Combination(requests, "mean")
    assert alpha_rule("auto", wanted) == rule
    assert alpha_rule("filter", wanted) == "filter"


def test_a_blur_has_no_halo_of_hidden_colours():
    """Green is hidden to the right of a red square."""
    V, alpha = np.zeros((3, 9, 12), np.uint8), np.zeros((9, 12), np.uint8)
    V[1], V[0, :, :6], V[1, :, :6], alpha[:, :6] = 255, 200, 0, 255
    found = apply_filter(plan_filter(request("gaussian:1"), Image(V, alpha).header, Appearance(), PNG), Image(V, alpha))
    visible = found.alpha > 0
    assert np.abs(found.maps.values[0][visible] - 200.0).max() <= 1
    assert found.maps.values[1][visible].max() == 0
    assert visible.sum() > 6 * 9
    assert "`alpha` auto is premultiply, because no weight is negative" in found.notes


def test_the_levels_are_magnitudes_times_the_gain():
    V = np.array([[[0, 40, 200, 30], [10, 90, 250, 0], [7, 7, 7, 100]]], np.uint8)
    padded = np.pad(V[0].astype(float), 1, "edge")
    Z = sum(padded[y : y + 3, x : x + 4] * (3 * EDGES)[y, x] for y in range(3) for x in range(3))
    found = filter_image(V, 3 * EDGES)
    assert np.abs(found.maps.values[0] - np.clip(np.abs(Z) / 3, 0, 255)).max() <= 0.5
    assert found.maps.statistics[0].low == Z.min()
    assert found.notes == ("`range` auto is abs, times 0.333, because the weights sum to 0",)


@pytest.mark.parametrize("picture", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg"])
def test_edges_of_photographs_are_visible_and_not_blown_out(picture):
    for preset in EDGE_PRESETS:
        found = filter_image(SAMPLES / picture, preset)
        levels = found.maps.values
        assert np.percentile(levels, 99) >= 100, preset
        assert sum(each.clipped for each in found.maps.statistics) <= 0.035 * levels.size, preset


def test_floats_stay_floats_in_tiff(tmp_path):
    V = np.array([[[0.25, -3.5], [1e6, 0.0]]], np.float32)
    found = filter_image(V, "identity", format="tiff")
    assert found.maps.values.dtype == np.float32
    assert np.array_equal(found.maps.values, V)


def white_taken(V, **options):
    """Return the note about white, and the levels of V as a picture."""
    found = filter_image(V, [[1.0]], **options)
    notes = [note for note in found.notes if note.startswith("white")]
    return notes, found.maps.values


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("values", "white"),
    [
        ([0.0, 0.5, 1.0], 1),
        ([0.25, -1.5, np.nan], 1),
        ([0.0, 0.0, 0.0], 1),
        ([np.nan, np.inf, -np.inf], 1),
        ([3.0, 16.0, 1.0], 255),
        ([0.5, -200.0, np.inf], 255),
    ],
)
def test_floats_are_judged_by_their_largest_magnitude(values, white, dtype):
    V = np.array([[values]], dtype)
    notes, levels = white_taken(V)
    assert notes == [f"white is taken to be {white}, by the largest magnitude: `white` sets it"]
    expected = np.clip(np.nan_to_num(V.astype(float), posinf=1e9, neginf=-1e9) * 255 / white, 0, 255)
    assert np.abs(levels - expected).max() <= 0.5


def test_white_is_a_guess_unless_it_is_given():
    V = np.array([[[0.0, 1.0]]])
    guessed = filter_image(V, "identity")
    assert guessed.remarks == guessed.notes[:1]
    for options in ({"white": 1}, {"unit": True}, {"format": "npy"}):
        assert filter_image(V, "identity", **options).remarks == ()
    assert filter_image(V.astype(np.uint8), "identity").remarks == ()


UNDONE = "`range` auto shows all edges at one gain, which undoes `divisor`: use `range` abs"


@pytest.mark.parametrize(
    ("kernel", "range", "format", "told"),
    [
        ("sobel-x", "auto", "png", (UNDONE,)),
        ("sobel-x", "abs", "png", ()),
        ("sobel-x", "auto", "npy", ()),
        ("box", "auto", "png", ()),
    ],
)
def test_a_divisor_that_the_gain_of_edges_undoes_is_told(kernel, range, format, told):
    image = Image(random_pixels(3))
    rescaled = request(kernel)._replace(rescaled_by="divisor")
    found = apply_filter(plan_filter(rescaled, image.header, Appearance(range=range), format_of(format)), image)
    assert found.remarks == told


def test_normalize_is_told_by_its_flag(tmp_path):
    save_picture(tmp_path / "in.png", random_pixels(3))
    done = convcli("apply", "in.png", "-k", "sobel-x", "--normalize", "-o", "out.png", cwd=tmp_path)
    line = "note: in.png: --range auto shows all edges at one gain, which undoes --normalize: use --range abs"
    assert f"convcli: {line}\n" in done.err


ABOVE = "most values are above 255, which is taken to be white: if white is {0:g}, add `white` {0:g}"


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize(
    ("values", "options", "warned"),
    [
        ([0, 300, 65535], {}, True),
        ([0, 300, 4095], {}, True),
        ([-9999, 300, 2e9], {}, True),
        ([0, 255, 65535], {}, False),
        ([0, 300, 65535], {"white": 65535}, False),
        ([0, 300, 65535], {"range": "minmax"}, False),
        ([0, 300, 65535], {"format": "npy"}, False),
    ],
)
def test_levels_of_16_bits_in_other_types_are_doubted(values, options, warned, dtype):
    found = filter_image(np.array([[values]], dtype), "identity", **options)
    assert found.losses == (ABOVE.format(max(values)),) * warned


@pytest.mark.parametrize(
    ("value", "others", "options", "warned"),
    [
        (0.5, 1, {}, True),
        (-0.5, 1, {}, True),
        (0.5, 2, {}, False),
        (2, 1, {}, False),
        (0, 1, {}, False),
        (0.5, 1, {"white": 255}, False),
        (0.5, 1, {"format": "npy"}, False),
    ],
)
def test_one_bright_pixel_does_not_make_floats_black_in_silence(value, others, options, warned):
    V = np.full((1, 10, 10), value, np.float32)
    V[0, 0, :others] = 20
    found = filter_image(V, "identity", **options)
    black = "most values are at most 1.5, and white is taken to be 255, so that the picture is nearly black"
    assert found.losses == (f"{black}: if white is 1, add `white` 1",) * warned


@pytest.mark.parametrize(
    ("values", "options", "warned"),
    [
        ([0, 0.0005, 0.001], {}, True),
        ([0, -0.001, np.nan], {}, True),
        ([0, 0.02], {}, False),
        ([0, 0], {}, False),
        ([0, 0.001], {"white": 1}, False),
        ([0, 0.001], {"range": "minmax"}, False),
        ([0, 0.001], {"format": "npy"}, False),
    ],
)
def test_small_floats_would_be_nearly_black(values, options, warned):
    found = filter_image(np.array([[values]], np.float32), "identity", **options)
    black = "no value is above 0.001, and white is 1, so that the picture is nearly black: add `white` 0.001"
    assert [each for each in found.losses if "black" in each] == [black] * warned


DARK = "no value is above 1, and white is {white}, so that the picture is nearly black: add `white` 1"


@pytest.mark.parametrize(
    ("values", "dtype", "options", "white"),
    [
        ([0, 1], np.uint8, {}, 255),
        ([0, 1], np.uint16, {}, 65535),
        ([-1, 0], np.int64, {}, 255),
        ([0, 1], np.uint8, {"white": 1}, None),
        ([0, 1], np.uint8, {"format": "npy"}, None),
        ([0, 2], np.uint8, {}, None),
        ([0, 0], np.uint8, {}, None),
        ([0, 1], np.float32, {}, None),
    ],
)
def test_a_mask_of_whole_numbers_would_be_nearly_black(values, dtype, options, white):
    found = filter_image(np.array([[values]], dtype), "identity", **options)
    assert [each for each in found.warnings if "nearly black" in each] == ([DARK.format(white=white)] if white else [])


def test_a_dark_picture_is_no_mask():
    image = Image(np.array([[[0, 1]]], np.uint8))
    found = apply_filter(plan_filter(request("identity"), image.header, Appearance(), PNG), image)
    assert found.warnings == ()


@pytest.mark.parametrize("largest", [1.6, 4, 15.9])
def test_floats_between_are_refused(largest):
    message = rf"^cannot tell which value is white in floats of up to {largest} .*: add `white` {largest}, or another"
    with pytest.raises(OptionError, match=message):
        filter_image(np.array([[[0.0, -float(largest)]]]), "identity")


def test_white_can_be_given():
    V = np.array([[[0.0, 1.0, 4.0, 5.0]]])
    notes, levels = white_taken(V, white=4)
    assert notes == []
    assert levels.tolist() == [[[0, 64, 255, 255]]]
    assert white_taken(V.astype(np.uint8), white=5)[1].tolist() == [[[0, 51, 204, 255]]]
    assert white_taken(V, white=4, unit=True)[1].tolist() == [[[0, 64, 255, 255]]]


def test_the_whole_picture_is_judged():
    """The greatest number comes last, beyond the rows that are read at once."""
    V = np.zeros((1, 600, 2))
    V[0, -1, -1] = 200
    assert white_taken(V)[1].max() == 200


def test_white_is_not_asked_for_where_no_levels_are_made():
    V = np.array([[[0.0, 4.0]]])
    assert np.array_equal(filter_image(V, "identity", format="npy").maps.values, V)
    assert np.array_equal(filter_image(V, "identity", format="tiff").maps.values, V)
    assert np.array_equal(filter_image(V, "identity", format="npy", unit=True).maps.values, V)


@pytest.mark.parametrize("white", [0, -1, np.inf, np.nan])
def test_white_is_a_positive_number(white):
    with pytest.raises(OptionError, match="white: expected a finite number above 0"):
        filter_image(np.ones((1, 2, 2)), "box", white=white)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_is_not_rounded_before_the_convolution(dtype):
    V = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, (3, 12, 9), dtype, endpoint=True)
    gray = np.einsum("cyx,c->yx", V.astype(float), (0.299, 0.587, 0.114))
    Z = filter_image(V, "sobel-x", gray=True, format="npy").maps.values
    expected = conv2d(gray, load_kernel("sobel-x"), padding="same", edge="replicate")
    np.testing.assert_allclose(Z[0], expected, rtol=0, atol=np.iinfo(dtype).max * 2**-20)


def test_an_unknown_range_is_refused():
    with pytest.raises(OptionError, match="range: expected auto, clip, abs, offset, minmax or raw, given 'rough'"):
        filter_image(np.ones((1, 3, 3)), Kernel("k", EDGES), range="rough")
