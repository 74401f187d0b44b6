"""The user's tensor beside convcli's."""

from typing import NamedTuple

from convcli.arrays import Array, FloatArray, fit
from convcli.check.case import Case
from convcli.check.difference import relative_differences
from convcli.check.near import Place
from convcli.convolution.layers import PreparedLayer
from convcli.names import SYMBOLS


class Compared(NamedTuple):
    """A case with convcli's tensor, and the sums of magnitudes of that tensor's entries.

    tolerance: the largest difference of tensors that are equal.
    dA: dJ/dA if A = max(Z, 0) follows.
    within: the largest difference from a tensor that a confusion predicts, relative to its largest number.
    """

    case: Case
    prepared: PreparedLayer
    ours: FloatArray
    sums: FloatArray
    tolerance: float
    within: float
    dA: Array | None = None

    @property
    def as_requested(self) -> Case:
        """The case with the G that the user gave, which is dJ/dA if a ReLU follows."""
        return self.case if self.dA is None else self.case._replace(G=self.dA, relu=True)

    @property
    def place(self) -> Place:
        """The way in which places in the tensor are written."""
        return Place(SYMBOLS[self.case.tensor], self.case.layouts.of(self.case.tensor))

    def relative(self) -> FloatArray | None:
        """Return the relative difference of each entry; None if the shapes differ."""
        theirs = fit(self.case.theirs, self.ours.shape)
        return None if theirs is None else relative_differences(self.ours, theirs, self.sums)
