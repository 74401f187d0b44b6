"""Transposed convolution against plain loops, the sparse matrix, scipy, and the identities that define it."""

import numpy as np
import pytest
from scipy.signal import convolve2d
from scipy.sparse import csr_array
from support import reference
from support.geometries import CASES, COPYING_FILLS, integers, operands
from support.reference import assert_adjoint, assert_same, central_differences

from convcli import Execution, Kernel, TransposedConvolution, conv2d, conv2d_grad, conv2d_matrix, conv2d_transpose
from convcli.errors import GeometryError, OptionError

each_case = pytest.mark.parametrize("case", CASES, ids=str)
BANK = (6, 2, 3, 2)


def scattered(V, K, bias, stride, padding, output_padding, groups, dilation):
    """Compute torch's conv_transpose2d by plain loops: add each pixel times the kernel to an array, then crop it.

    V: (N, C_in, H, W).  K: (C_in, C_out/groups, kh, kw).  All options but groups are pairs.
    """
    taps, into = K.shape[2:], len(K) // groups
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, taps, strict=True)]
    whole = [(n - 1) * s + r for n, s, r in zip(V.shape[2:], stride, reach, strict=True)]
    Z = np.zeros((len(V), K.shape[1] * groups, *(n + extra for n, extra in zip(whole, output_padding, strict=True))))
    for n, i, j, k in np.ndindex(*V.shape):
        for o, p, q in np.ndindex(*K.shape[1:]):
            place = (j * stride[0] + p * dilation[0], k * stride[1] + q * dilation[1])
            Z[n, i // into * K.shape[1] + o, *place] += V[n, i, j, k] * K[i, o, p, q]
    rows, columns = (slice(pad, Z.shape[2 + axis] - pad) for axis, pad in enumerate(padding))
    return Z[:, :, rows, columns] + bias.reshape(-1, 1, 1)


@each_case
def test_every_stride_padding_dilation_group_and_fill(case):
    _, K, G = operands(case)
    bias = integers(case.V[1:2], seed=4)
    _, dV, _ = reference.conv2d_grad(np.zeros(case.V), K, G, **case.plain)
    assert_same(conv2d_transpose(G, K, bias, output_shape=case.V[2:], **case.options), dV + bias.reshape(-1, 1, 1))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "extra"),
    [
        ((1, 1), (0, 0), (1, 1), (0, 0)),
        ((2, 3), (0, 0), (1, 1), (1, 2)),
        ((2, 1), (1, 1), (1, 2), (0, 1)),
        ((2, 2), (1, 0), (3, 4), (2, 3)),
        ((1, 1), (2, 1), (3, 5), (2, 4)),
        ((1, 2), (0, 1), (4, 4), (3, 0)),
        ((3, 2), (3, 1), (2, 5), (2, 4)),
        ((4, 4), (1, 1), (1, 1), (3, 3)),
    ],
)
def test_output_padding_is_that_of_torch(stride, padding, dilation, extra):
    """It may be the stride or more, up to the dilation."""
    V, K, bias = integers((2, 6, 4, 5), seed=1), integers(BANK, seed=2), integers((4,), seed=3)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
    expected = scattered(V, K, bias, output_padding=extra, **options)
    assert_same(conv2d_transpose(V, K, bias, output_padding=extra, **options), expected)
    assert_same(conv2d_transpose(V, K, bias, output_shape=expected.shape[2:], **options), expected)


@pytest.mark.parametrize("edge", COPYING_FILLS)
def test_pads_that_crop_change_no_copies(edge):
    """An output_padding of a stride or more takes whole strides from the pads after the image."""
    V, K, options = integers((1, 3, 3), seed=1), integers((2, 2), seed=2), {"dilation": 3, "padding": (0, 2, 2, 1)}
    found = conv2d_transpose(V, K, output_padding=(2, 0), edge=edge, **options)
    dV = conv2d_grad(found, K, V, stride=1, dilation=3, padding=(0, 0, 2, 1), edge=edge, wrt="input").input
    assert_same(found, dV)


@pytest.mark.parametrize(
    ("padding", "stride", "taps", "size"),
    [
        ("valid", 2, 3, 9),
        ("valid", 3, 1, 10),
        ("full", 1, 3, 2),
        ("full", 2, 3, 5),
        ("same", 1, 3, 4),
        ("same", 2, 3, 8),
        ("same", 3, 2, 12),
        ("same-lower", 3, 4, 12),
        ((1, 2), 2, 3, 6),
        (1, 2, 4, 8),
    ],
)
def test_the_default_size(padding, stride, taps, size):
    """It is the least, and for ``same`` the stride times the input's; each possible size gives back the input's."""
    V, K = np.ones((4, 4)), np.ones((taps, taps))
    options = {"stride": stride, "padding": padding if isinstance(padding, str | int) else (*padding, *padding)}
    assert conv2d_transpose(V, K, **options).shape == (size, size)
    (rows, _) = TransposedConvolution.of(K, **options).at(V.shape, np.float64).sizes
    assert len(rows) == stride
    assert size == (rows[-1] if "same" in str(padding) else rows[0])
    for n in rows:
        assert conv2d(np.ones((n, n)), K, **options).shape == V.shape
    for n in (rows[0] - 1, rows[-1] + 1):
        assert n < taps or conv2d(np.ones((n, n)), K, **options).shape != V.shape


def test_a_dilation_does_not_enlarge_same():
    """Its pads depend on the size, so that another size has another number of outputs."""
    V, K = np.ones((4, 4)), np.ones((3, 3))
    assert conv2d_transpose(V, K, padding="same", dilation=3).shape == (4, 4)
    with pytest.raises(GeometryError, match=r"^output_padding: expected 0 rows and 0 columns beyond the least size"):
        conv2d_transpose(V, K, padding="same", dilation=3, output_padding=1)


@pytest.mark.parametrize("edge", ["zero", "constant:3", *COPYING_FILLS])
def test_the_transposed_matrix(edge):
    options = {"stride": (2, 3), "padding": (2, 1, 0, 3), "dilation": (2, 1), "groups": 2, "edge": edge}
    shape, K = (4, 7, 8), integers(BANK, seed=1)
    M = conv2d_matrix(K, shape, **options)
    V = integers(M.output_shape, seed=2)
    expected = csr_array((M.data, M.indices, M.indptr), M.shape).T @ V.reshape(-1)
    assert_same(conv2d_transpose(V, K, output_shape=shape[1:], **options), expected.reshape(shape))


@pytest.mark.parametrize("padding", ["valid", "same", "same-lower", "full", (1, 0, 2, 3)])
def test_the_identity_that_defines_it(padding):
    options = {"stride": (2, 1), "padding": padding, "edge": "reflect", "flip": True, "groups": 3}
    draw = np.random.default_rng(1).standard_normal
    V, K = draw((2, 6, 8, 9)), draw((3, 2, 3, 4))
    Z = conv2d(V, K, **options)
    G = draw(Z.shape)
    assert_adjoint(G, Z, V, conv2d_transpose(G, K, output_shape=(8, 9), **options))


def test_scipy():
    """Put zeros between the pixels, then convolve: a transposed convolution with stride, by its other name."""
    V, K = integers((5, 4), seed=1), integers((3, 4), seed=2)
    spread = np.zeros((9, 10))
    spread[::2, ::3] = V
    assert_same(conv2d_transpose(V, K, stride=(2, 3)), convolve2d(spread, K))
    assert_same(conv2d_transpose(V, K, stride=(2, 3), flip=True), convolve2d(spread, K[::-1, ::-1]))


def test_a_plane_kernel_transposes_every_channel_alone():
    V, K = integers((2, 3, 4, 5), seed=1), integers((3, 2), seed=2)
    found = conv2d_transpose(V, K, 5.0, stride=2, padding=1)
    for place in np.ndindex(2, 3):
        assert_same(found[place], conv2d_transpose(V[place], K, stride=2, padding=1) + 5)


def test_tiled_weights():
    K, V = integers((4, 2, 3, 1, 3, 2), seed=1), integers((4, 5, 6), seed=2)
    options = {"stride": (2, 1), "padding": 1, "groups": 2}
    dV = conv2d_grad(np.zeros((2, 10, 5)), K, V, wrt="input", **options).input
    assert_same(
        conv2d_transpose(V, K, [1.0, 2.0], output_padding=(1, 0), **options), dV + np.array([1.0, 2.0]).reshape(2, 1, 1)
    )


def test_batches_have_any_number_of_images():
    V, K = integers((2, 3, 6, 4, 5), seed=1), integers(BANK, seed=2)
    found = conv2d_transpose(V, K, groups=2)
    assert_same(found[1, 2], conv2d_transpose(V[1, 2], K, groups=2))
    assert conv2d_transpose(V[:0], K, groups=2).shape == (0, 3, 4, 6, 6)
    assert conv2d_transpose(np.ones((4, 5)), K[:1]).shape == (2, 6, 6)


def test_biases():
    V, K = np.zeros((6, 2, 2)), np.zeros(BANK)
    units = integers((4, 4, 3), seed=1)
    assert_same(conv2d_transpose(V, K, units, groups=2), units)
    assert_same(conv2d_transpose(V, Kernel("k", K, np.array([1.0, 2, 3, 4]), groups=2))[:, 0, 0], np.arange(1.0, 5))
    with pytest.raises(GeometryError, match=r"^bias: expected a number, \(4,\) or \(4, 4, 3\), given shape \(6,\)$"):
        conv2d_transpose(V, K, np.zeros(6), groups=2)


@pytest.mark.parametrize(
    ("given", "weights", "requested", "expected"),
    [
        (np.uint8, 1, None, np.float32),
        (np.float32, 1, None, np.float32),
        (np.float64, 1, None, np.float64),
        (np.int64, 1, None, np.float64),
        (np.uint16, 1, None, np.float64),
        (np.uint16, 0.5, None, np.float32),
        (np.uint16, 1, "float32", np.float32),
        (np.float32, 1, "float64", np.float64),
        (np.uint8, 200, "uint8", np.uint8),
    ],
)
def test_types(given, weights, requested, expected):
    Z = conv2d_transpose(np.ones((2, 2), given), np.full((2, 2), weights), stride=1, dtype=requested)
    assert Z.dtype == expected
    assert Z[1, 1] == min(4 * weights, 255 if expected == np.uint8 else np.inf)


def test_infinite_and_nan_pixels_stay_in_their_windows():
    V = np.ones((3, 3))
    V[0, 0], V[2, 2] = np.inf, np.nan
    Z = conv2d_transpose(V, np.array([[1.0, 2.0], [3.0, 4.0]]), -1.0, stride=2)
    assert np.isinf(Z[:2, :2]).all()
    assert np.isnan(Z[4:, 4:]).all()
    assert np.isfinite(Z).sum() == 36 - 8
    rounded = conv2d_transpose(V, np.array([[1.0, 2.0], [3.0, 4.0]]), -1.0, stride=2, dtype="uint8")
    assert rounded.tolist()[0] == [255, 255, 0, 1, 0, 1]


def test_sums_of_16_bit_integers_are_exact():
    V = np.full((9, 9), 65535, np.uint16)
    Z = conv2d_transpose(V, np.full((9, 9), 255))
    assert Z[8, 8] == 81 * 65535 * 255


class TestGradients:
    @pytest.mark.parametrize("edge", ["zero", "constant:2", "symmetric"])
    @pytest.mark.parametrize("flip", [False, True])
    def test_central_differences(self, edge, flip):
        V, K, b = integers((2, 4, 2, 3), seed=1), integers((4, 1, 3, 2), seed=2), integers((2,), seed=3)
        options = {"stride": (2, 1), "padding": (1, 2, 0, 1), "dilation": (1, 2), "groups": 2}
        options |= {"output_padding": (1, 0), "edge": edge, "flip": flip}
        prepared = TransposedConvolution.of(K, b, **options).at(V.shape, np.float64)
        G = integers(prepared.output_shape, seed=4)
        found = prepared.gradients(V, G, prepared.plan_gradients())
        for gradient, parameter, loss in (
            (found.kernel, K, lambda K: np.vdot(G, conv2d_transpose(V, K, b, **options))),
            (found.input, V, lambda V: np.vdot(G, conv2d_transpose(V, K, b, **options))),
            (found.bias, b, lambda b: np.vdot(G, conv2d_transpose(V, K, b, **options))),
        ):
            assert_same(gradient, central_differences(loss, parameter))

    def test_a_convolution_computes_them_too(self):
        V, K = integers((6, 3, 4), seed=1), integers(BANK, seed=2)
        options = {"stride": 2, "padding": "same", "groups": 2, "edge": "reflect"}
        prepared = TransposedConvolution.of(K, **options).at(V.shape, np.float64)
        U = integers(prepared.output_shape, seed=3)
        found = prepared.gradients(V, U, prepared.plan_gradients("kernel,input"))
        assert_same(found.input, conv2d(U, K, **options))
        assert_same(found.kernel, conv2d_grad(U, K, V, wrt="kernel", **options).kernel)

    def test_only_those_that_are_asked_for(self):
        prepared = TransposedConvolution.of(np.ones((2, 2))).at((3, 3), np.float64)
        found = prepared.gradients(np.ones((3, 3)), np.ones((4, 4)), prepared.plan_gradients("bias"))
        assert (found.kernel, found.input, found.bias) == (None, None, 16)

    def test_an_upstream_gradient_of_another_shape_is_refused(self):
        prepared = TransposedConvolution.of(np.ones((2, 2))).at((3, 3), np.float64)
        with pytest.raises(GeometryError, match=r"expected the output's shape \(4, 4\), given \(3, 3\)"):
            prepared.gradients(np.ones((3, 3)), np.ones((3, 3)), prepared.plan_gradients())


def test_channels_of_the_output():
    for K, channels, options in ((np.ones(BANK), 6, {"groups": 2}), (np.ones((3, 3)), 5, {})):
        convolution = TransposedConvolution.of(K, **options)
        prepared = convolution.at((channels, 4, 4), np.float64)
        assert convolution.output_channels(channels) == prepared.output_shape[0]


def test_other_parameters_and_edges():
    V, K = integers((3, 4, 4), seed=1), integers((3, 3), seed=2)
    prepared = TransposedConvolution.of(K, 7.0, padding=1).at(V.shape, np.float64)
    changed = prepared.with_parameters(2 * K, None).with_edge(prepared.geometry.edge._replace(rule="wrap"))
    assert_same(changed.convolve(V, changed.plan()), conv2d_transpose(V, 2 * K, padding=1, edge="wrap"))
    plain = prepared.without_bias()
    assert_same(plain.convolve(V, plain.plan()), conv2d_transpose(V, K, padding=1))


def test_a_plan_for_any_kernel():
    """The plan of the kernel of ones would have one pass of rows and columns; separable rounds."""
    V, draw = integers((3, 9, 9), seed=1), np.random.default_rng(2)
    prepared = TransposedConvolution.of(np.ones((5, 5))).at(V.shape, np.float64)
    plan = prepared.plan_any_kernel(Execution("separable"))
    for _ in range(2):
        K = draw.integers(-9, 10, (5, 5)).astype(float)
        expected = conv2d_transpose(V, K, algorithm="direct")
        np.testing.assert_allclose(prepared.with_parameters(K, None).convolve(V, plan), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"output_shape": (12, 10)},
            r"^output_shape: expected 9..10 rows and 11..12 columns for an input of 4 x 5, given 12 and 10$",
        ),
        (
            {"output_shape": 9, "stride": (1, 2)},
            r"^output_shape: expected 6 rows and 11..12 columns for an input of 4 x 5, given 9 and 9$",
        ),
        (
            {"output_padding": (1, 2)},
            r"^output_padding: expected 0..1 rows and 0..1 columns beyond the least size, given 1 and 2$",
        ),
        ({"output_padding": -1}, r"^output_padding: expected one or two integers of at least 0, given -1$"),
        ({"output_shape": "9,x"}, r"^output_shape: expected N or H,W, given '9,x'$"),
        ({"output_shape": (1, 2, 3)}, r"^output_shape: expected one or two integers of at least 1, given \(1, 2, 3\)$"),
        ({"padding": 9}, r"^padding: the pads leave nothing of the output for an input of 4 x 5: use less padding$"),
        ({"groups": 4}, r"^groups: expected a divisor of the kernel's 6 output channels, given 4$"),
    ],
)
def test_sizes_that_are_impossible_are_refused(options, message):
    with pytest.raises(GeometryError, match=message):
        conv2d_transpose(np.ones((6, 4, 5)), np.ones((6, 2, 3, 3)), **{"stride": 2, **options})


def test_two_sizes_are_refused():
    with pytest.raises(OptionError, match="`output_shape` and `output_padding` both set the output's size: give one"):
        conv2d_transpose(np.ones((4, 5)), np.ones((3, 3)), output_shape=9, output_padding=0)


@pytest.mark.parametrize(
    ("shape", "kernel", "message"),
    [
        ((4, 4, 5), BANK, r"kernel \(6, 2, 3, 2\) takes 6 input channels, but the input has 4: its shape is"),
        ((4, 5), BANK, r"takes 6 input channels, but the input has 1: its shape is \(4, 5\)"),
        ((5,), (3, 3), r"^input: expected shape \(..., C, H, W\) or \(H, W\) with at least one pixel, given \(5,\)$"),
        ((0, 5), (3, 3), r"with at least one pixel, given \(0, 5\)$"),
        ((4, 5), (2, 3, 3), r"^kernel K: expected rank 2: .*; given rank 3, shape \(2, 3, 3\)$"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape, kernel, message):
    with pytest.raises(GeometryError, match=message):
        conv2d_transpose(np.ones(shape), np.ones(kernel))


def test_masked_arrays_are_refused():
    masked = np.ma.masked_equal(np.ones((4, 4)), 1)
    with pytest.raises(GeometryError, match="input G: expected an array without masked numbers"):
        conv2d_transpose(masked, np.ones((3, 3)))
    with pytest.raises(GeometryError, match="bias b: expected an array without masked numbers"):
        TransposedConvolution(TransposedConvolution.of(np.ones((3, 3))).forward, masked)
