"""What pictures and arrays are once they have been read."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array


class Metadata(NamedTuple):
    """What travels with a picture beside its pixels.

    icc: the colour profile.  exif: without orientation, sizes, thumbnail and other traces of the old
    file's layout.  dpi: dots per inch, ``(x, y)``.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


class Header(NamedTuple):
    """What a picture will be once decoded.

    shape: ``(C, H, W)`` of its pixels, upright, without alpha; of the first frame if there are several.
    dtype: theirs.  alpha: whether it has one beside them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    frames: int = 1
    alpha: bool = False


@dataclass(frozen=True)
class Image:
    """A decoded picture, upright.

    pixels: ``(C, H, W)`` in the file's own type.  alpha: ``(H, W)``, uint8 or uint16 as the pixels are, or
    uint16 if those are neither; 0 is transparent.
    notes: what was done to read it.  warnings: what was lost in reading it.
    """

    pixels: Array
    alpha: Array | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def header(self) -> Header:
        """The header of a file with these pixels."""
        return Header(self.pixels.shape, self.pixels.dtype, alpha=self.alpha is not None)
