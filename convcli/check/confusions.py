"""The usual confusions: what may have been computed instead, how it may be laid out, and what it may be scaled by.

A tensor that is not ours is explained by the fewest of them that make ours it.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.convolution.prepared import Convolution, Prepared
from convcli.engine import Execution
from convcli.errors import GeometryError
from convcli.geometry.axes import Geometry
from convcli.geometry.edges import EDGE_RULES, EdgeFill
from convcli.geometry.options import PADDING_RULES

# Two numbers are a multiple of two others too often.
LEAST_DISTINCT = 3

# For each rank of a kernel, the order of axes in which others keep it, and how to bring it back to ours.
KERNEL_LAYOUTS: dict[int, dict[str, tuple[int, ...]]] = {
    4: {
        "in and out channels swapped": (1, 0, 2, 3),
        "channels last (kh, kw, C_in, C_out)": (3, 2, 0, 1),
        "channels last (kh, kw, C_out, C_in)": (2, 3, 0, 1),
        "channels last (C_out, kh, kw, C_in)": (0, 3, 1, 2),
    },
    6: {
        "in and out channels swapped": (3, 1, 2, 0, 4, 5),
        "rows and columns of the tiling transposed": (0, 2, 1, 3, 4, 5),
        "channels last (tr, tc, kh, kw, C_in, C_out)": (5, 0, 1, 4, 2, 3),
    },
}


def tensor_of(prepared: Prepared, V: Array, G: Array, name: str, execution: Execution) -> FloatArray:
    """Return Z for ``output``, else the gradient of that name."""
    if name == "output":
        return prepared.convolve(V, prepared.plan(execution))
    found: FloatArray = vars(prepared.gradients(V, G, prepared.plan_gradients((name,), execution)))[name]
    return found


def fit(theirs: Array, shape: tuple[int, ...]) -> Array | None:
    """Theirs with axes of length 1 where ours has them; None where the others differ."""
    long = [[size for size in each if size != 1] for each in (theirs.shape, shape)]
    return theirs.reshape(shape) if long[0] == long[1] else None


def confusion(
    prepared: Prepared, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float, execution: Execution
) -> str | None:
    """Say in the fewest words what turns convcli's tensor into theirs, which differs; None if nothing does."""
    fewest = None
    for variant in _variants(prepared.convolution, V, prepared.geometry):
        other = prepared if variant.convolution is prepared.convolution else _prepared(variant, G, tensor)
        if other is None:
            continue
        ours = tensor_of(other, variant.V, G, tensor, execution)
        found = _within(variant.words, ours, tensor, theirs, prepared.geometry, tolerance)
        if found and (fewest is None or len(found) < len(fewest)):
            fewest = found
        if fewest and len(fewest) == 1:
            break
    return None if fewest is None else ", ".join(fewest)


def _prepared(variant: "Variant", G: Array, tensor: str) -> Prepared | None:
    """Prepare a variant; None where it fits no geometry, or, for a gradient, not this G."""
    try:
        prepared = variant.convolution.at(variant.V.shape, np.float64)
    except GeometryError:
        return None
    return prepared if tensor == "output" or prepared.geometry.output_shape == G.shape else None


def _within(
    asked: str, ours: FloatArray, tensor: str, theirs: Array, geometry: Geometry, tolerance: float
) -> list[str] | None:
    """The fewest words for a layout and a scale that make this tensor theirs, after those for what was asked."""
    found = []
    for laid_out, given in _layouts(tensor, theirs, geometry, ours.ndim):
        scaled = _scale(ours, fit(given, ours.shape), geometry, tolerance)
        words = [word for word in (asked, laid_out, scaled) if word]
        if scaled is not None and words:
            found.append(words)
    return min(found, key=lambda words: len(words), default=None)


class Variant(NamedTuple):
    """A convolution that may have been computed instead, in words."""

    words: str
    convolution: Convolution
    V: Array


def _variants(convolution: Convolution, V: Array, geometry: Geometry) -> Iterator[Variant]:
    """Yield what may have been computed instead; the convolution itself comes first."""
    options = convolution.options

    def with_options(words: str, **changed: Any) -> Variant:
        return Variant(words, replace(convolution, options=options._replace(**changed)), V)

    yield Variant("", convolution, V)
    yield with_options("for the flipped kernel", flip=not options.flip)
    for words, padding in _other_pads(geometry):
        yield with_options(words, padding=padding)
    for fill in _other_fills(geometry.edge):
        yield with_options("with zeros in the pads" if str(fill) == "zero" else f"with the edge fill {fill}", edge=fill)
    for words, other in _other_parameters(convolution):
        yield Variant(words, other, V)
    yield Variant("with the input's channels in reverse order", convolution, V[::-1])
    yield Variant("for pixel values in 0..1, not 0..255", convolution, V / 255)
    yield Variant("for pixel values in 0..255, not 0..1", convolution, V * 255.0)


def _other_pads(geometry: Geometry) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    top, bottom, left, right = geometry.pads
    turned = {
        "with the pads at the other end": (bottom, top, right, left),
        "with the pads of rows at the other end": (bottom, top, left, right),
        "with the pads of columns at the other end": (top, bottom, right, left),
    }
    rules = {word: PADDING_RULES[word] for word in ("valid", "same", "full")}
    named = {f"with padding {word}": (*rule(geometry.rows), *rule(geometry.columns)) for word, rule in rules.items()}
    yield from ((words, pads) for words, pads in {**turned, **named}.items() if pads != geometry.pads)


def _other_fills(edge: EdgeFill) -> Iterator[EdgeFill]:
    yield from (EdgeFill(rule) for rule in EDGE_RULES if EdgeFill(rule) != edge)


def _other_parameters(convolution: Convolution) -> Iterator[tuple[str, Convolution]]:
    K = convolution.weights
    if convolution.bias is not None:
        yield "without the bias", replace(convolution, bias=None)
    transposed = {"for the kernel with rows and columns transposed": K.swapaxes(-1, -2)}
    if K.ndim > 2:
        transposed["for the kernel with its channels swapped"] = K.swapaxes(0, -3)
    for words, weights in transposed.items():
        if weights.shape == K.shape:
            yield words, replace(convolution, weights=weights)


def _layouts(tensor: str, theirs: Array, geometry: Geometry, rank: int) -> Iterator[tuple[str, Array]]:
    """Theirs as it would be, had it been laid out as ours is; as it is first."""
    yield "", theirs
    if tensor == "bias" or theirs.ndim < 2:
        return
    yield "with rows and columns transposed", theirs.swapaxes(-1, -2)
    if tensor == "kernel":
        yield from _kernel_layouts(theirs, geometry, rank)
    else:
        yield from _map_layouts(theirs)
    if tensor == "input":
        yield from _extents(theirs, geometry)


def _kernel_layouts(given: Array, geometry: Geometry, rank: int) -> Iterator[tuple[str, Array]]:
    if given.ndim == rank > 2:
        yield from ((f"with {words}", given.transpose(axes)) for words, axes in KERNEL_LAYOUTS[rank].items())
        yield "with the input's channels in reverse order", given[..., ::-1, :, :]
    if given.ndim > rank == 2:
        yield "not summed over channels", given.reshape(-1, *given.shape[-2:]).sum(axis=0)
    taps = geometry.rows.taps, geometry.columns.taps
    beyond = given.shape[-2] - taps[0], given.shape[-1] - taps[1]
    if min(beyond) >= 0 and max(beyond) > 0:
        words = f"with {_in_words(beyond)} too many, which the stride's remainder left"
        yield words, given[..., : taps[0], : taps[1]]


def _map_layouts(given: Array) -> Iterator[tuple[str, Array]]:
    if given.ndim >= 3:
        yield "with channels last (H, W, C)", np.moveaxis(given, -1, -3)
        yield "with its channels in reverse order", given[..., ::-1, :, :]


def _extents(given: Array, geometry: Geometry) -> Iterator[tuple[str, Array]]:
    """A dV that lacks what no window reads, or has its pads still."""
    y, x = geometry.rows, geometry.columns
    short = y.size - given.shape[-2], x.size - given.shape[-1]
    if min(short) >= 0 and max(short) > 0:
        filled = np.zeros((*given.shape[:-2], y.size, x.size))
        filled[..., : given.shape[-2], : given.shape[-1]] = given
        yield f"without the last {_in_words(short)}, which no window reads (a stride remainder)", filled
    if given.shape[-2:] == (y.padded, x.padded) and any(geometry.pads):
        yield "with its pads still around it", given[..., y.before : y.before + y.size, x.before : x.before + x.size]


def _in_words(counts: tuple[int, int]) -> str:
    """Of rows and columns, those that there are: ``1 row and 2 columns``."""
    named = zip(counts, ("row", "column"), strict=True)
    return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in named if count)


def _scale(ours: FloatArray, theirs: Array | None, geometry: Geometry, tolerance: float) -> str | None:
    """What theirs is multiplied by, in words; "" for 1, None where it is no multiple."""
    if theirs is None or not ours.any():
        return None
    for words, known in _scales(geometry):
        if _is(known * ours, theirs, tolerance):
            return words
    ratio = float(np.vdot(ours, theirs)) / float(np.vdot(ours, ours))
    told = f"{ratio:.7g}"
    if told in ("0", "1") or np.unique(ours).size < LEAST_DISTINCT or not _is(ratio * ours, theirs, tolerance):
        return None
    return f"multiplied by {told}"


def _is(ours: FloatArray, theirs: Array, tolerance: float) -> bool:
    return bool(np.abs(ours - theirs).max() <= tolerance * np.abs(ours).max())


def _scales(geometry: Geometry) -> Iterator[tuple[str, float]]:
    rows, columns = geometry.rows.output, geometry.columns.output
    every = prod(geometry.output_shape)
    yield "", 1.0
    yield "negated", -1.0
    yield f"averaged over the {rows} x {columns} outputs of a channel instead of summed", 1 / (rows * columns)
    yield f"averaged over all {every} outputs instead of summed", 1 / every
    yield "scaled by 255", 255.0
    yield "scaled by 1/255: pixel values in 0..1", 1 / 255
    yield "doubled", 2.0
    yield "halved", 0.5
