"""The sizes of the blocks of output channels and pixels whose sums compiled code keeps in registers."""

from math import ceil
from typing import NamedTuple

# The vectors of sums of a block. A processor with 32 registers of 64 bytes has some left for pixels and weights.
SUMS = 24
# With more channels, too few pixels share a weight; with more pixels, their addresses do not stay in registers.
MOST_CHANNELS, MOST_VECTORS = 8, 8


class ChannelBlocks(NamedTuple):
    """The sizes of the blocks for which code is compiled.

    channels: output channels.  vectors: vectors of neighbouring output pixels.
    """

    dtype: str
    channels: int
    vectors: int

    @property
    def name(self) -> str:
        """The blocks in a few characters, for a file name."""
        return f"channels-{self.dtype}-{self.channels}x{self.vectors}"

    def firsts(self, out_channels: int) -> list[int]:
        """Return the first output channel of each block. The last block may overlap the one before."""
        return [min(first, out_channels - self.channels) for first in range(0, out_channels, self.channels)]


def channel_blocks(out_channels: int, dtype: str) -> ChannelBlocks:
    """Return the blocks for a number of output channels."""
    channels = ceil(out_channels / ceil(out_channels / MOST_CHANNELS))
    return ChannelBlocks(dtype, channels, min(MOST_VECTORS, SUMS // channels))
