"""What the windows of a walk do to a tensor, and the panels that show it.

At output (i,j,k), the window pairs V' with K, and

    Z[i,j,k]      = b + sum of V' * K
    dK[i]        += G[i,j,k] * V'
    dV'          += G[i,j,k] * K
    db[i]        += G[i,j,k]

A transposed convolution has the walks of the convolution that it transposes, for V and G exchanged: its Z is made as
that dV, and its dV as that Z.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray
from convcli.convolution.formulas import Formulas, index_letters
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.places import bracketed
from convcli.drawing.palette import statistics
from convcli.drawing.scenes import Panel, panel
from convcli.errors import OptionError
from convcli.explain.terms import Tensors
from convcli.explain.windows import Window, in_padding, padded_input
from convcli.explain.wording import number_text
from convcli.geometry.edges import OUTSIDE

# The most products that a caption writes as a sum.
_MOST_WRITTEN = 16


class Walker(Protocol):
    """What the windows of a walk do to a tensor, and the panels that show it.

    steps: the symbol of the tensor whose numbers are the steps.
    """

    steps: str

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


def walker_of(stage: "Stage", of: str) -> Walker:
    """Return the walker that makes a tensor, a name in SYMBOLS.

    Raises OptionError for db of a transposed convolution, which sums over Z, not over windows.
    """
    if not stage.transposed:
        return _WALKERS[of](stage)
    if of == "bias":
        raise OptionError("a walk of a transposed convolution makes Z, dK or dV, given db", option="of")
    return _WALKERS[{"output": "input", "input": "output"}.get(of, of)](stage)


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


class Stage:
    """The tensors of a walk as they are drawn, under the names that they have in the layer."""

    def __init__(self, layer: PreparedLayer, V: Array, G: Array | None) -> None:
        self.layer, self.tensors = layer, Tensors(layer, V, G)
        self.prepared, self.formulas, self.symbol = self.tensors.prepared, self.tensors.formulas, self.tensors.symbol
        self.transposed = self.tensors.transposed
        padded = padded_input(self.prepared, self.tensors.V)
        self.pixels = self.drawn(self.formulas.pixel_symbol, "input", padded)
        self.weights = self.drawn("K", "kernel", self.tensors.K.astype(np.float64))
        self.padding = in_padding(self.prepared)

    @property
    def upstream(self) -> _Drawn:
        """G, or V of a transposed convolution."""
        return self.drawn("G", "output", np.asarray(self.tensors.G, np.float64))

    def drawn(self, own: str, like: str, numbers: FloatArray, limit: float | None = None) -> _Drawn:
        """Return a tensor that has the axes of the ``input``, the ``kernel`` or the ``output``.

        own: its symbol in the convolution, or in the one that is transposed.
        """
        letters = self.tensors.output_letters if like == "output" else index_letters(like, numbers.ndim)
        limit = statistics(numbers).limit if limit is None else limit
        return _Drawn(self.symbol(own), letters, numbers, limit, self.formulas)

    def growing(self, own: str, name: str, start: FloatArray) -> _Drawn:
        """Return a tensor to which a gradient is added, in the colours of the result. start: what it is added to."""
        plan = self.prepared.plan_gradients((name,))
        whole = getattr(self.prepared.gradients(self.tensors.V, self.upstream.numbers, plan), name)
        # A start of other extents, those of the padded input, is 0.
        result = whole + start if whole.shape == start.shape else whole
        return self.drawn(own, name, start, statistics(result).limit)

    def place(self, window: Window) -> str:
        """Return the index of a window's output in brackets."""
        return bracketed(self.formulas.indices("Z", self.tensors.output_letters, window.at))


class _OutputWalker:
    """The walk that makes Z."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.bias = stage, stage.prepared.convolution.bias
        self.Z = stage.drawn("Z", "output", stage.prepared.convolve(stage.tensors.V, stage.prepared.plan()))
        self.steps = self.Z.symbol
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
        total = number_text(self.Z.numbers[window.at])
        return f"{self.steps}{self.stage.place(window)} = {_sum_text(products, added)} = {total}"


class _GradientWalker:
    """A walk that makes a gradient: each window adds its number of G times something."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.G = stage, stage.upstream
        self.steps = self.G.symbol

    def before(self, window: Window) -> tuple[Panel, ...]:
        return (self.G.panel(window.at[:-2], marks=window.output),)

    def after(self, window: Window) -> tuple[Panel, ...]:
        return ()

    def factor(self, window: Window) -> float:
        return float(self.G.numbers[window.at])

    def said(self, window: Window, target: str, times: str) -> str:
        G = f"{self.steps}{self.stage.place(window)}"
        return f"{target} += {G}{times}, {G} = {number_text(self.factor(window))}"


class _KernelWalker(_GradientWalker):
    """The walk that makes dK: each window adds its pixels times G."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.dK = stage.growing("dK", "kernel", np.zeros(stage.weights.numbers.shape))

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


class _InputWalker(_GradientWalker):
    """The walk that makes dV: each window adds the weights times G."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.dV = stage.growing("dV", "input", _bias_of_transposed(stage))
        padded = np.zeros(stage.pixels.numbers.shape)
        self.padded = stage.growing("dV'", "input", padded) if stage.formulas.padded else None

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
        return self.said(window, (self.padded or self.dV).symbol, " * K in the window")


class _BiasWalker(_GradientWalker):
    """The walk that makes db: each window adds its number of G."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        shape = stage.prepared.bias_shape
        # A number, or one per channel, is drawn as a row.
        self.db = stage.growing("db", "bias", np.zeros(shape if len(shape) > 1 else (1, *(shape or (1,)))))

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


_WALKERS: dict[str, Callable[[Stage], Walker]] = {
    "output": _OutputWalker,
    "kernel": _KernelWalker,
    "input": _InputWalker,
    "bias": _BiasWalker,
}


def _bias_of_transposed(stage: Stage) -> FloatArray:
    """Return what the sums of a transposed convolution are added to, its bias; for a convolution zeros, dV's start."""
    bias = stage.layer.bias if stage.transposed else None
    start = np.zeros(stage.prepared.geometry.input_blocks)
    return (start if bias is None else start + bias).reshape(stage.tensors.V.shape)


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
