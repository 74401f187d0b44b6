"""Explain a tensor that differs from convcli's by the usual confusions: of convolutions, of layouts, and of scales.

Our tensor is convcli's, and theirs is the other one. The explanation is the smallest set of confusions that turns our
tensor into theirs.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, fit
from convcli.convolution.layers import PreparedLayer
from convcli.convolution.prepared import Convolution, Prepared
from convcli.convolution.transposed import PreparedTransposed
from convcli.engine import Execution
from convcli.errors import GeometryError
from convcli.geometry.axes import Geometry
from convcli.geometry.fills import COPYING_RULES, EdgeFill
from convcli.geometry.options import PADDING_RULES, Pads

# A tensor with fewer distinct numbers is too often a multiple of another tensor by chance.
LEAST_DISTINCT = 3

# Per rank of a kernel: the orders of axes that other programs use, and the transposition of each to convcli's order.
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


def tensor_of(prepared: PreparedLayer, V: Array, G: Array, name: str, execution: Execution) -> FloatArray:
    """Return convcli's tensor: Z for ``output``, otherwise the gradient with that name."""
    if name == "output":
        return prepared.convolve(V, prepared.plan(execution))
    gradients = prepared.gradients(V, G, prepared.plan_gradients((name,), execution))
    gradient: FloatArray = getattr(gradients, name)
    return gradient


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def confusion(
    prepared: PreparedLayer, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float, execution: Execution
) -> str | None:
    """Return the confusion with the fewest parts that turns convcli's tensor into theirs; None if no confusion does."""
    if isinstance(prepared, PreparedTransposed):
        prepared, V, G, tensor, theirs = _of_a_convolution(prepared, V, G, tensor, theirs)
    assert isinstance(prepared, Prepared)
    candidates: list[list[str]] = []
    for parts in _confusions(prepared, V, G, tensor, theirs, tolerance, execution):
        if len(parts) == 1:
            return parts[0]
        candidates.append(parts)
    fewest = min(candidates, key=len, default=None)
    return None if fewest is None else ", ".join(fewest)


def _of_a_convolution(
    prepared: PreparedTransposed, V: Array, G: Array, tensor: str, theirs: Array
) -> tuple[Prepared, Array, Array, str, Array]:
    """Return the convolution that has a transposed one's tensor among its own, its V and G, and theirs without b."""
    if tensor == "bias":
        channels = prepared.bias_shape[0] if prepared.bias_shape else 1
        each_alone = np.ones((channels, 1, 1, 1)) if prepared.bias_shape else np.ones((1, 1))
        identity = Convolution.of(each_alone, prepared.convolution.bias, groups=channels)
        return identity.at(G.shape, np.float64), G, G, tensor, theirs
    upstream = V.reshape(prepared.forward.output_shape)
    if tensor != "output":
        return prepared.forward, G, upstream, {"input": "output", "kernel": "kernel"}[tensor], theirs
    if prepared.bias is not None:
        # From a tensor of another shape, the bias cannot be subtracted.
        with suppress(ValueError):
            theirs = (theirs.reshape(prepared.output_blocks) - prepared.bias).reshape(prepared.output_shape)
    return prepared.forward, G, upstream, "input", theirs


def _confusions(
    prepared: Prepared, V: Array, G: Array, tensor: str, theirs: Array, tolerance: float, execution: Execution
) -> Iterator[list[str]]:
    """Yield every combination of a variant, a layout and a scale that turns convcli's tensor into theirs."""
    for variant in _variants(prepared.convolution, V, prepared.geometry):
        other = prepared if variant.convolution is prepared.convolution else _prepared(variant, G, tensor)
        if other is None:
            continue
        ours = tensor_of(other, variant.V, G, tensor, execution)
        for layout in _layouts(tensor, theirs, prepared.geometry, ours.ndim):
            scale = _scale(ours, fit(layout.theirs, ours.shape), prepared.geometry, tolerance)
            parts = [part for part in (variant.description, layout.description, scale) if part]
            if scale is not None and parts:
                yield parts


def _prepared(variant: "Variant", G: Array, tensor: str) -> Prepared | None:
    """Prepare a variant; return None if its shapes do not fit together, or if its gradients need another shape of G."""
    try:
        prepared = variant.convolution.at(variant.V.shape, np.float64)
    except GeometryError:
        return None
    return prepared if tensor == "output" or prepared.geometry.output_shape == G.shape else None


class Variant(NamedTuple):
    """A convolution that the other program may have computed instead, and its input."""

    description: str
    convolution: Convolution
    V: Array


def _variants(convolution: Convolution, V: Array, geometry: Geometry) -> Iterator[Variant]:
    """Yield the convolution itself, then those that the other program may have computed instead."""
    options = convolution.options

    def with_options(description: str, **changed: Any) -> Variant:
        return Variant(description, replace(convolution, options=options._replace(**changed)), V)

    yield Variant("", convolution, V)
    yield with_options("for the flipped kernel", flip=not options.flip)
    for description, pads in _other_pads(geometry).items():
        yield with_options(description, padding=pads)
    for fill in _other_fills(geometry.edge):
        yield with_options("with zeros in the pads" if str(fill) == "zero" else f"with the edge fill {fill}", edge=fill)
    for description, other in _other_parameters(convolution).items():
        yield Variant(description, other, V)
    yield Variant("with the input's channels in reverse order", convolution, V[::-1])
    yield Variant("for pixel values in 0..1, not 0..255", convolution, V / 255)
    yield Variant("for pixel values in 0..255, not 0..1", convolution, V * 255.0)


def _other_pads(geometry: Geometry) -> dict[str, Pads]:
    top, bottom, left, right = geometry.pads
    swapped = {
        "with the pads at the other end": (bottom, top, right, left),
        "with the pads of rows at the other end": (bottom, top, left, right),
        "with the pads of columns at the other end": (top, bottom, right, left),
    }
    rules = {name: PADDING_RULES[name] for name in ("valid", "same", "full")}
    named = {f"with padding {name}": (*rule(geometry.rows), *rule(geometry.columns)) for name, rule in rules.items()}
    return {description: pads for description, pads in {**swapped, **named}.items() if pads != geometry.pads}


def _other_fills(edge: EdgeFill) -> Iterator[EdgeFill]:
    yield from (EdgeFill(rule) for rule in ("constant", *COPYING_RULES) if EdgeFill(rule) != edge)


def _other_parameters(convolution: Convolution) -> dict[str, Convolution]:
    K = convolution.weights
    transposed = {"for the kernel with rows and columns transposed": K.swapaxes(-1, -2)}
    if K.ndim > 2:
        transposed["for the kernel with its channels swapped"] = K.swapaxes(0, -3)
    without_bias = {} if convolution.bias is None else {"without the bias": replace(convolution, bias=None)}
    return without_bias | {
        description: replace(convolution, weights=weights)
        for description, weights in transposed.items()
        if weights.shape == K.shape
    }


class Layout(NamedTuple):
    """A layout that their tensor may have, and their tensor converted from it to convcli's layout."""

    description: str
    theirs: Array


def _layouts(tensor: str, theirs: Array, geometry: Geometry, rank: int) -> Iterator[Layout]:
    """Yield their tensor in convcli's layout, then converted from the layouts of other programs."""
    yield Layout("", theirs)
    if tensor == "bias" or theirs.ndim < 2:
        return
    yield Layout("with rows and columns transposed", theirs.swapaxes(-1, -2))
    if tensor == "kernel":
        yield from _kernel_layouts(theirs, geometry, rank)
    else:
        yield from _map_layouts(theirs)
    if tensor == "input":
        yield from _extents(theirs, geometry)


def _kernel_layouts(theirs: Array, geometry: Geometry, rank: int) -> Iterator[Layout]:
    if theirs.ndim == rank > 2:
        for description, axes in KERNEL_LAYOUTS[rank].items():
            yield Layout(f"with {description}", theirs.transpose(axes))
        yield Layout("with the input's channels in reverse order", theirs[..., ::-1, :, :])
    if theirs.ndim > rank == 2:
        yield Layout("not summed over channels", theirs.reshape(-1, *theirs.shape[-2:]).sum(axis=0))
    rows, columns = geometry.rows.taps, geometry.columns.taps
    beyond = theirs.shape[-2] - rows, theirs.shape[-1] - columns
    if min(beyond) >= 0 and max(beyond) > 0:
        description = f"with {_rows_and_columns(*beyond)} too many, from the stride's remainder"
        yield Layout(description, theirs[..., :rows, :columns])


def _map_layouts(theirs: Array) -> Iterator[Layout]:
    if theirs.ndim >= 3:
        yield Layout("with channels last (H, W, C)", np.moveaxis(theirs, -1, -3))
        yield Layout("with its channels in reverse order", theirs[..., ::-1, :, :])


def _extents(theirs: Array, geometry: Geometry) -> Iterator[Layout]:
    """Yield the layouts of a dV that lacks the pixels no window reads, and of a dV that still has its pads."""
    y, x = geometry.rows, geometry.columns
    rows, columns = theirs.shape[-2:]
    if rows <= y.size and columns <= x.size and (rows, columns) != (y.size, x.size):
        filled = np.zeros((*theirs.shape[:-2], y.size, x.size))
        filled[..., :rows, :columns] = theirs
        missing = _rows_and_columns(y.size - rows, x.size - columns)
        yield Layout(f"without the last {missing}, which no window reads (a stride remainder)", filled)
    if (rows, columns) == (y.padded, x.padded) and any(geometry.pads):
        inside = theirs[..., y.before : y.before + y.size, x.before : x.before + x.size]
        yield Layout("with its pads still around it", inside)


def _rows_and_columns(rows: int, columns: int) -> str:
    """Return text such as ``1 row and 2 columns``; a count of 0 is omitted."""
    counts = ((rows, "row"), (columns, "column"))
    return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)


def _scale(ours: FloatArray, theirs: Array | None, geometry: Geometry, tolerance: float) -> str | None:
    """Describe the factor that turns ours into theirs: "" for 1, None if there is no such factor."""
    if theirs is None or not ours.any():
        return None
    for description, factor in _factors(geometry).items():
        if _is_close(factor * ours, theirs, tolerance):
            return description
    ratio = float(np.vdot(ours, theirs)) / float(np.vdot(ours, ours))
    if np.unique(ours).size < LEAST_DISTINCT or not _is_close(ratio * ours, theirs, tolerance):
        return None
    return None if f"{ratio:.7g}" in ("0", "1") else f"multiplied by {ratio:.7g}"


def _factors(geometry: Geometry) -> dict[str, float]:
    rows, columns = geometry.rows.output, geometry.columns.output
    size = prod(geometry.output_shape)
    return {
        "": 1.0,
        "negated": -1.0,
        f"averaged over the {rows} x {columns} outputs of a channel instead of summed": 1 / (rows * columns),
        f"averaged over all {size} outputs instead of summed": 1 / size,
        "scaled by 255": 255.0,
        "scaled by 1/255: pixel values in 0..1": 1 / 255,
        "doubled": 2.0,
        "halved": 0.5,
    }


def _is_close(ours: FloatArray, theirs: Array, tolerance: float) -> bool:
    return bool(np.abs(ours - theirs).max() <= tolerance * np.abs(ours).max())
