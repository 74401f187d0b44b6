"""Tensors of other programs: equal ones hold, and each usual confusion is named."""

import numpy as np
import pytest
from support.geometries import integers

from convcli import conv2d, conv2d_grad
from convcli.check.comparison import compare, comparisons_to_json
from convcli.convolution.layers import shape_of
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import TransposedConvolution
from convcli.errors import GeometryError, OptionError
from convcli.geometry.fills import EdgeFill

# Integers, so that a tensor computed twice is the same.
V = integers((3, 9, 10), seed=1)
K = integers((3, 3, 2, 2), seed=2)
B = integers(3, seed=4)
OPTIONS = {"stride": 2, "padding": (1, 0, 0, 1), "edge": "reflect"}
Z = conv2d(V, K, B, **OPTIONS)
G = integers(Z.shape, seed=3)
OURS = conv2d_grad(V, K, G, bias=B, **OPTIONS)


def prepared(weights=K, bias=B, shape=V.shape, **options):
    return Convolution.of(weights, bias, **options).at(shape, np.float64)


def compared(tensor, theirs, tolerance=1e-5):
    return compare(prepared(**OPTIONS), V, G, tensor, theirs, tolerance)


@pytest.mark.parametrize(
    ("tensor", "ours"), [("output", Z), ("kernel", OURS.kernel), ("input", OURS.input), ("bias", OURS.bias)]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equal_tensors_hold(tensor, ours, dtype):
    for theirs in (ours, ours[None]):
        found = compared(tensor, theirs.astype(dtype))
        assert (found.holds, found.confusion) == (True, None)
        assert found.worst.relative <= 1e-7


CONFUSIONS = [
    ("kernel", OURS.kernel.swapaxes(0, 1), "has in and out channels swapped, (C_in, C_out, kh, kw)"),
    ("kernel", OURS.kernel.transpose(2, 3, 0, 1), "has channels last, (kh, kw, C_out, C_in)"),
    ("kernel", OURS.kernel.transpose(0, 2, 3, 1), "has channels last, (C_out, kh, kw, C_in)"),
    ("kernel", OURS.kernel[:, ::-1], "has its input channels in reverse order (BGR, as OpenCV reads pictures)"),
    ("kernel", OURS.kernel / 75, "is averaged over all 75 outputs, not summed"),
    ("kernel", OURS.kernel / 255, "is divided by 255: its pixel values were in 0..1"),
    ("kernel", np.pad(OURS.kernel, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=7), "has 1 row and 1 column "
     "too many, from the stride's remainder"),
    ("input", OURS.input[::-1], "has its channels in reverse order (BGR, as OpenCV reads pictures)"),
    ("input", OURS.input * 255, "is multiplied by 255: its pixel values were in 0..255"),
    ("output", conv2d(V, K.swapaxes(-1, -2), B, **OPTIONS), "is that of a kernel with rows and columns swapped"),
    ("bias", OURS.bias / 2, "is halved"),
    ("bias", OURS.bias * 2, "is doubled"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tensor", "theirs", "confusion"), CONFUSIONS, ids=[f"{row[0]} {row[2]}" for row in CONFUSIONS]
)
def test_usual_confusions_are_named(tensor, theirs, confusion):
    found = compared(tensor, theirs.astype(np.float32))
    assert (found.holds, found.confusion) == (False, confusion)


def test_an_input_gradient_without_the_remainder_of_the_stride():
    options = {"stride": 3, "padding": 0}
    G = integers(conv2d(V, K, **options).shape, seed=3)
    dV = conv2d_grad(V, K, G, **options).input
    found = compare(prepared(bias=None, **options), V, G, "input", dV[:, :8, :8], 1e-5)
    assert (
        found.confusion
        == "lacks the last 1 row and 2 columns, which no window reads (the stride's remainder): they are 0"
    )
    assert (found.worst, found.their_shape, found.our_shape) == (None, (3, 8, 8), (3, 9, 10))


def test_an_input_gradient_that_still_has_its_pads():
    options = {"padding": (2, 1, 0, 3)}
    G = integers(conv2d(V, K, **options).shape, seed=3)
    padded = conv2d_grad(np.pad(V, ((0, 0), (2, 1), (0, 3))), K, G).input
    found = compare(prepared(bias=None, **options), V, G, "input", padded, 1e-5)
    assert found.confusion.startswith(
        "still has its pads around it: crop 2 rows at the top, 1 at the bottom, 0 columns"
    )


def test_a_2d_kernel_whose_channels_were_not_summed():
    plane, bank = K[0, 0], np.broadcast_to(K[0, 0], (3, 1, 2, 2))
    G = integers(conv2d(V, plane).shape, seed=3)
    theirs = conv2d_grad(V, bank, G, groups=3).kernel
    found = compare(prepared(plane, None), V, G, "kernel", theirs, 1e-5)
    assert found.confusion == "is not summed over channels"


def test_a_wrong_tensor_has_no_confusion():
    found = compared("kernel", integers(K.shape, seed=5))
    assert (found.holds, found.confusion) == (False, None)
    found = compared("kernel", np.zeros((2, 2)))
    assert (found.holds, found.confusion, found.worst) == (False, None, None)


def test_single_numbers_need_many_digits():
    """One number of few digits is too often that of a confusion by chance."""
    numbers = prepared(np.array([[2.0]]), None)
    for factor, total, confusion in ((2, 6.0, None), (2, 617.25, "is doubled"), (0.7, 617.25, None)):
        W = np.full(V.shape, total / V.size)
        found = compare(numbers, W, np.ones(V.shape), "kernel", [[W.sum() * factor]], 1e-5)
        assert (found.holds, found.confusion) == (False, confusion)


def test_the_worst_entry_is_named():
    """Its difference is relative to the magnitudes of the terms that it is the sum of."""
    terms = conv2d_grad(np.abs(V), np.abs(K), np.abs(G), **OPTIONS).kernel
    theirs = OURS.kernel.copy()
    theirs[1, 2, 0, 1] += 0.5
    found = compared("kernel", theirs)
    worst = found.worst
    assert (worst.at, worst.ours, worst.theirs) == ((1, 2, 0, 1), OURS.kernel[1, 2, 0, 1], theirs[1, 2, 0, 1])
    assert np.isclose(worst.absolute, 0.5)
    assert np.isclose(worst.relative, 0.5 / terms[worst.at])
    document = comparisons_to_json([found], 1e-5, EdgeFill("wrap"))
    assert (document["holds"], document["tolerance"], document["edge"]) == (False, 1e-5, "wrap")
    assert document["comparisons"][0]["worst"] == worst._asdict()


@pytest.mark.parametrize(("off", "tolerance"), [(1e-9, 0), (9e-5, 1e-5), (2e-5, 1e-5)])
def test_a_slightly_larger_tensor_does_not_hold(off, tolerance):
    found = compared("kernel", OURS.kernel * (1 + off), tolerance)
    assert not found.holds
    assert found.confusion == (None if off < 1e-7 else f"is multiplied by {1 + off:.7g}")


def test_the_absolute_difference_counts_if_convclis_tensor_is_zero():
    zeros = prepared(np.zeros((2, 2)), None)
    Z = np.zeros((3, 8, 9))
    near, far = Z.copy(), Z.copy()
    near[1, 2, 3], far[1, 2, 3] = 1e-6, 1e-3
    for theirs, holds in ((near, True), (far, False)):
        found = compare(zeros, V, Z, "output", theirs, 1e-5)
        assert (found.holds, found.worst.relative) == (holds, None)


def test_scaled_and_reordered_inputs_are_named_beside_a_bias():
    theirs = conv2d(V / 255, K, B, **OPTIONS)
    assert compared("output", theirs).confusion == "was made from V / 255: pixel values in 0..1, not 0..255"
    theirs = conv2d(V[::-1], K, B, **OPTIONS)
    assert compared("output", theirs).confusion == "is that of a kernel with its input channels in reverse order"


@pytest.mark.parametrize("edge", ["replicate", "symmetric", "wrap"])
def test_another_edge_fill_is_named(edge):
    options = {"padding": (2, 3, 4, 2)}
    G = integers(conv2d(V, K, **options).shape, seed=3)
    theirs = conv2d_grad(V, K, G, **options, edge=edge).kernel
    assert compare(prepared(**options), V, G, "kernel", theirs, 1e-5).cure == f"`edge` {edge}"


@pytest.mark.parametrize(("padding", "words"), [("valid", "0"), ("same", "same"), ("full", "1")])
def test_another_padding_is_named(padding, words):
    theirs = conv2d(V, K, B, padding=padding)
    found = compare(prepared(padding=(3, 1, 0, 2)), V, G, "output", theirs, 1e-5)
    assert (found.confusion, found.cure) == (f"was made with padding {words}", f"`padding` {words}")


@pytest.mark.parametrize(
    ("axes", "confusion"),
    [
        ((3, 1, 2, 0, 4, 5), "has in and out channels swapped"),
        ((0, 2, 1, 3, 4, 5), "has rows and columns of the tiling transposed"),
        ((1, 2, 4, 5, 3, 0), "has channels last, (tr, tc, kh, kw, C_in, C_out)"),
    ],
)
def test_layouts_of_unshared_weights_are_named(axes, confusion):
    tiled = integers((3, 2, 2, 3, 2, 2), seed=2)
    dK = conv2d_grad(V, tiled, G, **OPTIONS).kernel
    assert compare(prepared(tiled, None, **OPTIONS), V, G, "kernel", dK.transpose(axes), 1e-5).confusion == confusion


def test_constant_bias_gradients_are_no_multiples():
    ones = np.ones(Z.shape)
    assert compare(prepared(**OPTIONS), V, ones, "bias", np.full(3, 7.0), 1e-5).confusion is None


def test_a_small_entry_beside_a_large_one_is_judged_by_its_own_terms():
    W = V.copy()
    W[:, :4] *= 1e4
    layer = Convolution.of(K).at(V.shape, np.float64)
    Z = conv2d(W, K)
    theirs = Z.copy()
    theirs[0, 7, 8] *= 1.001
    theirs[0, 7, 8] += 5
    found = compare(layer, W, np.ones(Z.shape), "output", theirs, 1e-5)
    assert abs(found.worst.absolute / np.abs(Z).max()) < 1e-5
    assert (found.holds, found.worst.at) == (False, (0, 7, 8))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_equal_numbers_that_are_not_finite_hold(number):
    W = V.copy()
    W[1, 4, 4] = number
    Z = conv2d(W, np.abs(K))
    layer = Convolution.of(np.abs(K)).at(V.shape, np.float64)
    assert compare(layer, W, np.ones(Z.shape), "output", Z, 1e-5).holds
    theirs = np.where(np.isfinite(Z), Z, 0)
    found = compare(layer, W, np.ones(Z.shape), "output", theirs, 1e-5)
    assert (found.holds, found.worst.absolute) == (False, np.inf)
    assert "the others lie in Z[0..2,3..4,3..4]" in found.confusion


def test_differences_within_the_tolerance_hold():
    theirs = OURS.kernel.copy()
    theirs[0, 0, 0, 0] += 1e-3 * np.abs(theirs).max()
    assert not compared("kernel", theirs).holds
    assert compared("kernel", theirs, tolerance=2e-3).holds


def test_text_is_refused_as_a_tensor():
    with pytest.raises(GeometryError, match=r"^your dK: expected real numbers, given an array of type <U1$"):
        compared("kernel", np.array(["x"]))


def random_layer(draw):
    """Return a prepared layer of any rank, transposed or not, with its V; None if the options do not fit."""
    groups, inputs, outputs = draw.integers(1, 3, 3).tolist()
    taps = draw.integers(1, 4, 2).tolist()
    bank = (groups * outputs, inputs, *taps)
    weights = [tuple(taps), bank, (bank[0], 2, 1, *bank[1:])][draw.integers(3)]
    groups = groups if len(weights) > 2 else 1
    options = {"stride": tuple(draw.integers(1, 4, 2).tolist()), "padding": draw.choice(["valid", "same", "full"])}
    options |= {
        "groups": groups,
        "edge": draw.choice(["zero", "reflect", "constant:2"]),
        "flip": bool(draw.integers(2)),
    }
    kind = [Convolution, TransposedConvolution][draw.integers(2)]
    leading = [(), (2,), (2, 1), (0,)][draw.integers(4)]
    channels = (inputs * groups, bank[0])[kind is TransposedConvolution]
    shape = (*leading, channels, *draw.integers(3, 8, 2).tolist())
    W = draw.standard_normal(shape if leading or channels > 1 else shape[1:])
    try:
        return kind.of(draw.standard_normal(weights), [None, 1.5][draw.integers(2)], **options).at(W.shape, float), W
    except (GeometryError, OptionError):
        return None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_no_layer_and_no_shape_make_the_search_fail(seed):
    """Nor are random numbers taken for a mistake."""
    draw = np.random.default_rng(seed)
    found = random_layer(draw)
    if found is None:
        return
    layer, W = found
    upstream = draw.standard_normal(layer.output_shape)
    for tensor in ("output", "kernel", "input", "bias"):
        shapes = (shape_of(layer, tensor), tuple(draw.integers(1, 5, draw.integers(0, 5)).tolist()))
        for shape in shapes:
            theirs = draw.standard_normal(shape)
            compared = compare(layer, W, upstream, tensor, theirs, 1e-5)
            assert compared.holds == (theirs.size == 0)
            assert compared.confusion is None, compared
