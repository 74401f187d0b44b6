"""The parts of terms in words: places, origins of pixels, and numbers."""

from collections.abc import Iterator, Sequence

from convcli.convolution.formulas import Formulas
from convcli.convolution.places import bracketed
from convcli.explain.terms import Factor, Terms
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.fills import EdgeFill

# The heading of the column of origins.
ORIGIN = "origin"


def term_columns(terms: Terms, edge: EdgeFill, formulas: Formulas) -> dict[str, list[str]]:
    """Return the columns of a table with a row per term, by their headings: indices, factors, origins, product."""
    columns: dict[str, list[str]] = {
        letter: terms.indices[letter].astype(str).tolist() for letter in formulas.kept(terms.indices)
    }
    for factor in terms.factors:
        places = (place_text(factor.symbol, factor.letters, place, formulas) for place in factor.at.tolist())
        values = map(number_text, factor.values.tolist())
        columns[factor.symbol] = [f"{place} = {value}" for place, value in zip(places, values, strict=True)]
        if factor.pixels is not None and formulas.padded:
            columns[ORIGIN] = [text.removeprefix("is ") for text in origins(factor, edge, formulas)]
    if len(terms.factors) > 1:
        columns["product"] = list(map(number_text, terms.products.tolist()))
    return columns


def place_text(tensor: str, letters: Sequence[str], place: Sequence[int], formulas: Formulas) -> str:
    """Return an index of a tensor in brackets, as the formula writes it."""
    return bracketed(formulas.indices(tensor, letters, place))


def origins(factor: Factor, edge: EdgeFill, formulas: Formulas) -> Iterator[str]:
    """Yield for each pixel of V' its origin: the same pixel of V, a pixel of V copied as padding, or a constant.

    factor: that of V', which has the origins of its pixels.
    """
    assert factor.pixels is not None
    for source, in_pads in zip(factor.pixels.sources.tolist(), factor.pixels.in_pads.tolist(), strict=True):
        if OUTSIDE in source:
            yield f"padding: {edge}"
        else:
            pixel = f"{factor.symbol[0]}{place_text(factor.symbol, factor.letters, source, formulas)}"
            yield f"padding: {edge} of {pixel}" if in_pads else f"is {pixel}"


def others_text(count: int) -> str:
    """Return what the terms that are not shown are called."""
    return f"the other {count:,} terms" if count > 1 else "the other term"


def number_text(value: float, digits: int = 10) -> str:
    """Return a number with at most ten digits."""
    return f"{value:z.{digits}g}"
