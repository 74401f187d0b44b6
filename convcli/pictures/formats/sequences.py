"""What the formats of animations share: the area that a frame changes, and times in whole units."""

from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array
from convcli.pictures.formats.format import Still


class Area(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, still: Still) -> Still:
        """Return this part of a frame."""
        pixels, alpha = still.pixels[self._place], still.alpha
        return still._replace(pixels=pixels, alpha=None if alpha is None else alpha[self._place])

    @property
    def _place(self) -> tuple[Any, ...]:
        return ..., slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Changes:
    """The areas in which the frames of an animation differ from the frames before them; the others need no bytes.

    step: areas begin at multiples of it.
    """

    def __init__(self, step: int = 1) -> None:
        self._step = step
        self._before: Array | None = None

    def next(self, still: Still) -> Area:
        """Return the area that the next frame changes: all of the first frame, and at least one pixel."""
        planes = np.array(still.pixels if still.alpha is None else [*still.pixels, still.alpha])
        before, self._before = self._before, planes
        if before is None or before.shape != planes.shape:
            return Area(0, 0, *planes.shape[1:])
        differs = (planes != before).any(axis=0)
        (top, bottom), (left, right) = (self._span(differs.any(axis=axis)) for axis in (1, 0))
        return Area(top, left, bottom - top, right - left)

    def _span(self, differs: Array) -> tuple[int, int]:
        found = np.flatnonzero(differs)
        if not len(found):
            return 0, 1
        return int(found[0]) // self._step * self._step, int(found[-1]) + 1


class FrameTimes:
    """The rounded durations of the frames of an animation, whose sum is the rounded sum of the durations.

    unit: the milliseconds of a unit.  most: the most units of a frame.
    """

    def __init__(self, unit: float, most: int = (1 << 32) - 1) -> None:
        self._unit, self._most = unit, most
        self._end = 0.0
        self._written = 0

    def next(self, duration: float) -> int:
        """Return the units of the next frame; at least 1 if its duration in milliseconds is above 0.

        Raises ValueError if the duration is too long.
        """
        self._end += duration / self._unit
        units = max(round(self._end) - self._written, 1 if duration > 0 else 0)
        if units > self._most:
            raise ValueError(
                f"expected frames of at most {self._most * self._unit / 1000:,g} s, given {duration / 1000:,g} s"
            )
        self._written += units
        return units
