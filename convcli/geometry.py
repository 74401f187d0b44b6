"""The geometry of a convolution: words and defaults turned into integers, once, at the door.

Nothing below this module compares a string or knows a default. For one axis, with input extent n, kernel
extent k, stride s, dilation d and pads (before, after):

    reach  = d*(k-1) + 1                                 pixels from the first tap to the last
    output = floor((n + before + after - reach)/s) + 1
    output j under tap m reads padded pixel  j*s + m*d   which is input pixel  j*s + m*d - before
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from operator import index
from typing import SupportsIndex

import numpy as np

from convcli.arrays import IntArray
from convcli.errors import GeometryError
from convcli.padding import EdgeFill, Runs, inner_run, parse_edge, runs, sources

Numbers = SupportsIndex | Iterable[SupportsIndex] | str

KERNEL_RANKS = {
    2: "(kh, kw), which filters every channel alone",
    4: "(C_out, C_in/groups, kh, kw), a bank",
}
RANKS_IN_WORDS = ", or ".join(f"rank {rank}: {meaning}" for rank, meaning in KERNEL_RANKS.items())


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis in pixels: input extent, kernel extent, stride, dilation, and the pads before and after.

    Pads a user gave are never negative; those of a gradient may be, and then they crop.
    """

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def reach(self) -> int:
        return self.dilation * (self.taps - 1) + 1

    @property
    def padded(self) -> int:
        return self.size + self.before + self.after

    @property
    def output(self) -> int:
        return (self.padded - self.reach) // self.stride + 1

    def window(self, outputs: range) -> range:
        """The padded pixels that these outputs read, first to last."""
        return range(outputs.start * self.stride, (outputs.stop - 1) * self.stride + self.reach)

    def sources(self, padded: range, edge: EdgeFill) -> IntArray:
        """Which input pixel each of these padded pixels holds (see ``convcli.padding``)."""
        return sources(self.size, np.arange(padded.start, padded.stop) - self.before, edge)

    def runs(self, padded: range, edge: EdgeFill) -> Runs:
        """The same as runs of pixels that are copied together."""
        if self.is_inside(padded):
            return inner_run(padded.start - self.before, len(padded))
        return _runs(self, padded, edge)

    def is_inside(self, padded: range) -> bool:
        """Whether none of these padded pixels is padding."""
        return self.before <= padded.start and padded.stop <= self.before + self.size


@lru_cache(maxsize=64)
def _runs(axis: Axis, padded: range, edge: EdgeFill) -> Runs:
    """Every tile of a band asks for the same ones."""
    return runs(axis.sources(padded, edge))


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution in integers. Channels are counted within one group.

    A 2-D kernel filters every channel alone: its channels are counted among the images, and one group maps
    one channel to one. ``leading`` are Z's axes before its rows and columns, as the caller sees them.
    """

    images: int
    groups: int
    in_channels: int
    out_channels: int
    rows: Axis
    columns: Axis
    edge: EdgeFill
    leading: tuple[int, ...] = ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Z's shape as the caller sees it: ``(..., C_out, OH, OW)``."""
        return (*self.leading, self.rows.output, self.columns.output)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Top, bottom, left and right."""
        return (self.rows.before, self.rows.after, self.columns.before, self.columns.after)

    # The engine sees every convolution with the same five axes:

    @property
    def input_blocks(self) -> tuple[int, int, int, int, int]:
        """V as (images, groups, channels, H, W)."""
        return (self.images, self.groups, self.in_channels, self.rows.size, self.columns.size)

    @property
    def kernel_blocks(self) -> tuple[int, int, int, int, int]:
        """K as (groups, C_out, C_in, kh, kw)."""
        return (self.groups, self.out_channels, self.in_channels, self.rows.taps, self.columns.taps)

    @property
    def output_blocks(self) -> tuple[int, int, int, int, int]:
        """Z and G as (images, groups, channels, OH, OW)."""
        return (self.images, self.groups, self.out_channels, self.rows.output, self.columns.output)


def resolve_geometry(
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
) -> Geometry:
    """The geometry of a convolution of an input with a kernel, from their shapes and the options' words.

    input_shape: ``(..., C_in, H, W)``; with a 2-D kernel also ``(H, W)``.
    kernel_shape: ``(kh, kw)`` or ``(C_out, C_in/groups, kh, kw)``.
    Raises GeometryError where they do not fit together.
    """
    group_count = _group_count(groups)
    channels = _channels(input_shape, kernel_shape, group_count)
    strides, dilations = _pair("stride", stride), _pair("dilation", dilation)
    spans = [
        Axis(size, taps, s, d)
        for size, taps, s, d in zip(input_shape[-2:], kernel_shape[-2:], strides, dilations, strict=True)
    ]
    (top, bottom), (left, right) = _pads(padding, *spans)
    rows = Axis(spans[0].size, spans[0].taps, strides[0], dilations[0], top, bottom)
    columns = Axis(spans[1].size, spans[1].taps, strides[1], dilations[1], left, right)
    _refuse_kernel_beyond_input(rows, columns)
    images, in_channels, out_channels, leading = channels
    return Geometry(images, group_count, in_channels, out_channels, rows, columns, parse_edge(edge), leading)


def _channels(
    input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], groups: int
) -> tuple[int, int, int, tuple[int, ...]]:
    """Images, channels in and out of one group, and Z's leading axes."""
    _refuse_empty("input V", input_shape)
    _refuse_empty("kernel K", kernel_shape)
    if len(kernel_shape) == 2:
        return _planes(input_shape, groups)
    if len(kernel_shape) == 4:
        return _bank(input_shape, kernel_shape, groups)
    raise GeometryError(f"kernel K: expected {RANKS_IN_WORDS}; given rank {len(kernel_shape)}, shape {kernel_shape}")


def _refuse_empty(name: str, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise GeometryError(f"{name} is empty: its shape is {shape}")


def _planes(input_shape: tuple[int, ...], groups: int) -> tuple[int, int, int, tuple[int, ...]]:
    if len(input_shape) < 2:
        raise GeometryError(f"input V: expected shape (..., C, H, W) or (H, W), given {input_shape}")
    if groups != 1:
        raise GeometryError(f"a 2-D kernel filters every channel alone: expected groups 1, given {groups}")
    return prod(input_shape[:-2]), 1, 1, input_shape[:-2]


def _bank(
    input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], groups: int
) -> tuple[int, int, int, tuple[int, ...]]:
    if len(input_shape) < 3:
        raise GeometryError(f"input V: a 4-D kernel needs shape (..., C_in, H, W), given {input_shape}")
    out_channels, group_channels = kernel_shape[:2]
    if groups < 1 or out_channels % groups:
        raise GeometryError(f"groups must divide the kernel's {out_channels} output channels: given {groups}")
    if input_shape[-3] != group_channels * groups:
        raise GeometryError(
            f"kernel {kernel_shape} with groups {groups} takes {group_channels * groups} input channels, "
            f"but the input has {input_shape[-3]}: its shape is {input_shape}"
        )
    leading = (*input_shape[:-3], out_channels)
    return prod(input_shape[:-3]), group_channels, out_channels // groups, leading


def _group_count(groups: SupportsIndex) -> int:
    (count,) = _integers("groups", groups, "an integer")
    return count


def _pair(name: str, value: Numbers) -> tuple[int, int]:
    numbers = _integers(name, value, "S or SY,SX")
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise GeometryError(f"{name}: expected one or two integers of at least 1, given {_show(value)}")
    return numbers[0], numbers[-1]


def _integers(name: str, value: Numbers, forms: str) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, Iterable) else [value]
    try:
        return [int(part) if isinstance(part, str) else index(part) for part in parts]
    except (TypeError, ValueError):
        raise GeometryError(f"{name}: expected {forms}, given {_show(value)}") from None


def _show(value: Numbers) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _pads(padding: Numbers, rows: Axis, columns: Axis) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(padding, str) and padding in PADDING_WORDS:
        rule = PADDING_WORDS[padding]
        return rule(rows), rule(columns)
    numbers = _integers("padding", padding, f"{', '.join(PADDING_WORDS)}, N, Y,X or T,B,L,R")
    if len(numbers) not in (1, 2, 4) or min(numbers) < 0:
        raise GeometryError(
            f"padding: expected 1, 2 or 4 integers of at least 0 (N, Y,X or T,B,L,R), given {_show(padding)}"
        )
    if len(numbers) == 4:
        top, bottom, left, right = numbers
        return (top, bottom), (left, right)
    return (numbers[0], numbers[0]), (numbers[-1], numbers[-1])


def _valid(_: Axis) -> tuple[int, int]:
    return 0, 0


def _same(axis: Axis) -> tuple[int, int]:
    """As TensorFlow's SAME and ONNX' SAME_UPPER: ceil(n/s) outputs, the odd pixel at the end."""
    outputs = -(-axis.size // axis.stride)
    total = max(0, (outputs - 1) * axis.stride + axis.reach - axis.size)
    return total // 2, total - total // 2


def _same_lower(axis: Axis) -> tuple[int, int]:
    after, before = _same(axis)
    return before, after


def _full(axis: Axis) -> tuple[int, int]:
    return axis.reach - 1, axis.reach - 1


PADDING_WORDS: dict[str, Callable[[Axis], tuple[int, int]]] = {
    "valid": _valid,
    "same": _same,
    "same-lower": _same_lower,
    "full": _full,
}


def _refuse_kernel_beyond_input(rows: Axis, columns: Axis) -> None:
    if rows.reach > rows.padded or columns.reach > columns.padded:
        raise GeometryError(
            f"kernel larger than the padded input: the kernel reaches {rows.reach}x{columns.reach} pixels "
            f"(rows x columns, dilation included), the input is {rows.size}x{columns.size}, "
            f"{rows.padded}x{columns.padded} with its padding; use more padding or a smaller kernel"
        )
