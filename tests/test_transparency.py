"""Compare the colours and the alpha of each rule for alpha with the formulas in plain numpy."""

import re

import numpy as np
import pytest
from scipy.ndimage import correlate
from support.reference import assert_same
from support.requests import convolved, planned, request_of
from support.requests import filtered as filtered_image
from support.storing import together

from convcli.apply.appearance import Appearance, prepare_image
from convcli.apply.combining import Combination
from convcli.apply.transparency import ALPHA_RULES, filter_with_alpha, require_fit
from convcli.errors import OptionError
from convcli.kernels.loading import load_kernel
from convcli.pictures.formats import format_of
from convcli.pictures.image import Image

# No flip, transpose or shift of it is the same kernel. It sums to 103.
ASYMMETRIC = np.array([[1, 2, 4], [8, -16, 32], [64, 3, 5.0]])
EDGES = np.array([[-3, 0, 1], [-5, 0, 7], [-1, 0, 1.0]])


def request(weights, bias=None, **options):
    kernel = load_kernel(weights) if isinstance(weights, str) else weights
    return request_of(kernel, bias, **{"padding": "same", "edge": "replicate", **options})


def passage(rule, request, V, alpha):
    require_fit(rule, request, alpha=alpha is not None)
    return filter_with_alpha(rule, request, planned(request, V), V, alpha)


def image(dtype=np.uint8, seed=1):
    """Colours and alpha; a third of the pixels is wholly transparent, a third wholly opaque."""
    random, full = np.random.default_rng(seed), np.iinfo(dtype).max
    values = random.integers(0, full, (4, 11, 13), dtype, endpoint=True)
    kind = random.integers(0, 3, values.shape[1:])
    return values[:3], np.select([kind == 0, kind == 1], [dtype(0), dtype(full)], values[3])


def each_channel(V, weights, **options):
    return np.stack([correlate(channel, weights, **{"mode": "nearest", **options}) for channel in V.astype(float)])


def as_levels(numbers, dtype):
    return np.rint(np.clip(numbers, 0, np.iinfo(dtype).max)).astype(dtype)


def stored(passed):
    return together(passed.store, passed.planned.geometry, np.float32)


DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


@DEPTHS
def test_keep(dtype):
    V, alpha = image(dtype)
    passed = passage("keep", request(ASYMMETRIC, bias=7), V, alpha)
    assert np.array_equal(stored(passed), (each_channel(V, ASYMMETRIC) + 7).astype(np.float32))
    assert_same(passed.alpha, alpha)


@DEPTHS
def test_filter(dtype):
    """Alpha is filtered like a colour channel, but without the bias, which belongs to colours."""
    V, alpha = image(dtype)
    passed = passage("filter", request(ASYMMETRIC / 128, bias=7), V, alpha)
    assert_close(stored(passed), each_channel(V, ASYMMETRIC / 128) + 7)
    assert_same(passed.alpha, as_levels(each_channel(alpha[np.newaxis], ASYMMETRIC / 128)[0], dtype))


def premultiplied(V, alpha, weights, bias=0.0, **options):
    """By the formula, pixel after pixel."""
    full = np.iinfo(alpha.dtype).max
    opacity = each_channel(alpha[np.newaxis], weights, **options)[0] / weights.sum() / full
    out = as_levels(full * opacity, alpha.dtype)
    weighted = each_channel(V * (alpha / full), weights, **options)
    Z = np.full(V.shape, bias)
    for at in zip(*np.nonzero(out), strict=True):
        Z[:, *at] += weighted[:, *at] / opacity[at]
    return Z, out


def assert_close(Z, expected):
    """Z was computed in float32, which rounds sums of terms that are as large as these by some 1e-6 of them."""
    np.testing.assert_allclose(Z, expected, rtol=2e-5, atol=1e-6 * np.abs(expected).max())


@DEPTHS
@pytest.mark.parametrize("weights", [ASYMMETRIC, ASYMMETRIC / 11, -ASYMMETRIC], ids=["whole", "scaled", "negative"])
def test_premultiply(dtype, weights):
    V, alpha = image(dtype)
    passed = passage("premultiply", request(weights, bias=-2.5), V, alpha)
    Z, out = premultiplied(V, alpha, weights, -2.5)
    assert_same(passed.alpha, out)
    assert_close(stored(passed), Z)
    assert 0 < np.count_nonzero(out) < out.size


@pytest.mark.parametrize("kernel", ["sobel-x", "laplacian", "log:1.3", "dog:1,2", EDGES / 7], ids=str)
def test_premultiply_by_a_kernel_that_sums_to_0(kernel):
    """There is nothing to divide by."""
    V, alpha = image()
    asked = request(kernel, bias=3)
    passed = passage("premultiply", asked, V, alpha)
    assert asked.gain == 0
    assert_close(stored(passed), each_channel(V * (alpha / 255), asked.kernel.weights) + 3)
    assert_same(passed.alpha, alpha)


@DEPTHS
@pytest.mark.parametrize("kernel", ["gaussian:1.3", "box:4", "unsharp:2", "binomial:5"])
def test_what_is_opaque_is_not_changed_by_premultiplying(dtype, kernel):
    """The results agree bit for bit. The fill zero is not tested, because its pads are transparent."""
    V, alpha = image(dtype)
    opaque = np.full_like(alpha, np.iinfo(dtype).max)
    for edge in ("replicate", "wrap", "reflect", "symmetric", "constant:9"):
        asked = request(kernel, edge=edge)
        passed = passage("premultiply", asked, V, opaque)
        # The same floats in the same layout, so that sums round the same way.
        assert_same(stored(passed), stored(passage("keep", asked, V.astype(np.float32), opaque)))
        assert_same(passed.alpha, opaque)


def test_hidden_colours_do_not_bleed():
    """Red where it is seen, green where it is not: whatever the kernel, what is seen is red."""
    _, alpha = image()
    V = np.zeros((3, *alpha.shape), np.uint8)
    V[0], V[1] = 255 * (alpha > 0), 255 * (alpha == 0)
    passed = passage("premultiply", request("gaussian:2", edge="zero"), V, alpha)
    Z = np.rint(stored(passed))
    assert np.array_equal(Z[0], 255 * (passed.alpha > 0))
    assert not Z[1:].any()
    assert np.rint(stored(passage("filter", request("gaussian:2"), V, alpha)))[1].max() > 50


@pytest.mark.parametrize(("edge", "beyond"), [("zero", (0, 0)), ("constant:40", (40, 255))])
def test_pads_are_transparent_zeros_or_an_opaque_colour(edge, beyond):
    V, alpha = image()
    weights = np.abs(ASYMMETRIC) / 135
    passed = passage("premultiply", request(weights, edge=edge), V, alpha)
    wide = [np.pad(V, ((0, 0), (2, 2), (2, 2)), constant_values=beyond[0]), np.pad(alpha, 2, constant_values=beyond[1])]
    Z, out = premultiplied(*wide, weights)
    assert_same(passed.alpha, out[2:-2, 2:-2])
    assert_close(stored(passed), Z[:, 2:-2, 2:-2])


@pytest.mark.parametrize("rule", ALPHA_RULES)
def test_strides(rule):
    """Alpha goes where the colours go. Opacities of 0 and 1 and weights in 256ths make every sum exact."""
    V, alpha = image()
    alpha = np.where(alpha < 128, 0, 255).astype(np.uint8)
    weights = np.abs(ASYMMETRIC) / 256
    sparse = passage(rule, request(weights, stride=(2, 3), padding=1), V, alpha)
    dense = passage(rule, request(weights, padding=1), V, alpha)
    assert_same(sparse.alpha, dense.alpha[::2, ::3])
    assert_same(stored(sparse), stored(dense)[:, ::2, ::3])


@pytest.mark.parametrize(
    ("rule", "gain"), [("mean", (103 + 20) / 2), ("sum", 123), ("max", 103), ("magnitude", np.sqrt(103**2 + 20**2))]
)
def test_premultiply_with_combined_kernels(rule, gain):
    """A colour that is the same wherever it is seen stays what the kernels make of it."""
    other = np.array([[5, 0, 3], [1, 4, 2], [0, 5, 0.0]])
    combination = Combination([request(ASYMMETRIC), request(other)], rule)
    assert combination.gain == gain
    _, alpha = image()
    V = np.where(alpha > 0, np.arange(10, 40, 10, np.uint8)[:, None, None], np.uint8(200))
    passed = passage("premultiply", combination, V, alpha)
    for Z, level in zip(stored(passed), (10, 20, 30), strict=True):
        np.testing.assert_allclose(Z[passed.alpha > 0], level * gain, rtol=2e-5)


def test_alpha_through_combined_edges_is_kept():
    V, alpha = image()
    combination = Combination([request("sobel-x"), request("sobel-y")], "magnitude")
    passed = passage("premultiply", combination, V, alpha)
    weighted = V * (alpha / 255)
    sobel = request("sobel-x").kernel.weights
    assert_close(stored(passed), np.hypot(each_channel(weighted, sobel), each_channel(weighted, sobel.T)))
    assert_same(passed.alpha, alpha)


@pytest.mark.parametrize("rule", ["filter", "premultiply"])
def test_banks_are_refused(rule):
    V, alpha = image()
    message = (
        f"`alpha` {rule} needs 2-D kernels, which can filter alpha like a channel: k has shape "
        "(2, 3, 1, 1); use `alpha` keep or drop"
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        passage(rule, request(np.ones((2, 3, 1, 1))), V, alpha)


def test_a_bias_within_a_combination_is_refused():
    V, alpha = image()
    message = (
        "`alpha` premultiply adds a bias after dividing by alpha, and `combine` needs it before: omit the bias, "
        "or use `alpha` keep or drop"
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        passage("premultiply", Combination([request("box"), request("box", bias=1)], "max"), V, alpha)


def test_without_alpha_all_do_the_same():
    V, alpha = image()
    results = [passage(rule, request(ASYMMETRIC), V, None) for rule in ALPHA_RULES]
    for passed in results:
        assert passed.alpha is None
        assert_same(stored(passed), convolved(request(ASYMMETRIC), V))
    assert prepare_image(Image(V, alpha), Appearance(alpha="drop")).alpha is None


def test_what_nobody_sees_is_not_counted_as_clipped():
    """Outside a sharpened silhouette alpha is below 0, so the colours there are never seen."""
    V, alpha = np.full((3, 9, 20), 250, np.uint8), np.zeros((9, 20), np.uint8)
    alpha[:, 8:] = 255
    filtered = filtered_image(
        Image(V, alpha), request("unsharp:2,3"), Appearance(alpha="premultiply"), format_of("png")
    )
    assert filtered.warnings == ()
    assert np.array_equal(filtered.maps.values, np.broadcast_to(250 * (filtered.alpha > 0), V.shape))


def test_an_image_of_16_bits_keeps_an_alpha_of_16_bits():
    V, alpha = image(np.uint16)
    filtered = filtered_image(Image(V[:1], alpha), request("box"), Appearance(alpha="premultiply"), format_of("tiff"))
    Z, out = premultiplied(V[:1], alpha, np.full((3, 3), 1 / 9))
    assert_same(filtered.alpha, out)
    assert np.abs(filtered.maps.values - Z).max() <= 0.51
