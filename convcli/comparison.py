"""A tensor made elsewhere held against ours, and the usual confusion that explains a difference."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, real_array
from convcli.formulas import SYMBOLS
from convcli.geometry import Geometry
from convcli.padding import EdgeFill
from convcli.request import Request

# How far a ratio may be from one that has a name.
RATIO_TOLERANCE = 1e-4
# Any one number is a multiple of any other.
LEAST_ENTRIES = 3


class Comparison(NamedTuple):
    """Theirs beside ours.

    tensor: ``output``, or the parameter whose gradient it is.  worst: where they differ most, None where their shapes
    do.  absolute, relative: how much there, and as a part of our largest magnitude.
    confusion: in words, what makes ours theirs; None where nothing does, "" where nothing is needed.
    """

    tensor: str
    our_shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    worst: tuple[int, ...] | None
    ours: float | None
    theirs: float | None
    absolute: float | None
    relative: float | None
    confusion: str | None

    @property
    def holds(self) -> bool:
        """Whether they are equal."""
        return self.confusion == ""


def compare(request: Request, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float) -> Comparison:
    """Theirs beside our Z (``output``), dK, dV or db.

    V: ``(C_in, H, W)``.  G: shaped like Z.  Axes of length 1 are of no account.
    tolerance: the largest difference between equals, as a part of our largest magnitude.
    """
    ours = _tensor(request, V, G, tensor)
    theirs = _without_batch(real_array(f"your {SYMBOLS[tensor]}", theirs).astype(np.float64), ours.ndim)
    given = _reshaped(theirs, ours.shape)
    words = "" if _same(ours, given, tolerance) else _confusion(request, V, G, tensor, theirs, tolerance)
    if given is None:
        return Comparison(tensor, ours.shape, theirs.shape, None, None, None, None, None, words)
    return Comparison(tensor, ours.shape, theirs.shape, *_worst(ours, given), words)


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """Every field, and whether they are equal."""
    return {**comparison._asdict(), "holds": comparison.holds}


def _tensor(request: Request, V: Array, G: Array, name: str) -> FloatArray:
    if name == "output":
        return request.convolve(V, dtype=np.float64)
    found: FloatArray = vars(request.differentiate(V, G, (name,)))[name]
    return found


def _without_batch(theirs: Array, rank: int) -> Array:
    """Without leading axes of length 1 that ours has not."""
    return _without_batch(theirs[0], rank) if theirs.ndim > rank and len(theirs) == 1 else theirs


def _reshaped(theirs: Array, shape: tuple[int, ...]) -> Array | None:
    """With axes of length 1 where ours has them; None where the others differ."""
    long = [[size for size in each if size != 1] for each in (theirs.shape, shape)]
    return theirs.reshape(shape) if long[0] == long[1] else None


def _worst(ours: Array, theirs: Array) -> tuple[tuple[int, ...], float, float, float, float]:
    differences = np.abs(ours - theirs)
    at = np.unravel_index(np.argmax(np.where(np.isnan(differences), np.inf, differences)), ours.shape)
    absolute, largest = float(differences[at]), float(np.abs(ours).max())
    relative = absolute / largest if largest else absolute
    return tuple(map(int, at)), float(ours[at]), float(theirs[at]), absolute, relative


def _same(ours: Array, theirs: Array | None, tolerance: float) -> bool:
    if theirs is None or theirs.shape != ours.shape:
        return False
    return bool(np.abs(ours - theirs).max() <= tolerance * np.abs(ours).max())


def _confusion(request: Request, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float) -> str | None:
    """The fewest words that make ours theirs: another request, another layout, another scale."""
    geometry = request.geometry(V.shape)
    others = [(words, _tensor(other, V, G, tensor)) for words, other in _requests(request, geometry)]
    layouts = list(_layouts(tensor, theirs, geometry, others[0][1].ndim))
    found: list[list[str]] = []
    for (asked, ours), (laid_out, given) in product(others, layouts):
        scaled = _scale(ours, _reshaped(given, ours.shape), geometry, tolerance)
        if scaled is not None:
            found.append([words for words in (asked, laid_out, scaled) if words])
    found.sort(key=len)
    return ", ".join(found[0]) if found else None


def _requests(request: Request, geometry: Geometry) -> Iterator[tuple[str, Request]]:
    """What may have been computed instead; the request itself first."""
    kernel, K = request.kernel, request.kernel.weights
    yield "", request
    yield "for the flipped kernel", request._replace(flip=not request.flip)
    for words, pads in _turned_pads(geometry):
        yield words, request._replace(settings=request.settings._replace(padding=pads))
    if str(geometry.edge) != "zero":
        yield "with zeros in the pads", request._replace(settings=request.settings._replace(edge=EdgeFill("constant")))
    if kernel.bias is not None:
        yield "without the bias", request._replace(kernel=kernel._replace(bias=None))
    for words, weights in (
        ("for the kernel with rows and columns transposed", K.swapaxes(-1, -2)),
        ("for the kernel with its channels swapped", K.swapaxes(0, -3) if K.ndim > 2 else K),
    ):
        if weights.shape == K.shape:
            yield words, request._replace(kernel=kernel._replace(weights=weights))


def _turned_pads(geometry: Geometry) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    top, bottom, left, right = geometry.pads
    turned = {
        "with the pads at the other end": (bottom, top, right, left),
        "with the pads of rows at the other end": (bottom, top, left, right),
        "with the pads of columns at the other end": (top, bottom, right, left),
    }
    yield from ((words, pads) for words, pads in turned.items() if pads != geometry.pads)


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
    if given.ndim == rank == 4:
        yield "with in and out channels swapped", given.swapaxes(0, 1)
        yield "with channels last (kh, kw, C_in, C_out)", given.transpose(3, 2, 0, 1)
        yield "with channels last (kh, kw, C_out, C_in)", given.transpose(2, 3, 0, 1)
        yield "with channels last (C_out, kh, kw, C_in)", given.transpose(0, 3, 1, 2)
        yield "with the input's channels in reverse order", given[:, ::-1]
    if given.ndim > rank == 2:
        yield "not summed over channels", given.reshape(-1, *given.shape[-2:]).sum(axis=0)
    taps = geometry.rows.taps, geometry.columns.taps
    beyond = tuple(size - tap for size, tap in zip(given.shape[-2:], taps, strict=True))
    if min(beyond) >= 0 and max(beyond) > 0:
        words = f"with {beyond[0]} rows and {beyond[1]} columns too many, which the stride's remainder left"
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
        words = f"without the last {short[0]} rows and {short[1]} columns, which no window reads (a stride remainder)"
        yield words, filled
    if given.shape[-2:] == (y.padded, x.padded) and any(geometry.pads):
        yield "with its pads still around it", given[..., y.before : y.before + y.size, x.before : x.before + x.size]


def _scale(ours: Array, theirs: Array | None, geometry: Geometry, tolerance: float) -> str | None:
    """What theirs is multiplied by, in words; "" for 1, None where it is no multiple."""
    norm = float(np.vdot(ours, ours))
    if theirs is None or not norm:
        return None
    ratio = float(np.vdot(ours, theirs)) / norm
    if not _same(ratio * ours, theirs, tolerance) or not ratio:
        return None
    for words, known in _scales(geometry):
        if abs(ratio - known) <= RATIO_TOLERANCE * abs(known):
            return words
    return f"multiplied by {ratio:.6g}" if ours.size >= LEAST_ENTRIES else None


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
