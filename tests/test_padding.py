"""Edge fills against numpy.pad, their adjoints against the identity that defines them, and the words for them."""

import re

import numpy as np
import pytest
from support.geometries import FILLS, integers
from support.reference import assert_same, padded

from convcli import conv2d
from convcli.errors import OptionError
from convcli.geometry import fills
from convcli.geometry.edges import OUTSIDE, pad, pad_adjoint, runs, sources
from convcli.geometry.fills import EdgeFill, parse_edge
from convcli.text import any_of

each_fill = pytest.mark.parametrize("fill", FILLS)
each_size = pytest.mark.parametrize("size", range(1, 6))


def amounts(size):
    """Pads before and after, each from none to three times the axis."""
    return list(np.ndindex(3 * size + 1, 3 * size + 1))


def source_map(size, before, after, fill):
    return sources(size, np.arange(-before, size + after), parse_edge(fill))


def both_maps(size, before, after, fill):
    """Rows of this axis, and columns of another extent with the pads exchanged."""
    return source_map(size, before, after, fill), source_map(size + 2, after, before, fill)


@each_fill
@each_size
def test_pad_is_that_of_numpy(size, fill):
    V = integers((2, size, size + 2), seed=1)
    for before, after in amounts(size):
        rows, columns = both_maps(size, before, after, fill)
        out = np.full((2, len(rows), len(columns)), np.nan)
        pad(V, runs(rows), runs(columns), parse_edge(fill).value, out)
        assert_same(out, padded(V, (before, after, after, before), fill))


@each_fill
@each_size
def test_adjoint(size, fill):
    """<pad(V), W> = <V, pad_adjoint(W)>; without the constant, which is no part of the linear map."""
    V = integers((2, size, size + 2), seed=1)
    for before, after in amounts(size):
        rows, columns = both_maps(size, before, after, fill)
        W = integers((2, len(rows), len(columns)), seed=before + 100 * after)
        out, adjoint = np.empty(W.shape), np.zeros(V.shape)
        pad(V, runs(rows), runs(columns), 0.0, out)
        pad_adjoint(W, runs(rows), runs(columns), adjoint)
        assert np.vdot(out, W) == np.vdot(V, adjoint)


def test_adjoint_adds_to_what_is_there():
    rows, columns = both_maps(2, 3, 1, "reflect")
    W, first = integers((1, len(rows), len(columns)), seed=1), integers((1, 2, 4), seed=2)
    once, twice = np.zeros((1, 2, 4)), first.copy()
    pad_adjoint(W, runs(rows), runs(columns), once)
    pad_adjoint(W, runs(rows), runs(columns), twice)
    assert_same(twice, first + once)


@each_fill
@each_size
def test_runs_cover_the_axis_without_gaps(size, fill):
    for before, after in amounts(size):
        axis = source_map(size, before, after, fill)
        found = runs(axis)
        assert [at for run in found for at in range(len(axis))[run.padded]] == list(range(len(axis)))
        assert [pixel for run in found for pixel in pixels(run, size)] == axis.tolist()


def pixels(run, size):
    """The source pixels of a run, one for each padded pixel."""
    length = run.padded.stop - run.padded.start
    if run.source is None:
        return [OUTSIDE] * length
    stretch = list(range(size)[run.source])
    assert len(stretch) == (1 if run.repeated else length)
    return stretch * length if run.repeated else stretch


@each_fill
def test_runs_are_few(fill):
    assert len(runs(source_map(6, 3, 4, fill))) == 3


@pytest.mark.parametrize(
    ("text", "drawing"),
    [
        ("zero", "---abcd---"),
        ("replicate", "aaaabcdddd"),
        ("reflect", "dcbabcdcba"),
        ("symmetric", "cbaabcddcb"),
        ("wrap", "bcdabcdabc"),
    ],
)
def test_drawings(text, drawing):
    letters = np.array(list("abcd-"))
    axis = source_map(4, 3, 3, text)
    assert "".join(letters[np.where(axis == OUTSIDE, 4, axis)]) == drawing


class TestWords:
    @pytest.mark.parametrize(
        ("text", "fill", "shown"),
        [
            ("zero", EdgeFill("constant"), "zero"),
            ("zeros", EdgeFill("constant"), "zero"),
            ("constant:0", EdgeFill("constant"), "zero"),
            ("constant:127.5", EdgeFill("constant", 127.5), "constant:127.5"),
            ("constant:-1e3", EdgeFill("constant", -1000.0), "constant:-1000.0"),
            ("replicate", EdgeFill("replicate"), "replicate"),
            ("nearest", EdgeFill("replicate"), "replicate"),
            ("edge", EdgeFill("replicate"), "replicate"),
            ("clamp", EdgeFill("replicate"), "replicate"),
            ("reflect", EdgeFill("reflect"), "reflect"),
            ("symmetric", EdgeFill("symmetric"), "symmetric"),
            ("wrap", EdgeFill("wrap"), "wrap"),
            ("circular", EdgeFill("wrap"), "wrap"),
            ("periodic", EdgeFill("wrap"), "wrap"),
            ("grid-wrap", EdgeFill("wrap"), "wrap"),
        ],
    )
    def test_parsed(self, text, fill, shown):
        assert parse_edge(text) == fill
        assert str(parse_edge(text)) == shown

    @pytest.mark.parametrize("fill", FILLS)
    def test_what_is_shown_parses_back(self, fill):
        assert parse_edge(str(parse_edge(fill))) == parse_edge(fill)

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            (text, f"edge: expected {any_of(fills.FILLS)}, given {text!r}")
            for text in ("", "ZERO", "neumann", "zero:1", "zeros:1", "reflect:2", "wrap:")
        ]
        + [
            (text, f"edge: expected a number after the colon, as in constant:127.5, given {text!r}")
            for text in ("constant", "constant:", "constant:gray", "constant:inf", "constant:nan")
        ]
        + [
            (
                "mirror",
                "edge: 'mirror' means different things in different tools: use 'reflect' (dcb|abcd|cba, scipy's "
                "mirror) or 'symmetric' (cba|abcd|dcb, libvips' mirror)",
            )
        ],
        ids=lambda value: repr(value[:20]),
    )
    def test_refused(self, text, error):
        with pytest.raises(OptionError, match=f"^{re.escape(error)}(; did you mean [a-z]+\\?)?$"):
            parse_edge(text)

    def test_refused_at_the_public_door(self):
        with pytest.raises(OptionError, match=r"^edge: 'mirror' means different things"):
            conv2d(np.ones((5, 7)), np.ones((2, 3)), padding="same", edge="mirror")
