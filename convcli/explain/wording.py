"""The parts of terms in words: places, origins of pixels, and numbers."""

from collections.abc import Iterator, Sequence

from convcli.convolution.formulas import Formulas
from convcli.convolution.places import bracketed
from convcli.explain.terms import Factor
from convcli.geometry.edges import OUTSIDE
from convcli.geometry.fills import EdgeFill


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


def number_text(value: float) -> str:
    """Return a number with at most ten digits."""
    return f"{value:z.10g}"
