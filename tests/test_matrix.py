"""The matrix of a convolution, compared with plain loops, the convolution and its gradient."""

import tracemalloc
from math import prod

import numpy as np
import pytest
import scipy.sparse
from support import reference
from support.geometries import BY_NAME, CASES, FILLS, geometry_of, integers, operands
from support.reference import assert_same, block_diagonal
from support.sparse import as_scipy

from convcli import conv2d, conv2d_grad, conv2d_matrix, conv2d_transpose
from convcli.convolution.transposed import TransposedConvolution
from convcli.errors import GeometryError, OptionError
from convcli.files.memory import Memory
from convcli.matrix import assembly as matrix

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_fill = pytest.mark.parametrize("edge", FILLS)


def assert_well_formed(M):
    """Assert what a reader of compressed rows relies on."""
    sparse = as_scipy(M)
    sparse.check_format(full_check=True)
    assert sparse.has_canonical_format, "expected distinct columns in ascending order in each row"
    assert M.shape == (prod(M.output_shape), prod(M.input_shape))
    assert (M.data.dtype, M.indptr.dtype, M.indices.dtype) == (np.float64, np.int32, np.int32)
    assert np.all(M.data)


def forward(M, V):
    return (as_scipy(M) @ V.ravel() + M.offset).reshape(M.output_shape)


def backward(M, G):
    return (as_scipy(M).T @ G.ravel()).reshape(M.input_shape)


def assert_is_convolution(K, V_shape, bias=None, **options):
    """Assert that M convolves as ``conv2d`` and ``conv2d_grad`` do, and return M."""
    M = conv2d_matrix(K, V_shape, bias, **options)
    assert_well_formed(M)
    V = integers(V_shape, seed=5)
    Z = conv2d(V, K, bias, algorithm="auto", **options)
    G = integers(Z.shape, seed=6)
    assert_same(forward(M, V), Z)
    assert_same(backward(M, G), conv2d_grad(V, K, G, wrt="input", **options).input)
    return M


@each_case
def test_banks_agree_with_the_definition(case):
    V, K, G = operands(case)
    M = conv2d_matrix(K, case.V, **case.options)
    assert_well_formed(M)
    assert (M.input_shape, M.kernel_shape, M.output_shape) == (case.V, case.K, case.Z)
    assert_same(forward(M, V), reference.conv2d(V, K, **case.plain))
    assert_same(backward(M, G), reference.conv2d_grad(V, K, G, **case.plain)[1])


@each_case
def test_banks_agree_with_the_convolution(case):
    assert_is_convolution(operands(case)[1], case.V, **case.options)


@each_case
def test_2d_kernels_filter_every_channel(case):
    K, options = operands(case)[1][0, 0], case.options | {"groups": 1}
    M = assert_is_convolution(K, case.V, **options)
    V, plain = integers(case.V, seed=5), case.plain | {"groups": 1}
    assert_same(forward(M, V), reference.conv2d(V, block_diagonal(K, case.V[1]), **plain))


@pytest.mark.parametrize("tiling", [(1, 2), (2, 3), "connected"], ids=str)
@each_case
def test_unshared_weights(case, tiling):
    tiling = case.Z[2:] if tiling == "connected" else tiling
    V, K, G = integers(case.V, seed=1), integers((case.K[0], *tiling, *case.K[1:]), seed=2), integers(case.Z, seed=3)
    M = assert_is_convolution(K, case.V, **case.options)
    assert_same(forward(M, V), reference.conv2d(V, K, **case.plain))
    assert_same(backward(M, G), reference.conv2d_grad(V, K, G, **case.plain)[1])


@each_fill
def test_flipped_kernels(edge):
    case = BY_NAME[f"everything-{edge}"]
    V, K, _ = operands(case)
    M = assert_is_convolution(K, case.V, flip=True, **case.options)
    assert_same(forward(M, V), reference.conv2d(V, K[..., ::-1, ::-1], **case.plain))


@pytest.mark.parametrize("padding", ["valid", "same", "same-lower", "full", 2, (1, 3), "1,0,2,3"], ids=str)
@each_fill
def test_every_form_of_padding(padding, edge):
    assert_is_convolution(integers((3, 2, 2, 3), seed=1), (2, 4, 5), padding=padding, edge=edge, stride="2,1")


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6), (2, 3, 5, 6), (2, 2, 3, 5, 6)], ids=str)
def test_leading_axes_make_blocks(shape):
    K = integers((2, 3), seed=1)
    M = assert_is_convolution(K, shape, padding="same", edge="wrap")
    one = as_scipy(conv2d_matrix(K, shape[-2:], padding="same", edge="wrap"))
    blocks = scipy.sparse.block_diag([one] * prod(shape[:-2]))
    assert (as_scipy(M) != blocks).nnz == 0


@pytest.mark.parametrize("weights", [1, 7, 100])
@each_fill
def test_chunks_change_nothing(weights, edge, monkeypatch):
    case = BY_NAME[f"everything-{edge}"]
    K = operands(case)[1]
    whole = conv2d_matrix(K, case.V, **case.options)
    monkeypatch.setattr(matrix, "WEIGHTS_AT_ONCE", weights)
    assert conv2d_matrix(K, case.V, **case.options) == whole


def test_a_matrix_computed_by_hand():
    """[1, 2] moves over four pixels with stride 2; the weight on the replicated pixel is added to the pixel's own."""
    M = conv2d_matrix([[1, 2]], "1,4", stride=2, padding=(0, 0, 1, 0), edge="replicate")
    assert (M.shape, M.indptr.tolist()) == ((2, 4), [0, 1, 3])
    assert (M.indices.tolist(), M.data.tolist(), M.offset.tolist()) == ([0, 1, 2], [3, 1, 2], [0, 0])


class TestEntries:
    def test_zero_weights_are_not_stored(self):
        assert len(assert_is_convolution([[0, 1], [0, 0]], (4, 5)).data) == 12

    def test_weights_that_add_up_to_zero_are_not_stored(self):
        """At the left edge the left neighbour is a copy of the pixel, so that both weights are added up."""
        M = assert_is_convolution([[1, -1]], (1, 4), padding=(0, 0, 1, 0), edge="replicate")
        assert M.indptr.tolist() == [0, 0, 2, 4, 6]

    def test_the_limit_of_nonzeros_is_exact_if_every_tap_reads_another_pixel(self):
        for case in (each for each in CASES if each.edge in FILLS[:2]):
            K, geometry = operands(case)[1], geometry_of(case.V, case.K, **case.options)
            most = matrix._most_nonzeros(matrix._with_tiling(K, geometry), geometry)
            assert most == len(conv2d_matrix(K, case.V, **case.options).data), case

    @pytest.mark.parametrize("stored", ["uint8", "int32", "float32", "bool"])
    def test_numbers_are_float64(self, stored):
        K = np.array([[1, 0], [1, 1]], stored)
        assert_same(conv2d_matrix(K, (3, 3)).data, np.ones(12))

    def test_the_kernel_is_not_changed(self):
        K = integers((3, 2, 2, 3), seed=1)
        K.flags.writeable = False
        assert conv2d_matrix(K, (2, 4, 5), padding="same", edge="wrap", flip=True).data.flags.writeable


class TestOffset:
    @pytest.mark.parametrize("bias", [2.5, np.arange(6.0), integers((6, 3, 3), seed=9)], ids=["one", "channel", "unit"])
    @each_fill
    def test_the_offset_is_the_output_of_zeros(self, bias, edge):
        case = BY_NAME[f"everything-{edge}"]
        M = assert_is_convolution(operands(case)[1], case.V, bias, **case.options)
        assert_same(M.offset.reshape(case.Z), conv2d(np.zeros(case.V), operands(case)[1], bias, **case.options))

    def test_the_offset_is_exactly_zero_if_no_constant_is_read(self):
        M = conv2d_matrix(np.full((3, 3), 0.1), (5, 5), padding="same", edge="constant:0.3")
        assert_same(M.offset.reshape(5, 5)[1:-1, 1:-1], np.zeros((3, 3)))
        assert not conv2d_matrix(np.full((3, 3), 0.1), (5, 5), padding="same").offset.any()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1]], (3,)), {}, r"^input_shape: expected integers of at least 1 as H,W or C,H,W or N,C,H,W, given \(3,\)$"),
        (
            ([[1]], (3, -4)),
            {},
            r"^input_shape: expected integers of at least 1 as H,W or C,H,W or N,C,H,W, given \(3, -4\)$",
        ),
        (([[1]], "3,x"), {}, "^input_shape: expected H,W or C,H,W or N,C,H,W, given '3,x'$"),
        (([[[1]]], (3, 4)), {}, r"^kernel K: expected rank 2: .* given rank 3, shape \(1, 1, 1\)$"),
        (([[1, 2], [3]], (3, 4)), {}, "^kernel K: expected a rectangular array of numbers, given a ragged one$"),
        (([[1]], (3, 4)), {"edge": "mirror"}, "^edge: 'mirror' means different things in different tools"),
        ((np.ones((3, 5)), (3, 4)), {}, "^kernel larger than the padded input: the kernel reaches 3x5 pixels"),
        (([[1]], (3, 4), [1, 2]), {}, r"^bias: expected a number \(2-D kernel\), given shape \(2,\)$"),
    ],
)
def test_wrong_requests_are_refused(arguments, options, message):
    with pytest.raises(OptionError if "edge" in options else GeometryError, match=message):
        conv2d_matrix(*arguments, **options)


class TestMemory:
    """A matrix that does not fit into memory is refused before anything of its size is allocated."""

    def test_a_matrix_beyond_memory_is_refused(self, monkeypatch):
        monkeypatch.setattr(matrix, "available_memory", lambda: Memory(100 << 20, "the machine's memory"))
        message = (
            r"^the matrix would be 3,000,000 x 3,000,000 with up to 26,964,012 nonzeros, which take 412\.4 MB, "
            r"but the limit is 100\.0 MB \(the machine's memory\): use a smaller `input_shape`$"
        )
        with pytest.raises(GeometryError, match=message):
            conv2d_matrix(np.ones((3, 3)), (3, 1000, 1000), padding=1)

    @pytest.mark.parametrize(
        ("K_shape", "V_shape", "options"),
        [
            ((3, 3), (1, 2_000_000_000), {"padding": "same"}),
            ((3, 3), (10**9, 10**8), {"padding": "same", "edge": "wrap", "stride": 7}),
            ((64, 2, 2, 3, 3, 3), (10**6, 3, 1000, 1000), {"padding": "full"}),
            ((1, 1), (1000, 1), {"padding": (10**9, 10**6), "edge": "reflect"}),
        ],
        ids=str,
    )
    def test_astronomic_matrices_are_refused_at_once(self, K_shape, V_shape, options):
        with pytest.raises(GeometryError, match=r"^the matrix would be .* use a smaller `input_shape`"):
            conv2d_matrix(np.ones(K_shape), V_shape, **options)

    @pytest.mark.parametrize("edge", ["zero", "wrap"])
    @pytest.mark.parametrize(
        ("K_shape", "V_shape"),
        [((3, 3), (300, 300)), ((5, 8, 3, 3), (2, 8, 60, 70)), ((1, 5), (1, 60_000)), ((21, 21), (90, 90))],
        ids=str,
    )
    def test_assembly_takes_no_more_memory_than_estimated(self, K_shape, V_shape, edge):
        options = {"padding": "same", "edge": edge}
        geometry, K = geometry_of(V_shape, K_shape, **options), np.ones(K_shape)
        estimated = matrix._bytes_needed(geometry, matrix._most_nonzeros(matrix._with_tiling(K, geometry), geometry))
        tracemalloc.start()
        conv2d_matrix(K, V_shape, **options)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0.3 * estimated <= peak <= estimated + (1 << 16)


@each_case
@pytest.mark.parametrize("plane", [False, True], ids=["bank", "2-D"])
def test_the_matrix_of_a_transposed_convolution(case, plane):
    _, K, V = operands(case)
    K, bias = (K[0, 0], np.array(1.5)) if plane else (K, integers(case.V[-3:-2], seed=4))
    V = integers((*case.V[:2], *case.Z[-2:]), seed=7) if plane else V
    options = case.options | {"groups": 1 if plane else case.groups, "output_shape": case.V[-2:]}
    layer = TransposedConvolution.of(K, bias, **options).at(V.shape, np.float64)
    M = matrix.assemble(layer)
    assert_well_formed(M)
    assert (M.input_shape, M.kernel_shape, M.output_shape) == (V.shape, K.shape, layer.output_shape)
    assert_same(forward(M, V), conv2d_transpose(V, K, bias, **options))
    G = integers(layer.output_shape, seed=6)
    assert_same(backward(M, G), layer.gradients(V, G, layer.plan_gradients("input")).input)
