"""Confusions, and the tensors that they predict."""

from collections.abc import Callable
from typing import NamedTuple

from convcli.arrays import FloatArray
from convcli.check.case import Case, Trials


class Confusion(NamedTuple):
    """A mistake that explains the user's tensor: in the options of the command, or in the code that computed it.

    says: what the tensor is, as in "is that of the flipped kernel", to follow "your dK".
    is_request: whether other options of ``check`` describe it; otherwise it is a fault in the code.
    cure: the options to add, with parameters in backquotes; None if it is a fault, or if options must be left out.
    """

    says: str
    is_request: bool = False
    cure: str | None = None


Change = Callable[[Case], Case]


class Candidate(NamedTuple):
    """A confusion, and how to compute the tensor that it predicts.

    compute: returns the tensor; None if it does not exist for these shapes, or if there is no time.
    case, change: for other options, the case whose tensor it is, and the change that made it of the user's case.
    """

    confusion: Confusion
    compute: Callable[[Trials], FloatArray | None]
    case: Case | None = None
    change: Change | None = None


def request(says: str, cure: str | None, case: Case, change: Change) -> Candidate:
    """Return the candidate that another request describes: a change of the case."""
    return of_request(Confusion(says, True, cure), change(case), change)


def of_request(confusion: Confusion, case: Case, change: Change) -> Candidate:
    """Return the candidate of a case, which is only computed if its Z can have the user's shape."""
    return Candidate(confusion, lambda trials: trials.tensor(case) if case.may_fit() else None, case, change)


def fault(says: str, compute: Callable[[Trials], FloatArray | None]) -> Candidate:
    """Return the candidate of a fault in the code."""
    return Candidate(Confusion(says), compute)


def fault_of(says: str, case: Case) -> Candidate:
    """Return the candidate of a fault whose tensor is that of another case."""
    return fault(says, lambda trials: trials.tensor(case))
