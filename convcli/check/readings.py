"""Other readings of the user's tensor: layouts to be converted to convcli's, and factors.

They are faults of the code that computed it, but can be undone in the tensor itself, so that trying one takes no
convolution.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.check.candidates import Confusion
from convcli.check.case import Case
from convcli.geometry.axes import Geometry

# A tensor with fewer distinct numbers is too often a multiple of another tensor by chance.
LEAST_DISTINCT = 3
# A constant that is computed from the difference of fewer entries explains them too often by chance.
LEAST_FITTED = 4
# The number of entries that are looked at before all of a large tensor's.
SAMPLE = 1024

# Per rank of a kernel: the orders of axes that other programs use, and the transposition of each to convcli's order.
KERNEL_ORDERS: dict[int, dict[str, tuple[int, ...]]] = {
    4: {
        "in and out channels swapped, (C_in, C_out, kh, kw)": (1, 0, 2, 3),
        "channels last, (kh, kw, C_in, C_out)": (3, 2, 0, 1),
        "channels last, (kh, kw, C_out, C_in)": (2, 3, 0, 1),
        "channels last, (C_out, kh, kw, C_in)": (0, 3, 1, 2),
    },
    6: {
        "in and out channels swapped": (3, 1, 2, 0, 4, 5),
        "rows and columns of the tiling transposed": (0, 2, 1, 3, 4, 5),
        "channels last, (tr, tc, kh, kw, C_in, C_out)": (5, 0, 1, 4, 2, 3),
    },
}


class Reading(NamedTuple):
    """Their tensor converted to convcli's layout, and the confusion to convert it from; None for convcli's layout."""

    confusion: Confusion | None
    theirs: FloatArray


def readings(case: Case, geometry: Geometry) -> Iterator[Reading]:
    """Yield their tensor as it is, then converted from other layouts."""
    theirs = case.theirs
    yield Reading(None, theirs)
    for says, converted in _layouts(case, geometry):
        yield Reading(Confusion(says), converted)


def _layouts(case: Case, geometry: Geometry) -> Iterator[tuple[str, FloatArray]]:
    theirs, tensor = case.theirs, case.tensor
    if tensor == "bias" or theirs.ndim < 2:
        return
    layout = case.layouts.of(tensor)
    if not layout.is_channel_major:
        major = "OIHW" if tensor == "kernel" else "CHW"
        yield f"is stored as {major}, not as {layout.name.upper()}", layout.stored(theirs)
    yield "has rows and columns swapped", theirs.swapaxes(-1, -2)
    if tensor != "kernel":
        yield "is turned by 180 degrees", theirs[..., ::-1, ::-1]
    yield "has its rows in reverse order", theirs[..., ::-1, :]
    yield "has its columns in reverse order", theirs[..., ::-1]
    if tensor == "kernel":
        yield from _kernel_layouts(theirs, geometry, case.layer.weights.ndim, case.V.shape)
    elif theirs.ndim >= 3:
        yield "has channels last, (H, W, C)", np.moveaxis(theirs, -1, -3)
        yield "has its channels in reverse order (BGR, as OpenCV reads pictures)", theirs[..., ::-1, :, :]
        groups = geometry.groups
        if groups > 1 and theirs.shape[-3] % groups == 0:
            yield "has its channels interleaved over the groups", _regrouped(theirs, groups)
    if tensor == "input":
        yield from _extents(theirs, geometry)


def _kernel_layouts(
    theirs: Array, geometry: Geometry, rank: int, input_shape: tuple[int, ...]
) -> Iterator[tuple[str, FloatArray]]:
    if theirs.ndim == rank > 2:
        for layout, axes in KERNEL_ORDERS[rank].items():
            yield f"has {layout}", theirs.transpose(axes)
        yield "has its input channels in reverse order (BGR, as OpenCV reads pictures)", theirs[..., ::-1, :, :]
        yield "has its output channels in reverse order", theirs[::-1]
    if theirs.ndim > rank == 2:
        yield "is not summed over channels", theirs.reshape(-1, *theirs.shape[-2:]).sum(axis=0)
    if theirs.ndim > rank > 2 and theirs.shape[0] == prod(input_shape[:-3]):
        yield "is not summed over the batch", theirs.sum(axis=0)
    rows, columns = geometry.rows.taps, geometry.columns.taps
    beyond = theirs.shape[-2] - rows, theirs.shape[-1] - columns
    if min(beyond) >= 0 and max(beyond) > 0:
        says = f"has {_rows_and_columns(*beyond)} too many, from the stride's remainder"
        yield says, theirs[..., :rows, :columns]


def _regrouped(theirs: Array, groups: int) -> FloatArray:
    """Return channels that were counted across the groups, in the order of the groups."""
    split = theirs.reshape(*theirs.shape[:-3], -1, groups, *theirs.shape[-2:])
    return np.moveaxis(split, -3, -4).reshape(theirs.shape)


def _extents(theirs: Array, geometry: Geometry) -> Iterator[tuple[str, FloatArray]]:
    """Yield a dV that lacks the pixels no window reads, and a dV that still has its pads."""
    y, x = geometry.rows, geometry.columns
    rows, columns = theirs.shape[-2:]
    if rows <= y.size and columns <= x.size and (rows, columns) != (y.size, x.size):
        filled = np.zeros((*theirs.shape[:-2], y.size, x.size))
        filled[..., :rows, :columns] = theirs
        missing = _rows_and_columns(y.size - rows, x.size - columns)
        yield f"lacks the last {missing}, which no window reads (the stride's remainder): they are 0", filled
    for end, shape, top, left in (
        ("end", (y.before + y.size, x.before + x.size), y.before, x.before),
        ("start", (y.size + y.after, x.size + x.after), 0, 0),
    ):
        if (rows, columns) == shape != (y.size, x.size) and shape != (y.padded, x.padded):
            other = "start" if end == "end" else "end"
            says = f"has its pads cropped at the {end} only: crop those at the {other} too"
            yield says, theirs[..., top : top + y.size, left : left + x.size]
    if (rows, columns) == (y.padded, x.padded) and any(geometry.pads):
        says = f"still has its pads around it: crop {_pads_text(geometry)}"
        yield says, theirs[..., y.before : y.before + y.size, x.before : x.before + x.size]


def _pads_text(geometry: Geometry) -> str:
    top, bottom, left, right = geometry.pads
    return f"{top} rows at the top, {bottom} at the bottom, {left} columns on the left, {right} on the right"


def _rows_and_columns(rows: int, columns: int) -> str:
    """Return text such as ``1 row and 2 columns``; a count of 0 is omitted."""
    counts = ((rows, "row"), (columns, "column"))
    return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)


def factor(case: Case, geometry: Geometry, found: FloatArray, theirs: FloatArray, tolerance: float) -> Confusion | None:
    """Return the confusion by which theirs is a multiple of the tensor that was found; None if it is no multiple."""
    square = float(np.vdot(found, found))
    ratio = float(np.vdot(found, theirs)) / square if square else np.nan
    if not np.isfinite(ratio) or not is_close(ratio * found, theirs, tolerance):
        return None
    usual = [says for says, each in _factors(case, geometry).items() if abs(ratio - each) <= tolerance * abs(each)]
    if usual:
        return Confusion("; or it ".join(usual[:2]))
    if np.unique(found).size < LEAST_DISTINCT or f"{ratio:.7g}" in ("0", "1"):
        return None
    return Confusion(f"is multiplied by {ratio:.7g}", *_divided(case, ratio))


def _divided(case: Case, ratio: float) -> tuple[bool, str | None]:
    """Return whether options multiply the tensor, and these options."""
    linear_in_K = case.tensor == "input" or (case.tensor == "output" and case.layer.bias is None)
    total = float(case.layer.weights.sum())
    if not linear_in_K:
        return False, None
    if total and abs(ratio * total - 1) < 1e-6:
        return True, "`normalize`"
    return True, f"`divisor` {1 / ratio:.9g}"


def _factors(case: Case, geometry: Geometry) -> dict[str, float]:
    rows, columns = geometry.rows.output, geometry.columns.output
    images, maps, size = prod(case.V.shape[:-3]), rows * columns, prod(geometry.output_shape)
    averages = {
        f"is averaged over the {images} images of the batch, not summed": images,
        f"is averaged over the {rows} x {columns} outputs of a channel, not summed": maps,
        f"is averaged over the {images * maps} outputs of a channel in all images": images * maps * (images > 1),
        f"is averaged over all {size} outputs, not summed": size * (size > images * maps),
    }
    # For integers, `unit` says the same and is a cure.
    in_unit = {} if case.V.dtype.kind in "iu" else {"is divided by 255: its pixel values were in 0..1": 1 / 255}
    return {
        "is negated": -1.0,
        **{says: 1 / count for says, count in averages.items() if count > 1},
        "is multiplied by 255: its pixel values were in 0..255": 255.0,
        **in_unit,
        "is doubled": 2.0,
        "is halved": 0.5,
    }


def is_close(found: FloatArray, theirs: FloatArray, tolerance: float) -> bool:
    """Return whether two tensors of one shape are equal within a share of the largest magnitude of the first."""
    largest = np.abs(found).max(initial=0)
    return bool(largest < np.inf and np.abs(found - theirs).max(initial=0) <= tolerance * largest)


def may_be_multiple(found: FloatArray, theirs: FloatArray, allowed: float) -> bool:
    """Return False if some entries alone show that theirs is no multiple of a tensor of the same shape.

    allowed: the largest difference from the tensor itself.
    """
    if found.size <= SAMPLE:
        return True
    sample = _sample(found.shape)
    ours, others = found[sample], theirs[sample]
    square = float(np.vdot(ours, ours))
    ratio = float(np.vdot(ours, others)) / square if square else 1.0
    # The factor of a sample is less exact than that of all entries.
    return bool(np.abs(ratio * ours - others).max() <= 10 * max(abs(ratio), 1.0) * allowed)


@lru_cache(maxsize=4)
def _sample(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Return the indices of some random entries, the same ones in each run."""
    return np.unravel_index(np.random.default_rng(0).integers(0, prod(shape), SAMPLE), shape)


def decayed(K: Array, dK: FloatArray, theirs: FloatArray, tolerance: float) -> Iterator[Confusion]:
    """Yield the multiple of K by which theirs differs from dK."""
    square = float(np.vdot(K, K))
    factor = float(np.vdot(K, theirs - dK)) / square if square and K.size >= LEAST_FITTED else 0.0
    if factor and is_close(dK + factor * K, theirs, tolerance):
        yield Confusion(f"has {factor:.5g} * K added: weight decay (L2)")


def rounded_readings(ours: FloatArray, theirs: FloatArray) -> Iterator[Confusion]:
    """Yield the confusions of integer types: theirs is ours rounded, clipped, or modulo a power of 2."""
    whole = np.rint(theirs)
    if not (whole == theirs).all():
        return
    for bits, sign in ((8, 0), (8, 1), (16, 0), (16, 1)):
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign else (0, 2**bits - 1)
        name = f"{'' if sign else 'u'}int{bits}"
        for round_, how in ((np.rint, "rounded"), (np.trunc, "cut to whole numbers")):
            integers = round_(ours)
            if (np.clip(integers, low, high) == theirs).all() and (integers != theirs).any():
                yield Confusion(f"is {how} and clipped to {low}..{high} ({name}): compute in floating point")
            if ((integers - low) % 2**bits + low == theirs).all() and (integers != theirs).any():
                yield Confusion(f"wrapped around modulo {2**bits} ({name}): convert V to floating point first")
    for round_, how in ((np.rint, "rounded"), (np.trunc, "cut")):
        if (round_(ours) == theirs).all():
            yield Confusion(f"is {how} to whole numbers: compute in floating point")


def shifted(ours: FloatArray, theirs: FloatArray, tolerance: float) -> Iterator[Confusion]:
    """Yield the shifts by one row or column, by which all entries but those at the border agree."""
    if ours.shape != theirs.shape or ours.ndim < 2 or min(ours.shape[-2:]) < 3:
        return
    names = {-1: ("up", "to the left"), 1: ("down", "to the right")}
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
        if is_close(_inner(ours, -dy, -dx), _inner(theirs, dy, dx), tolerance):
            rows = f"one row {names[dy][0]}" if dy else ""
            columns = f"one column {names[dx][1]}" if dx else ""
            yield Confusion(f"is shifted by {' and '.join(filter(None, (rows, columns)))}: an index is off by one")


def _inner(tensor: FloatArray, dy: int, dx: int) -> FloatArray:
    """Return the entries that are still there after a shift by -dy and -dx."""
    rows, columns = tensor.shape[-2:]
    return tensor[..., max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)]
