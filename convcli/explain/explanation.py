"""The exact sum behind one number of Z, dK, dV or db, term by term, from the definition.

Each number is a sum of products over the indices i, l, j, k, m, n. The number's own index fixes some of them; the sum
runs over the others:

          fixed               runs over                                              products
    Z     i, j, k             l, m, n                                                V' * K
    dK    i, l, m, n          j, k                                                   G * V'
    dV    l                   i, and the (j, m) and (k, n) that read the pixel       G * K
    db    some of i, j, k     the others                                             G

The indices of batch axes are fixed in Z and dV; the sums of dK and db run over them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, IntArray, cut
from convcli.convolution.formulas import GROUPING, Formulas, index_letters, output_letters
from convcli.convolution.operands import upstream_of
from convcli.convolution.places import bracketed, whole_place
from convcli.convolution.prepared import Prepared
from convcli.explain.largest import Selection, exact_sum, largest_terms
from convcli.explain.terms import Factor, Sum, Tensors, Terms
from convcli.files.json_writing import require_finite
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.fills import EdgeFill
from convcli.names import SYMBOLS, parse_tensor
from convcli.values import frozen_value

# The most terms whose factors are in memory at once.
TERMS_AT_ONCE = 1 << 16


class PaddedPlaces(NamedTuple):
    """The padded rows and columns that hold a pixel of V: the pixel itself, and its copies in the pads."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


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
        For dV, the padded rows and columns that hold the pixel; otherwise None.
    """

    of: str
    at: tuple[int, ...]
    letters: tuple[str, ...]
    formula: str
    equation: str
    bias: float | None
    total: float
    padded: PaddedPlaces | None
    _sum: Sum
    _tensors: Tensors

    @property
    def formulas(self) -> Formulas:
        """The formulas of the convolution."""
        return self._tensors.formulas

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


def explain(prepared: Prepared, V: Array, G: Array | None, of: str, at: tuple[int, ...]) -> Explanation:
    """Return the sum behind ``Z[at]``, ``dK[at]``, ``dV[at]`` or ``db[at]``.

    V: ``(..., C_in, H, W)`` or ``(H, W)``.  G: shaped like Z; may be None for Z.
    of: the tensor, a name in SYMBOLS or its letters.  at: all indices, or only those of axes longer than 1.
    Raises GeometryError if the tensor has no such index, OptionError for another name.
    """
    of = parse_tensor("of", of)
    if G is not None:
        G = upstream_of(G, prepared.output_shape)
    shape = _shape_of(of, prepared)
    letters = _letters(of, shape, prepared)
    at = whole_place(SYMBOLS[of], at, shape, letters, "at")
    tensors = Tensors(prepared, V, G)
    derivation = _DERIVATIONS[of](tensors, at)
    return Explanation(
        of=of,
        at=at,
        letters=letters,
        formula=derivation.formula,
        equation=derivation.equation,
        bias=derivation.bias,
        total=_total(tensors, derivation.sum, derivation.bias or 0.0),
        padded=derivation.padded,
        _sum=derivation.sum,
        _tensors=tensors,
    )


def selected_terms(explanation: Explanation, largest: int | None) -> Selection:
    """Return the ``largest`` terms; or all of them, in their order, if the sum has no more, or for None."""
    if largest is None or explanation.size <= largest:
        return Selection(range(explanation.size), 0.0, 1.0)
    return explanation.largest(largest)


def explanation_to_json(explanation: Explanation, shown: Selection) -> dict[str, Any]:
    """Return the members of a JSON document. shown: the terms to include.

    Raises OptionError if the sum is not finite.
    """
    # A term that is not finite leaves no finite sum.
    require_finite("the sum", explanation.total, "print it without `json`")
    return {
        "of": explanation.of,
        "at": explanation.at,
        "edge": str(explanation.edge),
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
            yield [_term_to_json(terms, position, product)]


def _term_to_json(terms: Terms, position: int, product: float) -> dict[str, Any]:
    indices = {letter: int(values[position]) for letter, values in terms.indices.items()}
    # The key of a pixel does not depend on the padding.
    keys = ["V'" if factor.pixels else factor.symbol for factor in terms.factors]
    factors = {key: _factor_to_json(factor, position) for key, factor in zip(keys, terms.factors, strict=True)}
    return {"indices": indices, **factors, "product": product}


def _factor_to_json(factor: Factor, position: int) -> dict[str, Any]:
    members = {"at": factor.at[position].tolist(), "value": float(factor.values[position])}
    if factor.pixels is None:
        return members
    source = factor.pixels.sources[position].tolist()
    in_pads = bool(factor.pixels.in_pads[position])
    return {**members, "from": None if OUTSIDE in source else source, "padding": in_pads}


def _shape_of(of: str, prepared: Prepared) -> tuple[int, ...]:
    shapes = {
        "output": prepared.geometry.output_shape,
        "kernel": prepared.convolution.weights.shape,
        "input": prepared.input_shape,
        "bias": prepared.bias_shape,
    }
    return shapes[of]


def _letters(of: str, shape: tuple[int, ...], prepared: Prepared) -> tuple[str, ...]:
    if of == "output":
        return tuple(output_letters(len(prepared.input_shape), prepared.convolution.weights.ndim))
    return tuple(index_letters(of, len(shape)))


def _total(tensors: Tensors, sum_: Sum, bias: float) -> float:
    return exact_sum([*(exact_sum(part.tolist()) for part in _products(tensors, sum_)), bias])


def _products(tensors: Tensors, sum_: Sum) -> Iterator[FloatArray]:
    """Yield the terms of a sum, in parts."""
    for numbers in cut(range(sum_.size), TERMS_AT_ONCE):
        yield tensors.terms(sum_, np.arange(numbers.start, numbers.stop)).products


class _Derivation(NamedTuple):
    """The sum behind a number, its formula in letters and in numbers, its bias, and the padded places of its pixel."""

    sum: Sum
    formula: str
    equation: str
    bias: float | None = None
    padded: PaddedPlaces | None = None


def _output(tensors: Tensors, at: tuple[int, ...]) -> _Derivation:
    geometry, bias = tensors.geometry, tensors.prepared.convolution.bias
    index = dict(zip(tensors.output_letters, at, strict=True))
    channels = {} if tensors.is_plane else {"l": geometry.in_channels}
    extents = {**channels, "m": geometry.rows.taps, "n": geometry.columns.taps}
    formula = tensors.formulas.output(None if bias is None else bias.ndim)
    return _Derivation(
        sum=Sum("VK", index, _axes(extents, index)),
        formula=formula,
        equation=_with_numbers(formula, geometry, index),
        bias=None if bias is None else float(bias[at[-3:][: bias.ndim]]),
    )


def _kernel(tensors: Tensors, at: tuple[int, ...]) -> _Derivation:
    geometry = tensors.geometry
    index = dict(zip(index_letters("kernel", len(at)), at, strict=True))
    rows = np.arange(index.get("p", 0), geometry.rows.output, geometry.tiling[0])
    columns = np.arange(index.get("q", 0), geometry.columns.output, geometry.tiling[1])
    fixed = {letter: number for letter, number in index.items() if letter not in "pq"}
    formula = tensors.formulas.gradient("kernel", len(at))
    sum_ = Sum("GV", fixed, (*_axes(tensors.extents, index), {"j": rows}, {"k": columns}))
    return _Derivation(sum_, formula, _with_numbers(formula, geometry, index))


def _input(tensors: Tensors, at: tuple[int, ...]) -> _Derivation:
    geometry, formulas, (*before, row, column) = tensors.geometry, tensors.formulas, at
    index = dict(zip(tensors.extents, before, strict=True))
    reads = dict(zip("jm", tensors.reads(0, row), strict=True)), dict(zip("kn", tensors.reads(1, column), strict=True))
    padded = PaddedPlaces(tensors.copies(0, row), tensors.copies(1, column))
    outputs = () if tensors.is_plane else ({"i": tensors.outputs_of(index)},)
    if not tensors.is_plane:
        index["l"] = index.get("l", 0) % geometry.in_channels
    known: dict[str, int | str] = {
        **index,
        "a": " or ".join(map(str, padded.rows)),
        "c": " or ".join(map(str, padded.columns)),
    }
    place = bracketed(formulas.kept_indices(index_letters("input", len(at)), at))
    return _Derivation(
        sum=Sum("GK", index, (*outputs, *reads)),
        formula=formulas.gradient("input", len(at)),
        equation=f"dV{place} = {_with_numbers(formulas.input_sum, geometry, known)}",
        padded=padded,
    )


def _bias(tensors: Tensors, at: tuple[int, ...]) -> _Derivation:
    geometry = tensors.geometry
    index = dict(zip(index_letters("bias", len(at)), at, strict=True))
    extents = dict(zip(tensors.output_letters, geometry.output_shape, strict=True))
    formula = tensors.formulas.gradient("bias", len(at))
    return _Derivation(Sum("G", index, _axes(extents, index)), formula, _with_numbers(formula, geometry, index))


_DERIVATIONS: dict[str, Callable[[Tensors, tuple[int, ...]], _Derivation]] = {
    "output": _output,
    "kernel": _kernel,
    "input": _input,
    "bias": _bias,
}


def _axes(extents: Mapping[str, int], fixed: Mapping[str, int]) -> tuple[dict[str, IntArray], ...]:
    """Return an axis for each letter that is not fixed."""
    return tuple({letter: np.arange(extent)} for letter, extent in extents.items() if letter not in fixed)


def _with_numbers(formula: str, geometry: Geometry, index: Mapping[str, int | str]) -> str:
    """Return the formula with numbers for all letters except those that the sum runs over."""
    y, x = geometry.rows, geometry.columns
    known: dict[str, int | str] = {"sy": y.stride, "sx": x.stride, "dy": y.dilation, "dx": x.dilation}
    known |= {"kh": y.taps, "kw": x.taps, "tr": geometry.tiling[0], "tc": geometry.tiling[1], **index}
    sum_, grouping, _ = formula.partition(GROUPING)
    return re.sub(r"\b(?:[a-z]{1,2}|batch\d*)\b", lambda match: str(known.get(match[0], match[0])), sum_) + grouping
