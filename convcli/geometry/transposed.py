"""The sizes of a transposed convolution: those of the convolution whose transpose it is.

The input of the transposed convolution is what this convolution computes, and its output is what this convolution
reads. For one axis, with g pixels of the input, reach r, stride s and pads (before, after), the output has

    n = (g - 1)*s + r - before - after + extra         extra = output_padding

pixels. The convolution of n pixels has g outputs for each extra from 0 to s - 1, because its extent is rounded down. A
larger extra is possible if fewer pads follow the image, by whole strides, so that they have no room for another output.
"""

from functools import lru_cache
from typing import NamedTuple

from convcli.arrays import channels_of
from convcli.errors import GeometryError, OptionError
from convcli.geometry.axes import Axis
from convcli.geometry.options import (
    PADDING_RULES,
    Numbers,
    Options,
    padded_axes,
    parse_pair,
    require_kernel_rank,
)
from convcli.text import span

# Under these rules, a convolution at stride s turns n*s pixels into n. Its transpose makes n*s of n by default.
_SAME = (PADDING_RULES["same"], PADDING_RULES["same-lower"])


class OutputSize(NamedTuple):
    """The requested size of an output: its rows and columns, or how many more than the least it has.

    At most one of the two is given; None for both is the default size.
    """

    shape: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None

    def agreeing_with(self, given: "OutputSize") -> "OutputSize":
        """Return the size that a model says; raise OptionError if another one is given."""
        for option, own, other in (
            ("output_shape", self.shape, given.shape),
            ("output_padding", self.padding, given.padding),
        ):
            if other not in (None, own):
                raise OptionError(f"expected the size that the kernel's model says, given {other}", option=option)
        return self


def parse_output_size(output_shape: Numbers | None = None, output_padding: Numbers | None = None) -> OutputSize:
    """Parse the options for the size of an output.

    Raises GeometryError for anything but one or two integers, OptionError if both options are given.
    """
    if output_shape is not None and output_padding is not None:
        raise OptionError("`output_shape` and `output_padding` both set the output's size: give one")
    return OutputSize(
        None if output_shape is None else parse_pair("output_shape", output_shape, "N or H,W"),
        None if output_padding is None else parse_pair("output_padding", output_padding, "N or Y,X", least=0),
    )


class Transposition(NamedTuple):
    """The options of the convolution that is transposed, with its pads as numbers, and the shape that it reads.

    sizes: the possible rows and columns of the output.
    """

    options: Options
    output_shape: tuple[int, ...]
    sizes: tuple[range, ...]


# Cached for the same reason as the geometry of a convolution.
@lru_cache(maxsize=128)
def transposition(
    options: Options, size: OutputSize, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...]
) -> Transposition:
    """Return the convolution that is transposed, for an input ``(..., C_out, OH, OW)`` and a kernel.

    An input ``(OH, OW)`` has one channel. Raises GeometryError if the shapes do not fit together, or if the requested
    size is not possible; the error lists the possible sizes.
    """
    leading, inputs = _leading(input_shape, kernel_shape, options.groups), input_shape[-2:]
    same = options.padding in _SAME
    sides = zip(inputs, kernel_shape[-2:], options.stride, options.dilation, strict=True)
    # For `same` this size is the least; the pads of other rules do not depend on the size.
    axes = padded_axes(options.padding, *(Axis((n - 1) * s + 1, taps, s, d) for n, taps, s, d in sides))
    possible = tuple(_possible(axis, n, same=same) for axis, n in zip(axes, inputs, strict=True))
    sizes = _chosen(size, possible, inputs)
    rows, columns = padded_axes(options.padding, *(axis._replace(size=n) for axis, n in zip(axes, sizes, strict=True)))
    return Transposition(
        options=options._replace(padding=(*_pads(rows, inputs[0]), *_pads(columns, inputs[1]))),
        output_shape=(*leading, *sizes),
        sizes=tuple(each.sizes for each in possible),
    )


def _leading(input_shape: tuple[int, ...], kernel_shape: tuple[int, ...], groups: int) -> tuple[int, ...]:
    """Return the axes of the output before its rows and columns."""
    require_kernel_rank(kernel_shape)
    if len(input_shape) < 2 or 0 in input_shape[-2:]:
        raise GeometryError(
            f"input: expected shape (..., C, H, W) or (H, W) with at least one pixel, given {input_shape}"
        )
    if len(kernel_shape) == 2:
        return input_shape[:-2]
    channels = channels_of(input_shape)
    if channels != kernel_shape[0]:
        raise GeometryError(
            f"the transposed convolution with kernel {kernel_shape} takes {kernel_shape[0]} input channels, but the "
            f"input has {channels}: its shape is {input_shape}"
        )
    return (*input_shape[:-3], kernel_shape[-3] * groups)


class _Possible(NamedTuple):
    """The possible extents of one axis of an output: ``least`` plus each of ``extras``.

    default: the extra that is taken if none is requested.
    """

    least: int
    extras: range
    default: int

    @property
    def sizes(self) -> range:
        """The possible extents."""
        return range(self.least + self.extras.start, self.least + self.extras.stop)


def _possible(axis: Axis, outputs: int, *, same: bool) -> _Possible:
    """Return the possible extents for an axis with the pads of a convolution that has this number of outputs."""
    least = (outputs - 1) * axis.stride + axis.reach - axis.before - axis.after
    extras = range(max(0, 1 - least), axis.stride if same else max(axis.stride, axis.dilation))
    return _Possible(least, extras, extras.stop - 1 if same else extras.start)


def _chosen(size: OutputSize, possible: tuple[_Possible, ...], inputs: tuple[int, ...]) -> tuple[int, ...]:
    """Return the rows and columns of the output."""
    of = f"for an input of {inputs[0]} x {inputs[1]}"
    if not all(each.extras for each in possible):
        raise GeometryError(f"the pads leave nothing of the output {of}: use less padding", option="padding")
    if size.shape is not None:
        _require("output_shape", size.shape, [each.sizes for each in possible], of)
        return size.shape
    extras = size.padding or tuple(each.default for each in possible)
    _require("output_padding", extras, [each.extras for each in possible], "beyond the least size")
    return tuple(each.least + extra for each, extra in zip(possible, extras, strict=True))


def _require(option: str, given: tuple[int, ...], ranges: list[range], of: str) -> None:
    if not all(number in range_ for number, range_ in zip(given, ranges, strict=True)):
        rows, columns = map(span, ranges)
        raise GeometryError(
            f"expected {rows} rows and {columns} columns {of}, given {given[0]} and {given[1]}", option=option
        )


def _pads(axis: Axis, outputs: int) -> tuple[int, int]:
    """Return the pads before and after, without those that have room for more outputs."""
    return axis.before, axis.after - (axis.output - outputs) * axis.stride
