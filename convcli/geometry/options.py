"""The options of a convolution, parsed once: text and scalars become values.

Nothing below this module compares strings or knows a default.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Set
from functools import lru_cache
from math import prod
from operator import index
from typing import Any, NamedTuple, SupportsIndex

from convcli.arrays import BYTES_PER_FLOAT, channels_of
from convcli.errors import GeometryError, OptionError
from convcli.geometry.axes import Axis, Geometry
from convcli.geometry.fills import EdgeFill, parse_edge
from convcli.layouts import CHANNEL_MAJOR, Layout
from convcli.text import did_you_mean, integer, quoted, true_or_false

Numbers = SupportsIndex | Iterable[SupportsIndex] | str

KERNEL_RANKS = {
    2: "(kh, kw), which filters every channel alone",
    4: "(C_out, C_in/groups, kh, kw), a bank",
    6: "(C_out, tr, tc, C_in/groups, kh, kw), tiled or locally connected",
}
_RANKS = [f"rank {rank}: {meaning}" for rank, meaning in KERNEL_RANKS.items()]
RANKS_IN_WORDS = f"{', '.join(_RANKS[:-1])}, or {_RANKS[-1]}"

# A larger extent is taken for a typing error.
LARGEST_EXTENT = 2**31 - 1

Pads = tuple[int, int, int, int]


class Options(NamedTuple):
    """The parsed options of a convolution, before its shapes are known.

    padding: a rule that gives the pads of an axis, or the pads (top, bottom, left, right).
    flip: whether the kernel is rotated by 180 degrees first (true convolution).
    """

    stride: tuple[int, int]
    padding: "PaddingRule | Pads"
    dilation: tuple[int, int]
    groups: int
    edge: EdgeFill
    flip: bool

    def __repr__(self) -> str:
        readable = self._asdict() | {"padding": spelled(self.padding), "edge": str(self.edge)}
        return f"Options({', '.join(f'{name}={value!r}' for name, value in readable.items())})"

    def geometry(self, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> Geometry:
        """Return the geometry for an input ``(..., C_in, H, W)`` and a kernel of a rank in KERNEL_RANKS.

        An input ``(H, W)`` has one channel. Leading axes may be empty. Raises GeometryError if the shapes do not fit
        together.
        """
        return _geometry(self, input_shape, kernel_shape)

    @property
    def text(self) -> str:
        """The options as a user types them, except for flip."""
        return " ".join(f"`{name}` {spelled(getattr(self, name))}" for name in self._fields if name != "flip")

    def require_agreement(self, given: Mapping[str, Any]) -> None:
        """Raise OptionError if an option that was given, as for ``parse_options``, differs from that of a model."""
        parsed = parse_options(**given)
        for name in given:
            own = getattr(self, name)
            if getattr(parsed, name) != own:
                raise OptionError(
                    f"expected {spelled(own)}, as in the kernel's model, given {given[name]}", option=name
                )


def spelled(value: Any) -> str:
    """Return a parsed option as a user types it."""
    if callable(value):
        return next(name for name, rule in PADDING_RULES.items() if rule == value)
    return ",".join(map(str, value)) if isinstance(value, tuple) and not isinstance(value, EdgeFill) else str(value)


# Cached, because computing a geometry takes a tenth of the time of a small convolution.
@lru_cache(maxsize=128)
def _geometry(options: Options, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> Geometry:
    channels = _channels(input_shape, kernel_shape, options.groups)
    sides = zip(input_shape[-2:], kernel_shape[-2:], options.stride, options.dilation, strict=True)
    rows, columns = padded_axes(options.padding, *(Axis(size, taps, s, d) for size, taps, s, d in sides))
    _refuse_absurd(rows, columns, channels.images * options.groups * max(channels.inputs, channels.outputs))
    _refuse_kernel_beyond_input(rows, columns)
    tiling = (kernel_shape[1], kernel_shape[2]) if len(kernel_shape) == 6 else (1, 1)
    return Geometry(
        images=channels.images,
        groups=options.groups,
        in_channels=channels.inputs,
        out_channels=channels.outputs,
        rows=rows,
        columns=columns,
        edge=options.edge,
        leading=channels.leading,
        tiling=tiling,
    )


def parse_options(
    *,
    stride: Numbers = 1,
    padding: Numbers = "valid",
    dilation: Numbers = 1,
    groups: SupportsIndex = 1,
    edge: str = "zero",
    flip: bool = False,
) -> Options:
    """Parse and validate conv2d's options. Raises GeometryError or OptionError if one is invalid."""
    return Options(
        stride=parse_pair("stride", stride, "S or SY,SX"),
        padding=_parse_padding(padding),
        dilation=parse_pair("dilation", dilation, "S or SY,SX"),
        groups=group_count(groups),
        edge=parse_edge(edge),
        flip=true_or_false("flip", flip),
    )


def group_count(groups: SupportsIndex) -> int:
    """Parse the number of groups. Raises GeometryError for anything but an integer."""
    counts = _integers("groups", groups, "an integer")
    if len(counts) != 1:
        raise GeometryError(f"expected an integer, given {quoted(groups)}", option="groups")
    return counts[0]


def parse_shape(shape: Numbers, layout: Layout = CHANNEL_MAJOR) -> tuple[int, ...]:
    """Parse an input's shape: ``H,W``, ``C,H,W`` or more axes, in the order of a layout, and return it channel-major.

    Raises GeometryError for anything else.
    """
    axes = ",".join(layout.order("CHW"))
    forms = f"H,W or {axes} or N,{axes}"
    sizes = _integers("input_shape", shape, forms)
    if len(sizes) < 2 or min(sizes) < 1:
        raise GeometryError(f"expected integers of at least 1 as {forms}, given {quoted(shape)}", option="input_shape")
    return layout.channel_major_order(sizes)


def parse_pair(name: str, value: Numbers, forms: str, *, least: int = 1) -> tuple[int, int]:
    """Parse an option of one number for both axes, or two. forms: what an error says is expected.

    Raises GeometryError for anything else, and for numbers below ``least``.
    """
    numbers = _integers(name, value, forms)
    if len(numbers) not in (1, 2) or min(numbers) < least:
        raise GeometryError(f"expected one or two integers of at least {least}, given {quoted(value)}", option=name)
    return numbers[0], numbers[-1]


def padded_axes(padding: "PaddingRule | Pads", rows: Axis, columns: Axis) -> tuple[Axis, Axis]:
    """Return the axes with their pads."""
    pads = (*padding(rows), *padding(columns)) if callable(padding) else padding
    top, bottom, left, right = pads
    return rows._replace(before=top, after=bottom), columns._replace(before=left, after=right)


class Channels(NamedTuple):
    """The numbers of images and of one group's input and output channels, and Z's axes before its rows and columns."""

    images: int
    inputs: int
    outputs: int
    leading: tuple[int, ...]


def _channels(input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], groups: int) -> Channels:
    _refuse_empty("input V", input_shape, input_shape[-2:] if len(kernel_shape) == 2 else input_shape[-3:])
    _refuse_empty("kernel K", kernel_shape, kernel_shape)
    require_kernel_rank(kernel_shape)
    return _planes(input_shape, groups) if len(kernel_shape) == 2 else _bank(input_shape, kernel_shape, groups)


def require_kernel_rank(kernel_shape: tuple[int, ...]) -> None:
    """Raise GeometryError unless a kernel of this shape has a rank in KERNEL_RANKS."""
    if len(kernel_shape) not in KERNEL_RANKS:
        raise GeometryError(
            f"kernel K: expected {RANKS_IN_WORDS}; given rank {len(kernel_shape)}, shape {kernel_shape}"
        )


def _refuse_empty(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """Raise GeometryError if one of these axes is empty. A batch may be empty."""
    if 0 in axes:
        raise GeometryError(f"{name} is empty: its shape is {shape}")


def _planes(input_shape: tuple[int, ...], groups: int) -> Channels:
    if len(input_shape) < 2:
        raise GeometryError(f"input V: expected shape (..., C, H, W) or (H, W), given {input_shape}")
    if groups != 1:
        raise GeometryError(
            f"expected 1, because a 2-D kernel filters every channel alone, given {groups}", option="groups"
        )
    return Channels(prod(input_shape[:-2]), inputs=1, outputs=1, leading=input_shape[:-2])


def _bank(input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], groups: int) -> Channels:
    if len(input_shape) < 2:
        raise GeometryError(
            f"input V: a {len(kernel_shape)}-D kernel needs shape (..., C_in, H, W) or (H, W), given {input_shape}"
        )
    in_channels = channels_of(input_shape)
    out_channels, group_channels = kernel_shape[0], kernel_shape[-3]
    if groups < 1 or out_channels % groups:
        raise GeometryError(
            f"expected a divisor of the kernel's {out_channels} output channels, given {groups}", option="groups"
        )
    if in_channels != group_channels * groups:
        raise GeometryError(
            f"kernel {kernel_shape} with groups {groups} takes {group_channels * groups} input channels, "
            f"but the input has {in_channels}: its shape is {input_shape}"
        )
    leading = (*input_shape[:-3], out_channels)
    return Channels(prod(input_shape[:-3]), group_channels, out_channels // groups, leading)


def _integers(name: str, value: Numbers, forms: str, words: Iterable[str] = ()) -> list[int]:
    """Parse an option that takes integers. forms, words: what an error says is expected, and what it may suggest."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, Iterable) else [value]
    try:
        if isinstance(value, bytes | Set | Mapping):
            raise TypeError
        numbers = [_whole(part) for part in parts]
    except (TypeError, ValueError):
        raise GeometryError(
            f"expected {forms}, given {quoted(value)}{did_you_mean(str(value), words)}", option=name
        ) from None
    if max(numbers, default=0) > LARGEST_EXTENT:
        raise GeometryError(f"expected numbers of at most {LARGEST_EXTENT:,}, given {quoted(value)}", option=name)
    return numbers


def _whole(part: SupportsIndex | str) -> int:
    if isinstance(part, bool):
        raise TypeError
    return integer(part) if isinstance(part, str) else index(part)


def _parse_padding(padding: Numbers) -> "PaddingRule | Pads":
    if isinstance(padding, str) and padding in PADDING_RULES:
        return PADDING_RULES[padding]
    numbers = _integers("padding", padding, f"{', '.join(PADDING_RULES)}, N, Y,X or T,B,L,R", PADDING_RULES)
    if len(numbers) not in (1, 2, 4) or min(numbers) < 0:
        raise GeometryError(
            f"expected 1, 2 or 4 integers of at least 0 (N, Y,X or T,B,L,R), given {quoted(padding)}", option="padding"
        )
    top, bottom, left, right = numbers if len(numbers) == 4 else (numbers[0], numbers[0], numbers[-1], numbers[-1])
    return top, bottom, left, right


def _valid(_: Axis) -> tuple[int, int]:
    return 0, 0


def _same(axis: Axis) -> tuple[int, int]:
    """Return the pads for ceil(n/s) outputs, with an odd pixel at the end: TensorFlow's SAME, ONNX' SAME_UPPER."""
    outputs = -(-axis.size // axis.stride)
    total = max(0, (outputs - 1) * axis.stride + axis.reach - axis.size)
    return total // 2, total - total // 2


def _same_lower(axis: Axis) -> tuple[int, int]:
    after, before = _same(axis)
    return before, after


def _full(axis: Axis) -> tuple[int, int]:
    return axis.reach - 1, axis.reach - 1


PaddingRule = Callable[[Axis], tuple[int, int]]

PADDING_RULES: dict[str, PaddingRule] = {
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


def _refuse_absurd(rows: Axis, columns: Axis, channels: int) -> None:
    """Raise GeometryError for sizes that no array can hold, before anything is computed from them."""
    for name, axis in (("rows", rows), ("columns", columns)):
        largest = max(axis.stride, axis.reach, axis.padded)
        if largest > LARGEST_EXTENT:
            raise GeometryError(
                f"{name}: stride {axis.stride}, reach {axis.reach} or padded extent {axis.padded} is above "
                f"{LARGEST_EXTENT}: use smaller numbers"
            )
    floats = channels * rows.padded * columns.padded
    if floats * BYTES_PER_FLOAT > sys.maxsize:
        raise GeometryError(
            f"{floats:,} padded pixels in all channels are more than memory can address: use less padding"
        )
