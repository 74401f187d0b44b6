"""The walk of the window: one scene per output, with what its window reads and what becomes of it.

Z and its gradients are made window by window. At output (i,j,k),

    Z[i,j,k]      = b + sum of V' * K
    dK[i]        += G[i,j,k] * V'
    dV'          += G[i,j,k] * K
    db[i]        += G[i,j,k]
"""

import re
from collections.abc import Callable, Iterator, Sequence
from math import prod
from textwrap import wrap
from typing import NamedTuple, Protocol

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.formulas import Formulas, index_letters
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.operands import upstream_of
from convcli.convolution.places import bracketed
from convcli.convolution.prepared import Prepared
from convcli.drawing.palette import statistics
from convcli.drawing.scenes import Panel, Scene, Story, panel
from convcli.errors import GeometryError, OptionError
from convcli.explain.crop import Pointed, crop_of
from convcli.explain.terms import Tensors
from convcli.explain.windows import Window, in_padding, padded_input, windows
from convcli.explain.wording import number_text
from convcli.geometry.edges import OUTSIDE
from convcli.names import parse_tensor

# The most that is drawn: rows and columns of V', input channels of a window, and steps.
MOST_SIDE = 32
MOST_CHANNELS = 8
MOST_STEPS = 256
# The rows and columns of the surroundings of a number.
CROP_SIDE = 8
# The most products that a caption writes as a sum, and the longest line.
_MOST_WRITTEN = 16
_LINE = 76


@np.errstate(over="ignore", invalid="ignore")
def walk(
    prepared: PreparedLayer, V: Array, G: Array | None, of: str, steps: str = "", near: tuple[int, ...] | None = None
) -> Story:
    """Return the walk of the window over V: one scene per output, in row-major order.

    prepared: a convolution, not a transposed one.  V: ``(..., C_in, H, W)`` or ``(H, W)``.
    G: shaped like Z; may be None for Z.
    of: the tensor that the walk makes, a name in SYMBOLS or its letters.
    steps: the steps to show, counted from 1: ``N``, ``N-M``, ``N-`` or ``-M``; empty for all.
    near: all indices of a number of this tensor. Of a large image, its surroundings are shown as an image of their own.
    Raises GeometryError for an input that is too large to draw; OptionError for other steps, for too many, and for a
    transposed convolution.
    """
    of = parse_tensor("of", of)
    if not isinstance(prepared, Prepared):
        raise OptionError(
            "a walk shows a convolution: expected no `transpose`; the walk of `of` dV shows how one is made"
        )
    G = None if G is None else upstream_of(G, prepared.output_shape)
    stage, notes = (_stage(prepared, V, G), []) if near is None else _cropped(prepared, V, G, Pointed(of, near))
    shown = _parse_steps(steps, prod(stage.prepared.output_shape))
    heading = (*_heading(stage, of), *(line for note in notes for line in wrap(note, _LINE)))
    return Story(heading, tuple(_scenes(stage, _WALKS[of](stage), shown)))


def _cropped(prepared: Prepared, V: Array, G: Array | None, pointed: Pointed) -> "tuple[_Stage, list[str]]":
    """Return the tensors of the crop around a number, and what it does not show of V, in sentences."""
    bias = prepared.convolution.bias
    crop = crop_of(prepared, pointed, CROP_SIDE)
    notes = crop.notes(prepared.input_shape)
    if notes and not (prepared.geometry.shares_weights and (bias is None or bias.ndim < 2)):
        raise OptionError("weights or a bias that outputs do not share belong to the whole image: expected no `at`")
    pixels = crop.pixels(V)
    cropped = prepared.convolution.at(pixels.shape, prepared.dtype)
    return _stage(cropped, pixels, None if G is None else crop.upstream(G, cropped.output_shape)), notes


def _stage(prepared: Prepared, V: Array, G: Array | None) -> "_Stage":
    """Return the tensors of a walk. Raises GeometryError if they are too large to draw, or empty."""
    _require_small(prepared)
    return _Stage(prepared, V, G)


def _require_small(prepared: Prepared) -> None:
    geometry = prepared.geometry
    if 0 in prepared.output_shape:
        raise GeometryError("a walk shows windows: expected at least one image, given an empty batch")
    rows, columns = geometry.rows.padded, geometry.columns.padded
    if max(rows, columns) > MOST_SIDE:
        raise GeometryError(
            f"a walk draws every pixel: expected at most {MOST_SIDE} rows and columns with their padding, given "
            f"{rows:,} and {columns:,}: name a number with `at` to show its surroundings, or write a page, as in "
            "`output` page.html"
        )
    if geometry.in_channels > MOST_CHANNELS:
        raise GeometryError(
            f"a walk draws every channel of a window: expected at most {MOST_CHANNELS}, given {geometry.in_channels:,}"
        )


def _parse_steps(text: str, total: int) -> range:
    """Return the numbers of the windows to show, which count from 0."""
    found = re.fullmatch(r"(\d*)(-?)(\d*)", text or "1-", re.ASCII)
    first, dash, last = found.groups() if found else ("", "", "")
    start = int(first or 1)
    stop = int(last or total) if dash else start
    if not (first or last) or not 1 <= start <= stop <= total:
        expected = f"expected N, N-M, N- or -M with steps from 1 to {total:,}"
        raise OptionError(f"{expected}, given {text!r}", option="steps")
    if stop - start >= MOST_STEPS:
        raise OptionError(
            f"a walk shows at most {MOST_STEPS} steps, given {stop - start + 1:,}: choose some, as in `steps` "
            f"{start}-{start + MOST_STEPS - 1}"
        )
    return range(start - 1, stop)


class _Drawn(NamedTuple):
    """A tensor that is drawn plane by plane.

    letters: of its axes.  limit: the magnitude that has the strongest colour.
    """

    symbol: str
    letters: Sequence[str]
    numbers: FloatArray
    limit: float
    formulas: Formulas

    def panel(self, before: Sequence[int], sign: str = "", marks: IntArray | None = None, **flags: Array) -> Panel:
        """Return the panel of a plane.

        before: the indices of the plane.  marks: ``(..., 2)``, the rows and columns of the cells to mark.
        flags: which cells lie in the padding, and which are known.
        """
        # Rows and columns are never omitted.
        index = self.formulas.indices(self.symbol, self.letters, (*before, 0, 0))[:-2]
        name = f"{self.symbol}{bracketed(index)}"
        plane = self.numbers[tuple(before)]
        marked = np.zeros(plane.shape, bool)
        if marks is not None:
            marked[marks[..., 0], marks[..., 1]] = True
        return panel(name, plane, self.limit, sign, marked=marked, **flags)


class _Stage:
    """The tensors of a walk as they are drawn, and what is known about the convolution."""

    def __init__(self, prepared: Prepared, V: Array, G: Array | None) -> None:
        self.prepared, self.V, self.tensors = prepared, V, Tensors(prepared, V, G)
        self.formulas = self.tensors.formulas
        self.pixels = self.drawn(self.formulas.pixel_symbol, "input", padded_input(prepared, V))
        self.weights = self.drawn("K", "kernel", prepared.convolution.weights.astype(np.float64))
        self.padding = in_padding(prepared)

    @property
    def upstream(self) -> _Drawn:
        """G."""
        return self.drawn("G", "output", np.asarray(self.tensors.G, np.float64))

    def drawn(self, symbol: str, like: str, numbers: FloatArray, limit: float | None = None) -> _Drawn:
        """Return a tensor that has the axes of the ``input``, the ``kernel`` or the ``output``."""
        letters = self.tensors.output_letters if like == "output" else index_letters(like, numbers.ndim)
        return _Drawn(symbol, letters, numbers, statistics(numbers).limit if limit is None else limit, self.formulas)

    def growing(self, symbol: str, name: str, shape: tuple[int, ...]) -> _Drawn:
        """Return zeros for a gradient to be added up, in the colours of the whole gradient."""
        plan = self.prepared.plan_gradients((name,))
        whole = getattr(self.prepared.gradients(self.V, self.upstream.numbers, plan), name)
        return self.drawn(symbol, name, np.zeros(shape), statistics(whole).limit)

    def place(self, window: Window) -> str:
        """Return the index of a window's output in brackets."""
        return bracketed(self.formulas.indices("Z", self.tensors.output_letters, window.at))


def _heading(stage: _Stage, of: str) -> Iterator[str]:
    yield from wrap(_formula(stage, of), _LINE, subsequent_indent="    ")
    if stage.prepared.convolution.options.flip and of != "bias":
        yield "K lies on the window rotated by 180 degrees"


def _formula(stage: _Stage, of: str) -> str:
    bias = stage.prepared.convolution.bias
    if of == "output":
        return stage.formulas.output(None if bias is None else bias.ndim)
    ranks = {"kernel": stage.weights.numbers.ndim, "input": stage.V.ndim, "bias": len(stage.prepared.bias_shape)}
    return stage.formulas.gradient(of, ranks[of])


class _Walk(Protocol):
    """What the windows of a walk do to a tensor, and the panels that show it."""

    def add(self, window: Window) -> None:
        """Add what a window adds to the tensor."""

    def before(self, window: Window) -> tuple[Panel, ...]:
        """Return the panels that all channels share, before theirs."""

    def channel(self, window: Window, channel: int) -> tuple[Panel, ...]:
        """Return the panels of an input channel."""

    def after(self, window: Window) -> tuple[Panel, ...]:
        """Return the panels that all channels share, after theirs."""

    def caption(self, window: Window) -> str:
        """Return what the window did."""


def _scenes(stage: _Stage, walk: _Walk, shown: range) -> Iterator[Scene]:
    symbol = "Z" if stage.tensors.G is None else "G"
    for window in windows(stage.prepared, stage.tensors, range(shown.stop)):
        walk.add(window)
        if window.number in shown:
            title = f"step {window.number + 1} of {prod(stage.prepared.output_shape)}: {symbol}{stage.place(window)}"
            captions = wrap(walk.caption(window), _LINE, subsequent_indent="    ")
            yield Scene(title, tuple(_lines(walk, window)), tuple(captions))


def _lines(walk: _Walk, window: Window) -> Iterator[tuple[Panel, ...]]:
    """Yield the lines of panels: one for a single channel, otherwise one per channel between those that they share."""
    before, after = walk.before(window), walk.after(window)
    channels = [walk.channel(window, channel) for channel in range(len(window.pixels))]
    lines = [(*before, *channels[0], *after)] if len(channels) == 1 else [before, *channels, after]
    yield from filter(None, lines)


class _OutputWalk:
    """The walk that makes Z."""

    def __init__(self, stage: _Stage) -> None:
        self.stage, self.bias = stage, stage.prepared.convolution.bias
        self.Z = stage.drawn("Z", "output", stage.prepared.convolve(stage.V, stage.prepared.plan()))
        self.numbers = np.arange(self.Z.numbers.size).reshape(self.Z.numbers.shape)

    def add(self, window: Window) -> None:
        """Do nothing: Z is computed already, and each panel shows the part that is known."""

    def before(self, window: Window) -> tuple[Panel, ...]:
        return ()

    def channel(self, window: Window, channel: int) -> tuple[Panel, ...]:
        V, K, places = self.stage.pixels, self.stage.weights, window.places[channel]
        product = window.pixels[channel] * window.weights[channel]
        return (
            V.panel(_plane(places), marks=places[..., -2:], padding=self.stage.padding),
            K.panel(_plane(window.taps[channel]), "*"),
            panel("products", product, V.limit * K.limit, "="),
        )

    def after(self, window: Window) -> tuple[Panel, ...]:
        name = "sum" if self.bias is None else "sum + b"
        known = self.numbers[window.at[:-2]] <= window.number
        return (
            panel(name, np.full((1, 1), self.Z.numbers[window.at]), self.Z.limit, "->"),
            self.Z.panel(window.at[:-2], "->", window.output, known=known),
        )

    def caption(self, window: Window) -> str:
        added = [] if self.bias is None else [float(self.bias[window.at[-3:][: self.bias.ndim]])]
        products = (window.pixels * window.weights).ravel().tolist()
        return f"Z{self.stage.place(window)} = {_sum_text(products, added)} = {number_text(self.Z.numbers[window.at])}"


class _GradientWalk:
    """A walk that makes a gradient: each window adds its number of G times something."""

    def __init__(self, stage: _Stage) -> None:
        self.stage, self.G = stage, stage.upstream

    def before(self, window: Window) -> tuple[Panel, ...]:
        return (self.G.panel(window.at[:-2], marks=window.output),)

    def after(self, window: Window) -> tuple[Panel, ...]:
        return ()

    def factor(self, window: Window) -> float:
        return float(self.G.numbers[window.at])

    def said(self, window: Window, target: str, times: str) -> str:
        G = f"G{self.stage.place(window)}"
        return f"{target} += {G}{times}, {G} = {number_text(self.factor(window))}"


class _KernelWalk(_GradientWalk):
    """The walk that makes dK: each window adds its pixels times G."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__(stage)
        self.dK = stage.growing("dK", "kernel", stage.weights.numbers.shape)

    def add(self, window: Window) -> None:
        self.dK.numbers[_index(window.taps)] += self.factor(window) * window.pixels

    def channel(self, window: Window, channel: int) -> tuple[Panel, ...]:
        V, places = self.stage.pixels, window.places[channel]
        product = self.factor(window) * window.pixels[channel]
        return (
            V.panel(_plane(places), "*", places[..., -2:], padding=self.stage.padding),
            panel("products", product, self.G.limit * V.limit, "="),
            self.dK.panel(_plane(window.taps[channel]), "->"),
        )

    def caption(self, window: Window) -> str:
        return self.said(window, "dK", f" * {self.stage.pixels.symbol} in the window")


class _InputWalk(_GradientWalk):
    """The walk that makes dV: each window adds the weights times G."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__(stage)
        self.dV = stage.growing("dV", "input", stage.V.shape)
        self.padded = stage.growing("dV'", "input", stage.pixels.numbers.shape) if stage.formulas.padded else None

    def add(self, window: Window) -> None:
        products, held = self.factor(window) * window.weights, _is_pixel(window.sources)
        # Several padded pixels may be copies of one pixel.
        np.add.at(self.dV.numbers, _index(window.sources[held]), products[held])
        if self.padded is not None:
            self.padded.numbers[_index(window.places)] += products

    def channel(self, window: Window, channel: int) -> tuple[Panel, ...]:
        K, places, sources = self.stage.weights, window.places[channel], window.sources[channel]
        return (
            K.panel(_plane(window.taps[channel]), "*"),
            panel("products", self.factor(window) * window.weights[channel], self.G.limit * K.limit, "="),
            *self._padded_panels(places),
            self.dV.panel(_plane(places), "->", sources[_is_pixel(sources)][:, -2:]),
        )

    def _padded_panels(self, places: IntArray) -> Iterator[Panel]:
        if self.padded is not None:
            yield self.padded.panel(_plane(places), "->", places[..., -2:], padding=self.stage.padding)

    def caption(self, window: Window) -> str:
        return self.said(window, "dV" if self.padded is None else "dV'", " * K in the window")


class _BiasWalk(_GradientWalk):
    """The walk that makes db: each window adds its number of G."""

    def __init__(self, stage: _Stage) -> None:
        super().__init__(stage)
        shape = stage.prepared.bias_shape
        # A number, or one per channel, is drawn as a row.
        self.db = stage.growing("db", "bias", shape if len(shape) > 1 else (1, *(shape or (1,))))

    def add(self, window: Window) -> None:
        self.db.numbers[self._place(window)] += self.factor(window)

    def channel(self, window: Window, channel: int) -> tuple[Panel, ...]:
        return ()

    def after(self, window: Window) -> tuple[Panel, ...]:
        *before, row, column = self._place(window)
        return (self.db.panel(before, "->", np.array([row, column])),)

    def caption(self, window: Window) -> str:
        return self.said(window, "db", "")

    def _place(self, window: Window) -> tuple[int, ...]:
        rank = len(self.stage.prepared.bias_shape)
        return (0,) * (2 - rank) + window.at[-3:][:rank]


_WALKS: dict[str, Callable[[_Stage], _Walk]] = {
    "output": _OutputWalk,
    "kernel": _KernelWalk,
    "input": _InputWalk,
    "bias": _BiasWalk,
}


def _plane(places: IntArray) -> list[int]:
    """Return the indices before rows and columns, of places ``(kh, kw, rank)`` in one plane."""
    before: list[int] = places[0, 0, :-2].tolist()
    return before


def _index(places: IntArray) -> tuple[IntArray, ...]:
    """Return places ``(..., rank)`` as NumPy takes them: an array per axis."""
    return tuple(np.moveaxis(places, -1, 0))


def _is_pixel(sources: IntArray) -> Array:
    """Return which sources ``(..., rank)`` are pixels of V, not constants."""
    found: Array = (sources != OUTSIDE).all(axis=-1)
    return found


def _sum_text(products: Sequence[float], added: Sequence[float]) -> str:
    """Return the sum of products and a bias, written out if it is short."""
    if len(products) > _MOST_WRITTEN:
        return f"the sum of {len(products)} products{''.join(map(_signed, added))}"
    first, *others = (*products, *added)
    return number_text(first) + "".join(map(_signed, others))


def _signed(number: float) -> str:
    text = number_text(number)
    return f" - {text[1:]}" if text.startswith("-") else f" + {text}"
