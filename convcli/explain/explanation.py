"""The very sum behind one number of Z, dK, dV or db, term by term, from the definition.

Each is a sum of products over the indices i, l, j, k, m, n, of which its own place holds some and the sum runs over
the rest:

    Z   holds i, j, k         runs over l, m, n                                               V' * K
    dK  holds i, l, m, n      runs over j, k                                                  G * V'
    dV  holds l               runs over i, and the (j, m) and (k, n) that read its pixel      G * K
    db  holds some of i, j, k and runs over the rest                                          G
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import fsum
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from convcli.arrays import Array, IntArray, real_array
from convcli.convolution.formulas import GROUPING, SYMBOLS, Formulas, index_letters, output_letters
from convcli.convolution.operands import upstream_blocks
from convcli.convolution.prepared import Convolution, Prepared
from convcli.errors import GeometryError
from convcli.explain.terms import Factor, Sum, Tensors, Terms
from convcli.files.json_writing import require_finite
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.options import Numbers
from convcli.kernels.kernel import Kernel
from convcli.text import choice, integer

OF = tuple(SYMBOLS)

# Terms whose indices are held as arrays at once.
CHUNK = 1 << 16

Padded = tuple[tuple[int, ...], tuple[int, ...]]


class Explanation(NamedTuple):
    """One number as a sum.

    of: a name in OF.  at: its place.  formula: in letters.  equation: the same with the numbers of this place.
    size: how many terms there are; ``terms`` gives some by their ordinals.  bias: what is added to them, or None.
    padded: for dV, the padded rows and columns where the pixel stands, itself and its copies; else None.
    """

    of: str
    at: tuple[int, ...]
    formula: str
    equation: str
    size: int
    terms: Callable[[range], Terms]
    total: float
    bias: float | None
    padded: Padded | None


def conv2d_explain(
    V: ArrayLike,
    K: ArrayLike | Kernel,
    at: tuple[int, ...],
    *,
    of: str = "output",
    G: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> Explanation:
    """Return the exact sum behind one number of Z, dK, dV or db, term by term.

    Parameters
    ----------
    V
        Input ``(C_in, H, W)``.
    K, bias, stride, padding, dilation, groups, edge, flip
        As in ``conv2d``.
    at
        The index of the number in its tensor.
    of
        The tensor: ``output``, or the gradient of ``kernel``, ``input`` or ``bias``.
    G
        Upstream gradient, with the shape of Z; ones by default. Z is explained without it.

    Returns
    -------
    Explanation
        The formula, the terms and the total.

    Raises
    ------
    GeometryError
        Shapes or options do not fit together, or the tensor has no such index.
    OptionError
        ``of`` names no tensor.

    Examples
    --------
    >>> conv2d_explain([[[1, 2], [3, 4]]], [[1, 0], [0, 1]], (0, 0, 0)).total
    5.0
    """
    V = real_array("input V", V)
    prepared = Convolution.of(
        K, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, edge=edge, flip=flip
    ).at(V.shape, np.float64)
    upstream = np.ones(prepared.geometry.output_shape) if G is None else real_array("upstream gradient G", G)
    return explain(prepared, V, upstream, of, at)


def explain(prepared: Prepared, V: Array, G: Array | None, of: str, at: tuple[int, ...]) -> Explanation:
    """Return the sum behind ``Z[at]``, ``dK[at]``, ``dV[at]`` or ``db[at]``, as ``of`` says (a name in OF).

    V: ``(C_in, H, W)``.  G: shaped like Z; only Z is explained without one.
    Raises GeometryError for a place that the tensor does not have, OptionError for another name.
    """
    choice("of", of, OF)
    if V.ndim != 3:
        raise GeometryError(f"input V: expected shape (C_in, H, W), given {V.shape}")
    if G is not None:
        G = upstream_blocks(G, prepared.geometry).reshape(prepared.geometry.output_shape)
    _require_place(of, at, _shape_of(of, prepared), prepared.convolution.weights.ndim)
    tensors = Tensors(prepared, V, G)
    words = _SUMS[of](tensors, prepared, at)
    terms = partial(tensors.terms, words.sum)
    total = _total(terms, words.sum.size, words.bias or 0.0)
    return Explanation(of, at, words.formula, words.equation, words.sum.size, terms, total, words.bias, words.padded)


def parse_at(text: str) -> tuple[int, ...]:
    """A place from ``I,J,K``; an empty text is the place of a single number."""
    try:
        return tuple(integer(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise GeometryError(f"expected integers as in I,J,K, given {text!r}", option="at") from None


def ends(size: int, shown: int) -> tuple[range, ...]:
    """The ordinals of all terms, or where they are more than ``shown``, of the first and the last of them."""
    half = shown // 2
    return (range(size),) if size <= shown else (range(shown - half), range(size - half, size))


def cut(spans: Iterable[range], length: int) -> Iterator[range]:
    """The same ordinals, so many at a time at most."""
    for span in spans:
        for start in range(span.start, span.stop, length):
            yield range(start, min(start + length, span.stop))


def explanation_to_json(explanation: Explanation, spans: Sequence[range]) -> dict[str, Any]:
    """Return the members of a JSON document, with the terms in these ranges.

    Raises OptionError if the sum is not finite.
    """
    # A term that is not finite leaves no finite sum.
    require_finite("the sum", explanation.total, "leave `json` out")
    return {
        "of": explanation.of,
        "at": explanation.at,
        "formula": explanation.formula,
        "equation": explanation.equation,
        "terms": _terms_to_json(explanation, spans),
        "omitted": explanation.size - sum(map(len, spans)),
        "bias": explanation.bias,
        "padded": explanation.padded and dict(zip(("rows", "columns"), explanation.padded, strict=True)),
        "sum": explanation.total,
    }


def _terms_to_json(explanation: Explanation, spans: Iterable[range]) -> Iterator[list[dict[str, Any]]]:
    """Yield a part with each term, computing many terms at once."""
    for span in cut(spans, CHUNK):
        terms = explanation.terms(span)
        for number, product in enumerate(terms.products.tolist()):
            yield [_term_to_json(terms, number, product)]


def _term_to_json(terms: Terms, number: int, product: float) -> dict[str, Any]:
    indices = {letter: int(values[number]) for letter, values in terms.indices.items()}
    factors = {factor.symbol: _factor_to_json(factor, number) for factor in terms.factors}
    return {"indices": indices, **factors, "product": product}


def _factor_to_json(factor: Factor, number: int) -> dict[str, Any]:
    found = {"at": factor.places[number].tolist(), "value": float(factor.values[number])}
    if factor.pixels is None:
        return found
    pixel = factor.pixels.sources[number].tolist()
    in_pads = bool(factor.pixels.in_pads[number])
    return {**found, "from": None if OUTSIDE in pixel else pixel, "padding": in_pads}


def _shape_of(of: str, prepared: Prepared) -> tuple[int, ...]:
    shapes = {
        "output": prepared.geometry.output_shape,
        "kernel": prepared.convolution.weights.shape,
        "input": prepared.input_shape,
        "bias": prepared.bias_shape,
    }
    return shapes[of]


def _require_place(of: str, at: tuple[int, ...], shape: tuple[int, ...], K_rank: int) -> None:
    if len(at) != len(shape) or not all(0 <= index < size for index, size in zip(at, shape, strict=True)):
        ends = [",".join(map(str, place)) for place in ([0] * len(shape), [size - 1 for size in shape])]
        expected = f"{','.join(_letters(of, shape, K_rank))} from {' to '.join(ends)}" if shape else "nothing"
        given = ",".join(map(str, at)) or "nothing"
        raise GeometryError(f"{SYMBOLS[of]} has shape {shape}: expected {expected}, given {given}", option="at")


def _letters(of: str, shape: tuple[int, ...], K_rank: int) -> list[str]:
    if of != "output":
        return index_letters(of, len(shape))
    return list(output_letters(K_rank))


def _total(terms: Callable[[range], Terms], size: int, bias: float) -> float:
    spans = cut([range(size)], CHUNK)
    return _added([*(_added(terms(span).products.tolist()) for span in spans), bias])


def _added(numbers: Iterable[float]) -> float:
    """Rounded once; as floats add up where they are not finite."""
    try:
        return fsum(numbers)
    # Infinities, or a sum beyond the largest float.
    except (OverflowError, ValueError):
        return sum(map(float, numbers))


class _Words(NamedTuple):
    """A sum, and what is said of it."""

    sum: Sum
    formula: str
    equation: str
    bias: float | None = None
    padded: Padded | None = None


def _of_output(tensors: Tensors, prepared: Prepared, at: tuple[int, ...]) -> _Words:
    geometry, bias = tensors.geometry, prepared.convolution.bias
    place = dict(zip(tensors.output_letters, at, strict=True))
    extents = {"l": geometry.in_channels, "m": geometry.rows.taps, "n": geometry.columns.taps}
    sum_ = Sum("VK", place, _axes(extents, place))
    formula = Formulas.of(prepared).output(None if bias is None else bias.ndim)
    added = None if bias is None else float(bias[at[: bias.ndim]])
    return _Words(sum_, formula, _filled(formula, geometry, place), added)


def _of_kernel(tensors: Tensors, prepared: Prepared, at: tuple[int, ...]) -> _Words:
    geometry = tensors.geometry
    place = dict(zip(index_letters("kernel", len(at)), at, strict=True))
    rows = np.arange(place.get("p", 0), geometry.rows.output, geometry.tiling[0])
    columns = np.arange(place.get("q", 0), geometry.columns.output, geometry.tiling[1])
    channels = _axes({"l": len(tensors.V)}, place)
    fixed = {letter: index for letter, index in place.items() if letter not in "pq"}
    sum_ = Sum("GV", fixed, (*channels, {"j": rows}, {"k": columns}))
    formula = Formulas.of(prepared).gradient("kernel", len(at))
    return _Words(sum_, formula, _filled(formula, geometry, place))


def _of_input(tensors: Tensors, prepared: Prepared, at: tuple[int, ...]) -> _Words:
    geometry, (channel, row, column) = tensors.geometry, at
    group, within = divmod(channel, geometry.in_channels)
    place = {"l": channel if tensors.is_plane else within}
    outputs = {"i": group * geometry.out_channels + np.arange(geometry.out_channels)}
    reads = dict(zip("jm", tensors.reads(0, row), strict=True)), dict(zip("kn", tensors.reads(1, column), strict=True))
    sum_ = Sum("GK", place, reads if tensors.is_plane else (outputs, *reads))
    padded = tensors.copies(0, row), tensors.copies(1, column)
    formulas = Formulas.of(prepared)
    known: dict[str, int | str] = {**place, "a": _either(padded[0]), "c": _either(padded[1])}
    equation = f"dV[{channel},{row},{column}] = {_filled(formulas.input_sum, geometry, known)}"
    return _Words(sum_, formulas.gradient("input", len(at)), equation, padded=padded)


def _of_bias(tensors: Tensors, prepared: Prepared, at: tuple[int, ...]) -> _Words:
    geometry, letters = tensors.geometry, tensors.output_letters
    place = dict(zip(letters, at, strict=False))
    sum_ = Sum("G", place, _axes(dict(zip(letters, geometry.output_shape, strict=True)), place))
    formula = Formulas.of(prepared).gradient("bias", len(at))
    return _Words(sum_, formula, _filled(formula, geometry, place))


_SUMS: dict[str, Callable[[Tensors, Prepared, tuple[int, ...]], _Words]] = {
    "output": _of_output,
    "kernel": _of_kernel,
    "input": _of_input,
    "bias": _of_bias,
}


def _axes(extents: Mapping[str, int], place: Mapping[str, int]) -> tuple[dict[str, IntArray], ...]:
    """An axis for each index that a place does not hold."""
    return tuple({letter: np.arange(extent)} for letter, extent in extents.items() if letter not in place)


def _filled(formula: str, geometry: Geometry, place: Mapping[str, int | str]) -> str:
    """The formula with numbers for letters, but for those that the sum runs over."""
    y, x = geometry.rows, geometry.columns
    known: dict[str, int | str] = {"sy": y.stride, "sx": x.stride, "dy": y.dilation, "dx": x.dilation}
    known |= {"kh": y.taps, "kw": x.taps, "tr": geometry.tiling[0], "tc": geometry.tiling[1], **place}
    sum_, grouping, _ = formula.partition(GROUPING)
    return re.sub(r"\b[a-z]{1,2}\b", lambda match: str(known.get(match[0], match[0])), sum_) + grouping


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))
