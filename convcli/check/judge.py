"""Judge whether a tensor that a confusion predicts is the user's, as it is or in another layout or scale."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray, fit
from convcli.check.candidates import Confusion
from convcli.check.case import Case
from convcli.check.readings import Reading, decayed, factor, is_close, may_be_multiple, rounded_readings, shifted
from convcli.geometry.axes import Geometry

# How many significant digits their distinct numbers must have together, for an explanation of so many parts: with
# fewer, one of the many confusions may fit by chance.
DIGITS_NEEDED = {1: 4, 2: 6, 3: 8}
# Enough numbers to count these digits.
_LOOKED_AT = 1000


class Explanation(NamedTuple):
    """One or more confusions, which together turn convcli's tensor into the user's."""

    confusions: tuple[Confusion, ...]

    @property
    def says(self) -> str:
        """Return what the tensor is, to follow "your dK"."""
        return ", and ".join(each.says for each in self.confusions)

    @property
    def kind(self) -> str:
        """``options`` if other options describe all of it, else ``fault``."""
        return "options" if all(each.is_request for each in self.confusions) else "fault"

    @property
    def cure(self) -> str | None:
        """The options to add, with parameters in backquotes; None for a fault, and for options to leave out."""
        cures = [each.cure for each in self.confusions]
        return " ".join(map(str, cures)) if self.kind == "options" and None not in cures else None


class Judge(NamedTuple):
    """A judge of tensors that confusions predict: the user's tensor, and how close another one has to be.

    ours: convcli's tensor.  readings: the user's tensor in each layout.  digits: as ``digits_of`` counts them.
    """

    case: Case
    geometry: Geometry
    ours: FloatArray
    readings: tuple[Reading, ...]
    tolerance: float
    digits: int

    def explanations(self, found: FloatArray, *confusions: Confusion) -> Iterator[Explanation]:
        """Yield the explanations by confusions that predict the tensor ``found``, and by a layout and a factor."""
        largest = float(np.abs(found).max(initial=0))
        if not 0 < largest < np.inf:
            return
        for reading in self.readings:
            theirs = fit(reading.theirs, found.shape)
            if theirs is None or not may_be_multiple(found, theirs, self.tolerance * largest):
                continue
            parts = (*confusions, *([reading.confusion] if reading.confusion else []))
            if not is_close(found, theirs, self.tolerance):
                scale = factor(self.case, self.geometry, found, theirs, self.tolerance)
                if scale is None:
                    continue
                parts = (*parts, scale)
            if parts and self.allows(parts):
                yield Explanation(parts)

    def of_ours(self) -> Iterator[Explanation]:
        """Yield the explanations of convcli's tensor by layouts and factors."""
        return self.explanations(self.ours)

    def of_additions(self) -> Iterator[Explanation]:
        """Yield the explanations of convcli's tensor by weight decay and by integer types."""
        theirs = fit(self.case.theirs, self.ours.shape)
        if theirs is not None and self.allows((None,)):
            weights = self.case.layer.weights
            decay = decayed(weights, self.ours, theirs, self.tolerance) if self.case.tensor == "kernel" else ()
            yield from (Explanation((each,)) for each in (*decay, *rounded_readings(self.ours, theirs)))

    def shifts(self) -> Iterator[Explanation]:
        """Yield the explanations of convcli's tensor by shifts."""
        theirs = fit(self.case.theirs, self.ours.shape)
        if theirs is not None and self.allows((None,)):
            yield from (Explanation((each,)) for each in shifted(self.ours, theirs, self.tolerance))

    def allows(self, parts: tuple[object, ...]) -> bool:
        """Return whether the user's tensor has enough digits for an explanation of so many parts."""
        return self.digits >= DIGITS_NEEDED.get(len(parts), max(DIGITS_NEEDED.values()))


def digits_of(theirs: FloatArray) -> int:
    """Return how many significant digits the distinct magnitudes of a tensor have together, at most 5 each."""
    numbers = theirs[np.isfinite(theirs) & (theirs != 0)][:_LOOKED_AT]
    sizes = np.unique(np.abs(numbers))[:_LOOKED_AT].tolist()
    return sum(len(f"{size:.4e}".partition("e")[0].replace(".", "").rstrip("0")) for size in sizes)
