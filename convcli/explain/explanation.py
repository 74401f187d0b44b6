"""The exact sum behind one number of Z, dK, dV or db, term by term, from the definition."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray, cut
from convcli.convolution.formulas import Formulas, formulas_of
from convcli.convolution.layers import PreparedLayer, shape_of
from convcli.convolution.operands import upstream_of
from convcli.convolution.places import whole_place
from convcli.explain.derivations import PaddedPlaces, derive
from convcli.explain.largest import Selection, exact_sum, largest_terms
from convcli.explain.terms import Factor, Sum, Tensors, Terms
from convcli.explain.wording import number_text, others_text, place_text, term_columns
from convcli.files.json_writing import require_finite
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.fills import EdgeFill
from convcli.layouts import DEFAULT, Layout, Layouts
from convcli.names import SYMBOLS, parse_tensor
from convcli.values import frozen_value

# The most terms whose factors are in memory at once.
TERMS_AT_ONCE = 1 << 16


# The most terms that a notebook shows.
TERMS_IN_NOTEBOOKS = 24


@frozen_value(
    compared=("of", "at", "formula", "bias", "total", "_tensors"),
    shown=("of", "at", "equation", "bias", "total", "size"),
)
@dataclass(frozen=True)
class Explanation:
    """One number of Z, dK, dV or db as the sum of its terms.

    Attributes
    ----------
    of
        The tensor: ``output``, or the gradient of ``kernel``, ``input`` or ``bias``.
    at
        The index of the number in its tensor.
    letters
        The letters of the tensor's axes.
    formula, equation
        The sum in letters, and the sum with the numbers of this index instead of letters.
    bias
        The bias that is added to the terms; None if there is none.
    total
        The number itself.
    padded
        For dV, the padded rows and columns that hold the pixel; for Z of a transposed convolution, those that are added
        up to it; otherwise None.
    bias_symbol
        How the equation writes the bias, such as ``b[2]``.
    """

    of: str
    at: tuple[int, ...]
    letters: tuple[str, ...]
    formula: str
    equation: str
    bias: float | None
    total: float
    padded: PaddedPlaces | None
    bias_symbol: str
    _sum: Sum
    _tensors: Tensors

    @property
    def formulas(self) -> Formulas:
        """The formulas of the convolution, or of the one that is transposed."""
        return self._tensors.formulas

    @property
    def transposed(self) -> bool:
        """Return whether the convolution is transposed."""
        return self._tensors.transposed

    @property
    def edge(self) -> EdgeFill:
        """The edge fill of the convolution."""
        return self._tensors.geometry.edge

    @property
    def size(self) -> int:
        """The number of terms."""
        return self._sum.size

    def terms(self, numbers: range | IntArray | None = None) -> Terms:
        """Return the terms with these numbers, from 0 to ``size`` - 1; by default all of them."""
        return self._tensors.terms(self._sum, np.asarray(range(self.size) if numbers is None else numbers, int))

    def largest(self, count: int) -> Selection:
        """Return the ``count`` largest terms by magnitude, largest first, and the sum of the others."""
        return largest_terms(_products(self._tensors, self._sum), count)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the formula, the number, and its terms; of a long sum the largest ones."""
        from convcli.drawing.html import card, code, facts, table

        shown = selected_terms(self, TERMS_IN_NOTEBOOKS)
        columns = term_columns(self.terms(shown.numbers), self.edge, self.formulas)
        place = place_text(self.of, self.letters, self.at, self.formulas)
        others = self.size - len(shown.numbers)
        members = {
            self.bias_symbol: None if self.bias is None else number_text(self.bias),
            others_text(others): number_text(shown.rest) if others else None,
        }
        return card(
            f"{SYMBOLS[self.of]}{place} = {number_text(self.total)}",
            *map(code, dict.fromkeys((self.formula, self.equation))),
            table(columns, zip(*columns.values(), strict=True)),
            facts(members),
        )


def explain(
    prepared: PreparedLayer, V: Array, G: Array | None, of: str, at: tuple[int, ...], layouts: Layouts = DEFAULT
) -> Explanation:
    """Return the sum behind ``Z[at]``, ``dK[at]``, ``dV[at]`` or ``db[at]``.

    prepared: a convolution, or a transposed one.  V: its input.  G: shaped like Z; may be None for Z.
    of: the tensor, a name in SYMBOLS or its letters.  at: all indices, or only those of axes longer than 1.
    layouts: the order of the indices in ``at``, in formulas, and where the explanation is shown.
    Raises GeometryError if the tensor has no such index, OptionError for another name.
    """
    of = parse_tensor("of", of)
    if G is not None:
        G = upstream_of(G, prepared.output_shape)
    at = place_in(prepared, of, at, layouts)
    tensors = Tensors(prepared, V, G, layouts)
    derivation = derive(tensors, of, at)
    bias = derivation.bias
    return Explanation(
        of=of,
        at=at,
        letters=_letters(of, prepared),
        formula=derivation.formula,
        equation=derivation.equation,
        bias=bias.value if bias else None,
        total=_total(tensors, derivation.sum, bias.value if bias else 0.0),
        padded=derivation.padded,
        bias_symbol=bias.symbol if bias else "b",
        _sum=derivation.sum,
        _tensors=tensors,
    )


def place_in(prepared: PreparedLayer, of: str, at: tuple[int, ...], layouts: Layouts = DEFAULT) -> tuple[int, ...]:
    """Return all indices of a number, channel-major, given ``at``, which may omit axes of length 1.

    of: the name of its tensor.  layouts: the order of the indices in ``at``.
    Raises GeometryError if the tensor has no such index.
    """
    layout = layouts.of(of)
    shape, letters = layout.order(shape_of(prepared, of)), layout.order(_letters(of, prepared))
    return layout.channel_major_order(whole_place(SYMBOLS[of], at, shape, letters, "at"))


def selected_terms(explanation: Explanation, largest: int | None) -> Selection:
    """Return the ``largest`` terms; or all of them, in their order, if the sum has no more, or for None."""
    if largest is None or explanation.size <= largest:
        return Selection(range(explanation.size), 0.0, 1.0)
    return explanation.largest(largest)


def explanation_to_json(explanation: Explanation, shown: Selection) -> dict[str, Any]:
    """Return the members of a JSON document. shown: the terms to include.

    Raises OptionError if the sum is not finite.
    """
    layouts = explanation.formulas.layouts
    # A term that is not finite leaves no finite sum.
    require_finite("the sum", explanation.total, "print it without `json`")
    return {
        "of": explanation.of,
        "at": layouts.of(explanation.of).order(explanation.at),
        "edge": str(explanation.edge),
        **layouts.to_json(),
        "formula": explanation.formula,
        "equation": explanation.equation,
        "terms": _terms_to_json(explanation, shown.numbers),
        "omitted": explanation.size - len(shown.numbers),
        "omitted_sum": shown.rest,
        "share": shown.share,
        "bias": explanation.bias,
        "padded": explanation.padded and explanation.padded._asdict(),
        "sum": explanation.total,
    }


def _terms_to_json(explanation: Explanation, numbers: range | IntArray) -> Iterator[list[dict[str, Any]]]:
    """Yield each term in a list of its own, so that ``json_document`` writes one term per line."""
    for part in cut(range(len(numbers)), TERMS_AT_ONCE):
        terms = explanation.terms(numbers[part.start : part.stop])
        for position, product in enumerate(terms.products.tolist()):
            yield [_term_to_json(terms, position, product, explanation.formulas.layouts)]


def _term_to_json(terms: Terms, position: int, product: float, layouts: Layouts) -> dict[str, Any]:
    indices = {letter: int(values[position]) for letter, values in terms.indices.items()}
    # The key of a pixel does not depend on the padding.
    keys = [f"{factor.symbol[0]}'" if factor.pixels else factor.symbol for factor in terms.factors]
    each = [_factor_to_json(factor, position, layouts.of(factor.symbol)) for factor in terms.factors]
    factors = dict(zip(keys, each, strict=True))
    return {"indices": indices, **factors, "product": product}


def _factor_to_json(factor: Factor, position: int, layout: Layout) -> dict[str, Any]:
    members = {"at": layout.order(factor.at[position].tolist()), "value": float(factor.values[position])}
    if factor.pixels is None:
        return members
    source = layout.order(factor.pixels.sources[position].tolist())
    in_pads = bool(factor.pixels.in_pads[position])
    return {**members, "from": None if OUTSIDE in source else source, "padding": in_pads}


def _letters(of: str, prepared: PreparedLayer) -> tuple[str, ...]:
    return tuple(formulas_of(prepared).letters(of, len(shape_of(prepared, of))))


def _total(tensors: Tensors, sum_: Sum, bias: float) -> float:
    return exact_sum([*(exact_sum(part.tolist()) for part in _products(tensors, sum_)), bias])


def _products(tensors: Tensors, sum_: Sum) -> Iterator[FloatArray]:
    """Yield the terms of a sum, in parts."""
    for numbers in cut(range(sum_.size), TERMS_AT_ONCE):
        yield tensors.terms(sum_, np.arange(numbers.start, numbers.stop)).products
