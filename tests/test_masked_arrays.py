"""Masked numbers are refused in the whole Python interface, because NumPy drops the mask without a warning."""

from typing import Any

import numpy as np
import pytest

import convcli
from convcli.convolution.prepared import Convolution
from convcli.geometry.options import parse_options

MASKED = np.ma.masked_equal([[[1.0, -9999, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]], -9999)
V = MASKED.filled(0)
K = np.arange(4.0).reshape(2, 2)
G = np.ones((1, 2, 3))
MASKED_K = np.ma.masked_equal(K, 3)
MASKED_G = np.ma.masked_array(G, mask=[[[False, False, True], [False, False, False]]])
MASKED_b = np.ma.masked_array(1.0, mask=True)
PREPARED = Convolution.of(K).at(V.shape, V.dtype)

CALLS: dict[str, tuple[str, Any]] = {
    "conv2d V": ("input V", lambda: convcli.conv2d(MASKED, K)),
    "conv2d V in a list": ("input V", lambda: convcli.conv2d([MASKED[0], V[0]], K)),
    "conv2d V with the constant masked": ("input V", lambda: convcli.conv2d([[1.0, np.ma.masked]], [[1.0]])),
    "conv2d K": ("kernel K", lambda: convcli.conv2d(V, MASKED_K)),
    "conv2d Kernel": ("kernel K", lambda: convcli.conv2d(V, convcli.Kernel("k", MASKED_K))),
    "conv2d bias": ("bias b", lambda: convcli.conv2d(V, K, MASKED_b)),
    "conv2d bias of a Kernel": ("bias b", lambda: convcli.conv2d(V, convcli.Kernel("k", K, MASKED_b))),
    "conv2d_grad V": ("input V", lambda: convcli.conv2d_grad(MASKED, K, G)),
    "conv2d_grad K": ("kernel K", lambda: convcli.conv2d_grad(V, MASKED_K, G)),
    "conv2d_grad G": ("upstream gradient G", lambda: convcli.conv2d_grad(V, K, MASKED_G)),
    "conv2d_explain V": ("input V", lambda: convcli.conv2d_explain(MASKED, K, (0, 0, 0))),
    "conv2d_explain G": ("upstream gradient G", lambda: convcli.conv2d_explain(V, K, (0, 0), of="dK", G=MASKED_G)),
    "conv2d_check V": ("input V", lambda: convcli.conv2d_check(MASKED, K)),
    "conv2d_compare theirs": ("your dK", lambda: convcli.conv2d_compare(V, K, {"dK": MASKED_K})),
    "conv2d_matrix K": ("kernel K", lambda: convcli.conv2d_matrix(MASKED_K, V.shape)),
    "conv2d_plan K": ("kernel K", lambda: convcli.conv2d_plan(V.shape, MASKED_K)),
    "filter_image image": ("image", lambda: convcli.filter_image(MASKED, K)),
    "filter_image kernel": ("kernel K", lambda: convcli.filter_image(V, MASKED_K)),
    "Convolution weights": ("kernel K", lambda: Convolution(MASKED_K, None, parse_options())),
    "Prepared.convolve": ("input V", lambda: PREPARED.convolve(MASKED, PREPARED.plan())),
    "Prepared.store": ("input V", lambda: PREPARED.store(MASKED, PREPARED.plan(), lambda *tile: None)),
    "Prepared.gradients V": ("input V", lambda: PREPARED.gradients(MASKED, G, PREPARED.plan_gradients())),
    "Prepared.gradients G": ("upstream gradient G", lambda: PREPARED.gradients(V, MASKED_G, PREPARED.plan_gradients())),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_masked_array_is_refused(call: str) -> None:
    name, function = CALLS[call]
    with pytest.raises(
        convcli.GeometryError, match=rf"^{name}: expected an array without masked numbers, given a masked"
    ):
        function()


def test_a_filled_array_is_taken() -> None:
    assert np.array_equal(convcli.conv2d(MASKED.filled(0), K), convcli.conv2d(V, K))


@pytest.mark.parametrize("mask", [False, np.zeros(V.shape, bool)], ids=["without a mask", "with an empty mask"])
def test_an_array_in_which_nothing_is_masked_is_taken(mask: Any) -> None:
    unmasked = np.ma.masked_array(V, mask=mask)
    found = convcli.conv2d(unmasked, np.ma.masked_array(K), np.ma.masked_array(1.0))
    assert type(found) is np.ndarray
    assert np.array_equal(found, convcli.conv2d(V, K, 1))
    assert np.array_equal(convcli.conv2d([unmasked[0]], K, 1), convcli.conv2d(V, K, 1))
