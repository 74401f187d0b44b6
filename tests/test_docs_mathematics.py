"""The lesson on the mathematics: its pictures, and what it says about the equations of the book."""

import re
import runpy
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from support.pages import ROOT, page

from convcli import conv2d, conv2d_grad

PAGE = page("docs/mathematics.md")
SCRIPT = ROOT / "docs" / "figures.py"
FIGURES = runpy.run_path(str(SCRIPT))["commands"]()
PICTURES = re.findall(r"\]\(pictures/(\S+)\)", PAGE)
RNG = np.random.default_rng(0)
V, K, S = RNG.integers(-9, 10, (2, 8, 9)), RNG.integers(-9, 10, (3, 2, 3, 2)), 2
G = RNG.integers(-9, 10, (3, 3, 4))


def test_every_picture_has_its_command():
    assert len(PICTURES) >= 5
    assert set(PICTURES) <= set(FIGURES)
    assert [name for name in FIGURES if (ROOT / "docs" / "pictures" / name).stat().st_size > 100_000] == []


@pytest.mark.slow
def test_the_script_draws_the_pictures(tmp_path):
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    for name in FIGURES:
        stored, made = ROOT / "docs" / "pictures" / name, tmp_path / name
        if name.endswith((".png", ".jpg")):
            # Fonts differ between versions of Pillow, and the decoders of JPEG between machines.
            with PIL.Image.open(stored) as old, PIL.Image.open(made) as new:
                assert np.abs(np.asarray(new, float) - np.asarray(old, float)).mean() < 2, name
        else:
            assert made.read_bytes() == stored.read_bytes(), name


def from_1(tensor):
    """Return a function of indices that count from 1."""
    return lambda *index: tensor[tuple(i - 1 for i in index)]


def indices(*sizes):
    """Yield the indices of a tensor of this shape, counted from 1."""
    yield from (tuple(i + 1 for i in index) for index in np.ndindex(*sizes))


def test_the_equations_of_the_book_are_ours():
    """Equations 9.8, 9.11 and 9.13 with the indices of the book, which count from 1."""
    v, w, g = from_1(V), from_1(K), from_1(G)
    Z, dK, dV = np.zeros(G.shape), np.zeros(K.shape), np.zeros(V.shape)
    for i, j, k in indices(*Z.shape):
        terms = (v(l, m + S * (j - 1), n + S * (k - 1)) * w(i, l, m, n) for l, m, n in indices(*K.shape[1:]))  # noqa: E741
        Z[i - 1, j - 1, k - 1] = sum(terms)
    for i, j, k, l in indices(*K.shape):  # noqa: E741
        terms = (g(i, m, n) * v(j, (m - 1) * S + k, (n - 1) * S + l) for m, n in indices(*G.shape[1:]))
        dK[i - 1, j - 1, k - 1, l - 1] = sum(terms)
    for i, j, k in indices(*V.shape):
        for l, m in indices(G.shape[1], K.shape[2]):  # noqa: E741
            for n, p in indices(G.shape[2], K.shape[3]):
                if (l - 1) * S + m == j and (n - 1) * S + p == k:
                    dV[i - 1, j - 1, k - 1] += sum(w(q, i, m, p) * g(q, l, n) for (q,) in indices(K.shape[0]))
    ours = conv2d_grad(V, K, G, stride=S)
    assert np.array_equal(conv2d(V, K, stride=S), Z)
    assert np.array_equal(ours.kernel, dK)
    assert np.array_equal(ours.input, dV)


def test_the_loss_before_the_step():
    Z = conv2d([[1, 2, 0, 3], [4, 1, 5, 2], [0, 3, 1, 1]], [[1, -2], [0, 3]])
    assert f"`J` was (1 + 81 + 0 + 4 + 36 + 9)/2 = {np.sum((Z - [[1, 8, 0], [9, 0, 7]]) ** 2) / 2}" in PAGE


def test_the_window_in_both_countings():
    """The answer to the exercise on the letters of the book."""
    one = np.zeros((3, 3))
    one[1, 2] = 1
    read = np.argwhere(conv2d_grad(np.ones((6, 6)), np.ones((2, 2)), one, stride=2, wrt="dV").input)
    rows, columns = np.unique(read[:, 0]), np.unique(read[:, 1])
    here = f"`Z[0,1,2]`, with rows {rows[0]}, {rows[1]} and columns {columns[0]}, {columns[1]}"
    j, k = rows + 1, columns + 1
    book = f"rows `m + 2(2-1)` = {j[0]}, {j[1]} and columns `n + 2(3-1)` = {k[0]}, {k[1]}"
    assert here in " ".join(PAGE.split())
    assert book in " ".join(PAGE.split())
