"""Pictures as lines, which compiled loops read and write.

A line is the samples of a row, which lie next to each other in memory: those of one channel, or the channels of a
pixel in turn, of a picture that is interleaved. An interleaved picture is filtered as it lies: as one channel, in which
neighbouring taps are as many samples apart as a pixel has.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arrays import Array, FloatArray
from convcli.engine.compiled.blocks import VECTOR
from convcli.engine.levels import Levels, MapStatistics

# Lines become levels in turns of so many vectors. In each turn, a lane belongs to the same channel.
TURNS = 3
# The types of samples, by their bits; 0 stands for floats of the type that is computed in.
_BITS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


class Lines(NamedTuple):
    """A picture or an output as lines.

    array: the lines' bytes ``(images, H, bytes)``.  bits: those of a sample, or 0 for floats.
    samples: the samples of a pixel. If it has several, the array has one image.
    """

    array: Array
    bits: int
    samples: int

    @classmethod
    def of(cls, maps: Array, dtype: np.dtype[Any]) -> "Lines | None":
        """Return maps ``(images, 1, 1, H, W)`` as lines; None if they are none, or of other types.

        dtype: the float type that is computed in.
        """
        images, *_, rows, columns = maps.shape
        image, *_, line, pixel = maps.strides
        size = maps.itemsize
        bits = 0 if maps.dtype == dtype else _BITS.get(maps.dtype)
        if bits is None:
            return None
        if pixel == size:
            found = as_strided(maps, (images, rows, columns), (image, line, size))
            return cls(found.view(np.uint8), bits, 1)
        if image == size and pixel == images * size and samples_in_turn(dtype) % images == 0:
            found = as_strided(maps, (1, rows, columns * images), (0, line, size))
            return cls(found.view(np.uint8), bits, images)
        return None


def samples_in_turn(dtype: np.dtype[Any]) -> int:
    """Return the number of samples in a turn of vectors."""
    return TURNS * VECTOR // dtype.itemsize


def constants(levels: Levels, bias: FloatArray | None, pad: float, dtype: np.dtype[Any]) -> FloatArray:
    """Return the numbers by which sums become levels, the bias for every lane of a turn first; then that of the pads.

    bias: a number, or None.
    """
    turn = samples_in_turn(dtype)
    numbers = np.empty(turn + 5, dtype)
    # -0 changes no number, and 0 would change -0.
    numbers[:turn] = -0.0 if bias is None else bias
    numbers[turn:] = levels.scale, levels.offset or -0.0, levels.full, levels.is_magnitude, pad
    return numbers


class Tallies(NamedTuple):
    """The counts of the loops in each lane of a turn, per image.

    ends: the least and the greatest finite number ``(images, 2, lanes)``.
    counts: how many numbers were clipped, and how many of them are NaN ``(images, 2, lanes)``.
    """

    ends: FloatArray
    counts: Array

    @classmethod
    def empty(cls, images: int, dtype: np.dtype[Any]) -> "Tallies":
        """Return the tallies before anything is counted."""
        ends = np.empty((images, 2, samples_in_turn(dtype)), dtype)
        ends[:, 0], ends[:, 1] = np.inf, -np.inf
        return cls(ends, np.zeros(ends.shape, np.int32))

    @classmethod
    def joined(cls, parts: Sequence["Tallies"]) -> "Tallies":
        """Return the tallies of all parts together."""
        ends, counts = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        low, high = ends[:, :, 0].min(axis=0), ends[:, :, 1].max(axis=0)
        return cls(np.stack([low, high], axis=1), counts.sum(axis=0))

    def statistics(self, samples: int) -> list[MapStatistics]:
        """Return the statistics of each map, for pixels of so many samples."""
        images, _, lanes = self.ends.shape
        shape = (images, 2, lanes // samples, samples)
        low, high = self.ends.reshape(shape)[:, 0].min(axis=1), self.ends.reshape(shape)[:, 1].max(axis=1)
        clipped, nans = np.moveaxis(self.counts.reshape(shape).sum(axis=2), 1, 0)
        each = zip(clipped.flat, nans.flat, low.flat, high.flat, strict=True)
        return [MapStatistics(int(clip), int(nan), float(least), float(most)) for clip, nan, least, most in each]
