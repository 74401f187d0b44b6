"""The times of frames in whole units of a format, such as hundredths of a second."""


class FrameTimes:
    """The rounded durations of the frames of an animation, whose sum is the rounded sum of the durations.

    unit: the milliseconds of a unit.
    """

    def __init__(self, unit: float) -> None:
        self._unit = unit
        self._end = 0.0
        self._written = 0

    def next(self, duration: float) -> int:
        """Return the units of the next frame; at least 1 if its duration in milliseconds is above 0."""
        self._end += duration / self._unit
        units = max(round(self._end) - self._written, 1 if duration > 0 else 0)
        self._written += units
        return units
