"""Each row of docs/conventions.md: the peer's call gives the same result as convcli's options."""

import re
import shlex
from typing import NamedTuple

import numpy as np
import pytest
from commands import run
from page import rows
from peers import LAYERS, PEERS, Operands
from support.command_line import pixels
from support.geometries import integers
from support.pages import codes

from convcli import conv2d

pytestmark = pytest.mark.conformance

ANY = "3x5, 2x4, 5x2"


class Row(NamedTuple):
    """A row of the page, for a kernel of one size."""

    peer: str
    call: str
    options: str
    size: tuple[int, int]

    def __str__(self):
        return f"{self.peer}: {self.call} {self.size[0]}x{self.size[1]}"


ROWS = [
    Row(peer, *codes(call), *codes(options), tuple(map(int, size.split("x"))))
    for peer in PEERS
    for call, options, sizes in rows("conventions", peer)
    for size in (ANY if sizes == "any" else sizes).split(", ")
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_peer_agrees_with_convcli(row, tmp_path):
    """Transforms and Gaussians round; all other results are sums of small integers."""
    operands = drawn(row)
    if "grad" in row.options:
        operands = operands._replace(G=upstream(row, operands, tmp_path))
    elif "--transpose" in row.options:
        operands = operands._replace(G=integers((8, 4, 5), seed=3))
    ours = computed(row.options, operands, tmp_path)
    theirs = np.asarray(PEERS[row.peer](row.call, operands, tmp_path), float)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def drawn(row):
    """Return pixels and weights whose sums mostly fit into 8 bits.

    The sum of the weights is odd, so that no quotient by it lies halfway: programs round halves differently.
    """
    rng = np.random.default_rng(1)
    if row.peer not in LAYERS:
        V, K = rng.integers(0, 6, (7, 10)).astype(float), rng.integers(-2, 7, row.size).astype(float)
        K[0, 0] += 1 - K.sum() % 2
        return Operands(V, K)
    groups = int((re.findall(r"-g (\d)", row.options) or [1])[0])
    return Operands(integers((4, 7, 10), seed=1), integers((8, 4 // groups, *row.size), seed=2))


def upstream(row, operands, folder):
    forward = re.sub(r"grad --wrt \w+", "apply", row.options)
    return integers(computed(forward, operands, folder).shape, seed=3)


def computed(options, operands, folder):
    """Return the result of convcli for the operands, under the options of a cell."""
    command, *arguments = shlex.split(operands.fill(options))
    as_picture = "png" in arguments
    V = operands.G if "--transpose" in arguments else operands.V
    np.save(folder / "V.npy", V.astype(np.uint8 if as_picture else float))
    np.save(folder / "K.npy", operands.K)
    if command == "grad":
        np.save(folder / "G.npy", operands.G)
        arguments += ["-G", folder / "G.npy"]
    if "-k" not in arguments:
        arguments += ["-k", folder / "K.npy"]
    out = folder / f"{command}{'.png' if as_picture else '.npy'}"
    run(command, folder / "V.npy", *arguments, "-q", "--overwrite", "-o", out)
    result = pixels(out) if as_picture else np.load(out)
    return result.reshape(result.shape[-operands.V.ndim :]) if "kernel" not in arguments else result


CORRECT = Row("scipy.ndimage", "ndimage.correlate(V, K)", "apply -p same-lower -e symmetric", (2, 4))


@pytest.mark.parametrize(
    "options",
    ["apply -p same -e symmetric", "apply -p same-lower -e reflect", "apply -p same-lower -e symmetric --flip"],
)
def test_a_wrong_row_is_found(options, tmp_path):
    test_the_peer_agrees_with_convcli(CORRECT, tmp_path)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        test_the_peer_agrees_with_convcli(CORRECT._replace(options=options), tmp_path)


HALVING = Operands(np.arange(70.0).reshape(7, 10), np.pad([[1.0]], 1))


@pytest.mark.parametrize(
    ("peer", "call"),
    [
        ("Pillow", "inside(image.filter(ImageFilter.Kernel((3, 3), K.ravel(), scale=2)))"),
        ("ImageMagick", "convert V.pgm -define convolve:scale=0.5 -morphology Correlate KERNEL -shave 1x1 Z.pgm"),
    ],
)
def test_peers_round_halves_up(peer, call, tmp_path):
    """These programs round halves up; convcli rounds them to even."""
    inside = HALVING.V[1:-1, 1:-1]
    assert np.array_equal(PEERS[peer](call, HALVING, tmp_path), np.floor(inside / 2 + 0.5))
    assert np.array_equal(conv2d(HALVING.V.astype(np.uint8), HALVING.K / 2, dtype="uint8"), np.round(inside / 2))


EDGES = rows("conventions", "Edges by name")
COLUMNS = ("TensorFlow", "PyTorch", "MATLAB", "scipy.signal", "scipy.ndimage", "OpenCV", "ImageMagick", "libvips")


def edges_of(peer):
    """Return the edges in the rows of a peer, each with the calls that use it."""
    found = {}
    for call, options, _ in rows("conventions", peer):
        for edge in re.findall(r"-e ([\w:]+)", options):
            found.setdefault(edge, []).append(call)
    return found


@pytest.mark.parametrize("column", range(len(COLUMNS)), ids=COLUMNS)
def test_the_table_of_edges_agrees_with_the_rows(column):
    calls = edges_of(COLUMNS[column])
    listed = {codes(row[0])[0].removeprefix("-e "): codes(row[column + 1]) for row in EDGES}
    assert {edge for edge, names in listed.items() if names} == calls.keys()
    for edge, names in listed.items():
        for name in names:
            assert any(re.search(rf"\b{name}\b", call) for call in calls[edge]), f"{name} for {edge}"
