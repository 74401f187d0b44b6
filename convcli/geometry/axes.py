"""The geometry of a convolution, in integers.

For one axis, with input extent n, kernel extent k, stride s, dilation d and pads (before, after):

    reach  = d*(k-1) + 1                                 pixels from the first tap to the last
    output = floor((n + before + after - reach)/s) + 1
    output j under tap m reads padded pixel  j*s + m*d   which is input pixel  j*s + m*d - before
"""

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np

from convcli.arrays import IntArray
from convcli.errors import GeometryError
from convcli.geometry.edges import Runs, inner_run, runs, sources
from convcli.geometry.fills import EdgeFill

# The most padded pixels of an axis that are searched: beyond it, an array with one number per pixel takes too much time
# and memory.
MOST_SEARCHED = 1 << 24


class Places(NamedTuple):
    """The places of one axis' outputs in the input, in pixels: that of the first one, and the step to the next."""

    first: float
    step: float


class Axis(NamedTuple):
    """The geometry of one axis, in pixels: input extent, kernel extent, stride, dilation, and pads before and after.

    A user's pads are never negative. A gradient's pads may be negative, and then they crop.
    """

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def reach(self) -> int:
        """The number of pixels from the first tap to the last."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def transposed_reach(self) -> int:
        """The number of outputs from the first to the last whose windows may hold one pixel.

        The taps of these windows that meet the pixel are the same number of strides and of dilations apart.
        """
        strides = self.dilation // gcd(self.dilation, self.stride)
        taps = self.stride // gcd(self.dilation, self.stride)
        return (self.taps - 1) // taps * strides + 1

    @property
    def padded(self) -> int:
        """The input extent with its pads."""
        return self.size + self.before + self.after

    @property
    def output(self) -> int:
        """The output extent."""
        return (self.padded - self.reach) // self.stride + 1

    @property
    def centres(self) -> IntArray:
        """The input pixel at the centre of each output's window, or the nearest one if that lies in the pads."""
        centres = np.arange(self.output) * self.stride + (self.reach - 1) // 2 - self.before
        return np.clip(centres, 0, self.size - 1)

    @property
    def places(self) -> Places:
        """The places of the middles of windows."""
        return Places((self.reach - 1) / 2 - self.before, self.stride)

    @property
    def transposed_places(self) -> Places:
        """The places of input pixels among the middles of windows: the inverse of ``places``."""
        return Places(-self.places.first / self.stride, 1 / self.stride)

    @property
    def nearest_outputs(self) -> IntArray:
        """The output whose window has its centre nearest to each input pixel."""
        twice = 2 * (np.arange(self.size) + self.before) - (self.reach - 1)
        return np.clip((twice + self.stride) // (2 * self.stride), 0, self.output - 1)

    def window(self, outputs: range) -> range:
        """Return the padded pixels that these outputs read, from the first to the last."""
        return range(outputs.start * self.stride, (outputs.stop - 1) * self.stride + self.reach)

    def sources(self, padded: range, edge: EdgeFill) -> IntArray:
        """Return the input pixel that each of these padded pixels holds (see ``convcli.geometry.edges``)."""
        return sources(self.size, np.arange(padded.start, padded.stop) - self.before, edge)

    def runs(self, padded: range, edge: EdgeFill) -> Runs:
        """Return the sources of these padded pixels as runs, each of which is copied at once."""
        if self.is_inside(padded):
            return inner_run(padded.start - self.before, len(padded))
        return _runs(self, padded, edge)

    def untouched(self, edge: EdgeFill) -> tuple[range, ...]:
        """Return the ranges of input pixels whose gradient is 0: no output reads them, nor a copy of them in the pads.

        Raises GeometryError if this needs a search among more than MOST_SEARCHED padded pixels.
        """
        end = self.window(range(self.output)).stop
        if self._leaves_no_gaps:
            remainder = range(max(0, end - self.before), self.size)
            if not remainder:
                return ()
            if not (self.before and edge.copies):
                return (remainder,)
        if self.padded > MOST_SEARCHED:
            raise GeometryError(
                f"untouched pixels: expected at most {MOST_SEARCHED:,} padded rows or columns to search, given "
                f"{self.padded:,}; use a smaller input, padding or dilation"
            )
        return self._search_untouched(edge)

    @property
    def _leaves_no_gaps(self) -> bool:
        """Return whether the outputs together read every padded pixel up to the last one that is read."""
        neighbours_meet = self.dilation == 1 and self.taps >= self.stride
        return neighbours_meet or (self.stride == 1 and self.output >= self.dilation)

    def _search_untouched(self, edge: EdgeFill) -> tuple[range, ...]:
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
        """Return whether all of these padded pixels lie in the image."""
        return self.before <= padded.start and padded.stop <= self.before + self.size


@lru_cache(maxsize=64)
def _runs(axis: Axis, padded: range, edge: EdgeFill) -> Runs:
    """Return the runs; they are cached, because all tiles in a row of tiles read the same rows."""
    return runs(axis.sources(padded, edge))


class Geometry(NamedTuple):
    """The geometry of a convolution. Channels are counted within one group.

    A 2-D kernel filters every channel alone: each channel then counts as an image of one channel, in one group.
    leading: the axes of Z before its rows and columns, as the caller sees them.
    tiling: how many rows and columns of outputs have their own weights before the weights repeat.
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
        """Return whether all outputs of a channel have the same weights."""
        return self.tiling == (1, 1)

    @property
    def maps_one_to_one(self) -> bool:
        """Return whether every group maps one channel to one, with weights that all outputs share."""
        return self.shares_weights and self.in_channels == self.out_channels == 1

    @property
    def is_pointwise(self) -> bool:
        """Return whether each output reads only the pixel at its own place."""
        return self.rows.taps * self.columns.taps * self.rows.stride * self.columns.stride == 1

    def weights_at(self, rows: range, columns: range) -> tuple[slice, slice]:
        """Return the slices of the tiling for the weights of these outputs, which start or lie in one period of it."""
        return _phases(rows, self.tiling[0]), _phases(columns, self.tiling[1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of Z as the caller sees it: ``(..., C_out, OH, OW)``."""
        return (*self.leading, self.rows.output, self.columns.output)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """The pads: top, bottom, left and right."""
        return (self.rows.before, self.rows.after, self.columns.before, self.columns.after)

    # The shapes of the arrays that the engine takes; their axes are the same for every convolution.

    @property
    def input_blocks(self) -> tuple[int, int, int, int, int]:
        """The shape of V for the engine: (images, groups, channels, H, W)."""
        return (self.images, self.groups, self.in_channels, self.rows.size, self.columns.size)

    @property
    def kernel_blocks(self) -> tuple[int, ...]:
        """The shape of K for the engine: (groups, C_out, C_in, kh, kw).

        Weights that are not shared have two axes more: (groups, C_out, tr, tc, C_in, kh, kw).
        """
        tiling = () if self.shares_weights else self.tiling
        return (self.groups, self.out_channels, *tiling, self.in_channels, self.rows.taps, self.columns.taps)

    @property
    def output_blocks(self) -> tuple[int, int, int, int, int]:
        """The shape of Z and G for the engine: (images, groups, channels, OH, OW)."""
        return (self.images, self.groups, self.out_channels, self.rows.output, self.columns.output)


def _phases(outputs: range, period: int) -> slice:
    first = outputs.start % period
    return slice(first, min(first + len(outputs), period))
