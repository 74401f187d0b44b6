"""The geometry of a convolution, in integers.

For one axis, with input extent n, kernel extent k, stride s, dilation d and pads (before, after):

    reach  = d*(k-1) + 1                                 pixels from the first tap to the last
    output = floor((n + before + after - reach)/s) + 1
    output j under tap m reads padded pixel  j*s + m*d   which is input pixel  j*s + m*d - before
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from convcli.arrays import IntArray
from convcli.errors import GeometryError
from convcli.geometry.edges import EdgeFill, Runs, inner_run, runs, sources

# Beyond so many, arrays of a number for each take too long and too much.
MOST_LOOKED_AT = 1 << 24


class Axis(NamedTuple):
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
        """The pixels from the first tap to the last."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def padded(self) -> int:
        """The input extent with its pads."""
        return self.size + self.before + self.after

    @property
    def output(self) -> int:
        """The output extent."""
        return (self.padded - self.reach) // self.stride + 1

    def window(self, outputs: range) -> range:
        """The padded pixels that these outputs read, first to last."""
        return range(outputs.start * self.stride, (outputs.stop - 1) * self.stride + self.reach)

    def sources(self, padded: range, edge: EdgeFill) -> IntArray:
        """Which input pixel each of these padded pixels holds (see ``convcli.geometry.edges``)."""
        return sources(self.size, np.arange(padded.start, padded.stop) - self.before, edge)

    def runs(self, padded: range, edge: EdgeFill) -> Runs:
        """The same as runs of pixels that are copied together."""
        if self.is_inside(padded):
            return inner_run(padded.start - self.before, len(padded))
        return _runs(self, padded, edge)

    def untouched(self, edge: EdgeFill) -> tuple[range, ...]:
        """Stretches of the input that no output reads, not even as a copy in the pads: their gradient is 0.

        Raises GeometryError where they would have to be looked for among more than MOST_LOOKED_AT.
        """
        end = self.window(range(self.output)).stop
        if self._leaves_no_gaps:
            left = range(max(0, end - self.before), self.size)
            if not left:
                return ()
            if not (self.before and edge.copies):
                return (left,)
        if self.padded > MOST_LOOKED_AT:
            raise GeometryError(
                f"untouched rows and columns are looked for among {MOST_LOOKED_AT:,} padded ones at most, given "
                f"{self.padded:,}: use a smaller input, padding or dilation"
            )
        return self._untouched_among_all(edge)

    @property
    def _leaves_no_gaps(self) -> bool:
        """Whether the outputs together read every padded pixel from the first to their last."""
        neighbours_meet = self.dilation == 1 and self.taps >= self.stride
        return neighbours_meet or (self.stride == 1 and self.output >= self.dilation)

    def _untouched_among_all(self, edge: EdgeFill) -> tuple[range, ...]:
        read = np.zeros(self.padded, bool)
        for tap in range(self.taps):
            first = tap * self.dilation
            read[first : first + (self.output - 1) * self.stride + 1 : self.stride] = True
        source = self.sources(range(self.padded), edge)[read]
        touched = np.zeros(self.size, bool)
        touched[source[source >= 0]] = True
        ends = np.flatnonzero(np.diff(touched, prepend=True, append=True))
        return tuple(range(start, stop) for start, stop in ends.reshape(-1, 2).tolist())

    def is_inside(self, padded: range) -> bool:
        """Whether none of these padded pixels is padding."""
        return self.before <= padded.start and padded.stop <= self.before + self.size


@lru_cache(maxsize=64)
def _runs(axis: Axis, padded: range, edge: EdgeFill) -> Runs:
    """Every tile of a band asks for the same ones."""
    return runs(axis.sources(padded, edge))


class Geometry(NamedTuple):
    """A convolution in integers. Channels are counted within one group.

    A 2-D kernel filters every channel alone: its channels are counted among the images, and one group maps
    one channel to one. ``leading`` are Z's axes before its rows and columns, as the caller sees them.
    ``tiling`` is how many rows and columns of outputs have weights of their own before these repeat.
    """

    images: int
    groups: int
    in_channels: int
    out_channels: int
    rows: Axis
    columns: Axis
    edge: EdgeFill
    leading: tuple[int, ...] = ()
    tiling: tuple[int, int] = (1, 1)

    @property
    def shares_weights(self) -> bool:
        """Whether all outputs of a channel have the same weights."""
        return self.tiling == (1, 1)

    def weights_at(self, rows: range, columns: range) -> tuple[slice, slice]:
        """The weights, along the tiling, of outputs that start or lie within one of its periods."""
        return _phases(rows, self.tiling[0]), _phases(columns, self.tiling[1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Z's shape as the caller sees it: ``(..., C_out, OH, OW)``."""
        return (*self.leading, self.rows.output, self.columns.output)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Top, bottom, left and right."""
        return (self.rows.before, self.rows.after, self.columns.before, self.columns.after)

    # The engine sees every convolution with the same axes:

    @property
    def input_blocks(self) -> tuple[int, int, int, int, int]:
        """V as (images, groups, channels, H, W)."""
        return (self.images, self.groups, self.in_channels, self.rows.size, self.columns.size)

    @property
    def kernel_blocks(self) -> tuple[int, ...]:
        """K as (groups, C_out, C_in, kh, kw); without shared weights (groups, C_out, tr, tc, C_in, kh, kw)."""
        tiling = () if self.shares_weights else self.tiling
        return (self.groups, self.out_channels, *tiling, self.in_channels, self.rows.taps, self.columns.taps)

    @property
    def output_blocks(self) -> tuple[int, int, int, int, int]:
        """Z and G as (images, groups, channels, OH, OW)."""
        return (self.images, self.groups, self.out_channels, self.rows.output, self.columns.output)


def _phases(outputs: range, period: int) -> slice:
    first = outputs.start % period
    return slice(first, min(first + len(outputs), period))
