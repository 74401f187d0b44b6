"""Each explained sum equals the number that conv2d or conv2d_grad returns, and its terms are right."""

import json

import numpy as np
import pytest
from support import reference
from support.geometries import CASES, FILLS, Case, integers

from convcli import conv2d, conv2d_grad
from convcli.convolution.places import parse_place
from convcli.convolution.prepared import Convolution
from convcli.convolution.transposed import TransposedConvolution
from convcli.errors import GeometryError, OptionError
from convcli.explain import explanation
from convcli.explain.explanation import explain, explanation_to_json, selected_terms
from convcli.explain.largest import largest_terms
from convcli.files.json_writing import json_document

SAMPLE = 25
TILED = [
    Case(f"tiled-{edge}", (1, 4, 7, 8), (6, 3, 2, 2, 3, 2), (2, 1), (2, 0, 1, 3), (1, 2), groups=2, edge=edge)
    for edge in FILLS
]


def prepared(case, *, plane=False, flip=False, bias=None):
    """Return the convolution of a case, V, G, and the tensors that are explained, by name.

    A batch of one image has no batch axis.
    """
    groups = 1 if plane else case.groups
    V, K = integers(case.V if case.V[0] > 1 else case.V[1:], seed=1), integers(case.K[-2:] if plane else case.K, seed=2)
    options = case.options | {"groups": groups, "flip": flip}
    G = integers(conv2d(V, K, **options).shape, seed=3)
    gradients = conv2d_grad(V, K, G, bias=bias, **options)
    convolution = Convolution.of(K, bias, **options).at(V.shape, np.float64)
    return convolution, V, G, {"output": conv2d(V, K, bias, **options), **gradients._asdict()}


def some_indices(shape):
    every = list(np.ndindex(*shape))
    chosen = np.random.default_rng(0).permutation(len(every))[:SAMPLE]
    return [every[number] for number in chosen]


def assert_explained(convolution, V, G, tensors):
    for of, tensor in tensors.items():
        for at in some_indices(tensor.shape):
            assert explain(convolution, V, G, of, at).total == tensor[at], (of, at)


@pytest.mark.parametrize("flip", [False, True], ids=["correlation", "convolution"])
@pytest.mark.parametrize("case", [*CASES, *TILED], ids=str)
def test_every_sum_of_a_bank(case, flip):
    assert_explained(*prepared(case, flip=flip, bias=integers(case.K[:1], seed=4)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_sum_of_a_2d_kernel(case):
    assert_explained(*prepared(case, plane=True, bias=np.array(2.5)))


@pytest.mark.parametrize("plane", [False, True], ids=["bank", "2-D"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_sum_of_a_transposed_convolution(case, plane):
    convolution, G, V, _ = prepared(case, plane=plane)
    K, bias = convolution.convolution.weights, np.array(1.5) if plane else integers(G.shape[-3:-2], seed=4)
    size = {"output_shape": G.shape[-2:]} if case.stride != (1, 1) else {}
    options = case.options | {"groups": 1 if plane else case.groups}
    layer = TransposedConvolution.of(K, bias, **options, **size).at(V.shape, np.float64)
    Z = layer.convolve(V, layer.plan())
    gradients = layer.gradients(V, G, layer.plan_gradients())
    assert_explained(layer, V, G, {"output": Z, **gradients._asdict()})


def test_every_sum_of_a_transposed_plane():
    V, G = integers((5, 7), seed=1), integers((1, 6, 8), seed=3)
    layer = TransposedConvolution.of(integers((1, 1, 2, 2), seed=2)).at(V.shape, np.float64)
    tensors = {"output": layer.convolve(V, layer.plan()), **layer.gradients(V, G, layer.plan_gradients())._asdict()}
    assert_explained(layer, V, G, tensors)


def test_every_sum_of_a_plane():
    case = Case("plane", (5, 7), (3, 2), (2, 1), (1, 0, 2, 2), edge="wrap")
    V, K = integers(case.V, seed=1), integers(case.K, seed=2)
    for kernel in (K, K[None, None]):
        Z = conv2d(V, kernel, **case.options)
        G = integers(Z.shape, seed=3)
        tensors = {"output": Z, **conv2d_grad(V, kernel, G, **case.options)._asdict()}
        assert_explained(Convolution.of(kernel, **case.options).at(V.shape, np.float64), V, G, tensors)


@pytest.mark.parametrize("of", ["output", "kernel", "input"])
def test_axes_of_length_1_need_no_index(of):
    convolution, V, G, tensors = prepared(Case("one channel", (1, 1, 5, 7), (1, 1, 3, 2)))
    found = explain(convolution, V, G, of, (1, 1))
    assert found.at == (0,) * (tensors[of].ndim - 2) + (1, 1)
    assert found.total == tensors[of][found.at]
    assert "l" not in found.formula


@pytest.mark.parametrize("shape", [(), (3,), (3, 4, 6)], ids=["number", "one per channel", "untied"])
def test_every_shape_of_bias(shape):
    case = Case("plain", (1, 2, 5, 7), (3, 2, 2, 2))
    assert_explained(*prepared(case, bias=integers(shape, seed=4)))


@pytest.mark.parametrize("edge", FILLS)
def test_terms_name_the_source_of_each_pixel(edge):
    convolution, V, G, tensors = prepared(Case("padded", (1, 2, 4, 5), (3, 2, 3, 2), pads=(3, 2, 2, 4), edge=edge))
    padded = reference.padded(V, (3, 2, 2, 4), edge)
    for at in some_indices(tensors["output"].shape):
        found = explain(convolution, V, G, "output", at)
        pixels, weights = found.terms().factors
        assert np.array_equal(pixels.values, padded[tuple(pixels.at.T)])
        assert np.array_equal(weights.values, convolution.convolution.weights[tuple(weights.at.T)])
        sources = pixels.pixels.sources
        known = sources[:, 0] >= 0
        assert np.array_equal(pixels.values[known], V[tuple(sources[known].T)])
        inside = (pixels.at[:, 1:] >= (3, 2)).all(axis=1) & (pixels.at[:, 1:] < (7, 7)).all(axis=1)
        assert np.array_equal(pixels.pixels.in_pads, ~inside)


def test_an_input_gradient_names_the_copies_of_its_pixel():
    convolution, V, G, _ = prepared(Case("wrap", (1, 2, 3, 4), (3, 2, 2, 2), pads=(3, 1, 0, 2), edge="wrap"))
    assert explain(convolution, V, G, "input", (1, 0, 1)).padded == ((0, 3, 6), (1, 5))


def test_a_pixel_that_no_window_reads_has_an_empty_sum():
    convolution, V, G, _ = prepared(Case("remainder", (1, 1, 6, 7), (2, 1, 2, 2), stride=(3, 3)))
    found = explain(convolution, V, G, "input", (0, 2, 2))
    assert (found.size, found.total) == (0, 0)


def test_equations_replace_letters_by_numbers():
    case = Case("grouped", (1, 4, 7, 9), (6, 2, 2, 3), (2, 1), (1, 0, 2, 2), (2, 3), groups=2, edge="reflect")
    convolution, V, G, _ = prepared(case, flip=True, bias=integers((6,), seed=4))
    grouping = " (each group: 3 output, 2 input channels)"
    equations = {
        ("output", (5, 1, 2)): "Z[5,1,2] = b[5] + sum over l,m,n of "
        f"V'[1*2 + l, 1*2 + (2-1-m)*2, 2 + (3-1-n)*3] * K[5,l,m,n]{grouping}",
        ("kernel", (0, 1, 0, 2)): "dK[0,1,0,2] = sum over j,k of "
        f"G[0,j,k] * V'[0*2 + 1, j*2 + (2-1-0)*2, k + (3-1-2)*3]{grouping}",
        ("input", (3, 1, 1)): "dV[3,1,1] = sum over i,j,k,m,n with "
        f"i//3 = 1, j*2 + (2-1-m)*2 = 0 or 2, k + (3-1-n)*3 = 1 or 3, of G[i,j,k] * K[i,1,m,n]{grouping}",
        ("bias", (4,)): "db[4] = sum over j,k of G[4,j,k]",
    }
    assert {key: explain(convolution, V, G, *key).equation for key in equations} == equations


@pytest.mark.parametrize("count", [1, 4, 17])
@pytest.mark.parametrize("at_once", [3, 1000])
def test_the_largest_terms_and_the_rest_are_the_sum(count, at_once, monkeypatch):
    monkeypatch.setattr(explanation, "TERMS_AT_ONCE", at_once)
    convolution, V, G, tensors = prepared(Case("long", (1, 2, 5, 7), (3, 2, 3, 3), pads=(1, 1, 1, 1)))
    found = explain(convolution, V, G, "output", (2, 1, 3))
    products, chosen = found.terms().products, found.largest(count)
    expected = sorted(range(found.size), key=lambda number: -abs(products[number]))
    assert chosen.numbers.tolist() == expected[:count]
    assert chosen.rest == products[expected[count:]].sum()
    assert chosen.share == pytest.approx(np.abs(products[expected[:count]]).sum() / np.abs(products).sum(), rel=1e-12)
    assert products[chosen.numbers].sum() + chosen.rest == found.total == tensors["output"][2, 1, 3]


def test_a_selection_of_as_many_terms_as_there_are_keeps_their_order():
    convolution, V, G, _ = prepared(Case("plain", (1, 2, 5, 7), (3, 2, 2, 2)))
    found = explain(convolution, V, G, "output", (0, 0, 0))
    assert selected_terms(found, None) == selected_terms(found, 8) == (range(8), 0.0, 1.0)
    assert len(selected_terms(found, 7).numbers) == 7


def test_nan_is_the_largest_term_and_a_share_of_nothing_is_unknown():
    parts = [np.array([1.0, -np.inf]), np.array([np.nan, 2.0])]
    assert largest_terms(parts, 2).numbers.tolist() == [1, 2]
    assert largest_terms(parts, 2).rest == 3
    assert largest_terms(parts, 2).share is largest_terms([np.zeros(3)], 1).share is None


def test_json_holds_every_number_of_a_term():
    convolution, V, G, _ = prepared(Case("row", (1, 1, 1, 3), (1, 1, 1, 2), pads=(0, 0, 1, 0), edge="replicate"))
    found = explain(convolution, V, G, "kernel", (0, 0, 0, 1))
    largest = sorted(range(3), key=lambda k: -abs(G[0, 0, k] * V[0, 0, k]))[:2]
    omitted = 3 - sum(largest)
    document = json.loads("".join(json_document(explanation_to_json(found, selected_terms(found, 2)))))
    assert document == {
        "convcli": 1,
        "of": "kernel",
        "at": [0, 0, 0, 1],
        "edge": "replicate",
        "formula": "dK[m,n] = sum over j,k of G[j,k] * V'[j + m, k + n]",
        "equation": "dK[0,1] = sum over j,k of G[j,k] * V'[j + 0, k + 1]",
        "terms": [
            {
                "indices": {"j": 0, "k": k},
                "G": {"at": [0, 0, k], "value": G[0, 0, k]},
                "V'": {"at": [0, 0, k + 1], "value": V[0, 0, k], "from": [0, 0, k], "padding": False},
                "product": G[0, 0, k] * V[0, 0, k],
            }
            for k in largest
        ],
        "omitted": 1,
        "omitted_sum": G[0, 0, omitted] * V[0, 0, omitted],
        "share": pytest.approx(1 - abs(G[0, 0, omitted] * V[0, 0, omitted]) / np.abs(G * V).sum()),
        "bias": None,
        "padded": None,
        "sum": float(np.sum(G * V)),
    }


@pytest.mark.parametrize(
    ("of", "at", "error", "message"),
    [
        (
            "output",
            (3, 0, 0),
            GeometryError,
            r"^at: Z has shape \(3, 4, 6\): expected i,j,k from 0,0,0 to 2,3,5, given 3,0,0$",
        ),
        ("output", (0, 0), GeometryError, r"^at: Z has shape .*: expected i,j,k from 0,0,0 to 2,3,5, given 0,0$"),
        ("kernel", (0, 0, 0, -1), GeometryError, r"^at: dK has shape .*: expected i,l,m,n .*, given 0,0,0,-1$"),
        ("input", (), GeometryError, r"^at: dV has shape .*: expected l,a,c .*, given nothing$"),
        ("bias", (3,), GeometryError, r"^at: db has shape \(3,\): expected i from 0 to 2, given 3$"),
        ("loss", (), OptionError, r"^of: expected Z, dK, dV, db, output, kernel, input or bias, given 'loss'$"),
    ],
)
def test_indices_that_the_tensor_does_not_have_are_refused(of, at, error, message):
    convolution, V, G, _ = prepared(Case("plain", (1, 2, 5, 7), (3, 2, 2, 2)))
    with pytest.raises(error, match=message):
        explain(convolution, V, G, of, at)


def test_an_upstream_gradient_of_another_shape_is_refused():
    convolution, V, G, _ = prepared(Case("plain", (1, 2, 5, 7), (3, 2, 2, 2)))
    with pytest.raises(GeometryError, match=r"^upstream gradient G: expected the output's shape \(3, 4, 6\), given"):
        explain(convolution, V, G[1:], "kernel", (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("values", "total"), [([np.inf, 1], np.inf), ([np.inf, -np.inf], np.nan), ([1e308, 1e308], np.inf)]
)
def test_sums_that_are_not_finite_are_shown_but_not_as_json(values, total):
    V = np.array([[values]], float)
    convolution = Convolution.of(np.ones((1, 2))).at(V.shape, np.float64)
    found = explain(convolution, V, None, "output", (0, 0, 0))
    assert np.array_equal([found.total], [total], equal_nan=True)
    with pytest.raises(
        OptionError, match=r"^the sum holds NaN or infinity, which JSON cannot hold: print it without `json`$"
    ):
        explanation_to_json(found, selected_terms(found, 2))


def test_a_place_is_parsed_from_text():
    assert [parse_place(text, "at") for text in ("", "3", " 1, 2,0")] == [(), (3,), (1, 2, 0)]
    with pytest.raises(GeometryError, match=r"^at: expected integers as in I,J,K, given '1,x'$"):
        parse_place("1,x", "at")
