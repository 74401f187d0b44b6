"""The search for the confusion that explains a tensor: the one with the fewest parts that turns ours into theirs.

Single confusions come first, then pairs. The amount of work is bounded (``Trials``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from convcli.arrays import FloatArray, fit
from convcli.check.candidates import Candidate, Confusion, of_request
from convcli.check.case import Case, Trials
from convcli.check.compared import Compared
from convcli.check.difference import largest_difference
from convcli.check.faults import faults
from convcli.check.forward import forward_judge, judge_of, of_transpose
from convcli.check.judge import Explanation
from convcli.check.near import few_wrong, loose_tolerance, lower_precision, rounding, wrong_numbers
from convcli.check.readings import is_close
from convcli.check.requests import constant_fill, forgotten_bias, other_geometries, simple_requests
from convcli.convolution.transposed import PreparedTransposed
from convcli.engine import Execution

# The most explanations that are named, if several are equally simple.
MOST_NAMED = 2
# The most strides, paddings and dilations that are tried together with another option.
MOST_PAIRED = 16


class Outcome(NamedTuple):
    """The result of a search.

    explanations: the simplest ones, which explain the tensor equally well; none if no confusion does.
    skipped: the number of confusions that were not tried, because that would take too long.
    """

    explanations: tuple[Explanation, ...]
    skipped: int = 0


Stage = Callable[[Compared, Trials], Iterator[Explanation]]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def search(compared: Compared, execution: Execution) -> Outcome:
    """Return what explains that the user's tensor differs from convcli's."""
    if found := _at_first_sight(compared):
        return Outcome((Explanation((found,)),))
    wrong = _few_wrong(compared)
    # Two options together change nearly every entry.
    outcome = _simplest(compared, execution, (_singles, _geometries, _shifts, *(() if wrong else (_pairs,))))
    loose = loose_tolerance(compared.case.theirs)
    if not outcome.explanations and loose > compared.within:
        outcome = _simplest(compared._replace(within=loose), execution, (_singles, _geometries))
    if not outcome.explanations and wrong:
        return Outcome((Explanation((wrong,)),))
    return outcome


def _at_first_sight(compared: Compared) -> Confusion | None:
    """Return NaN, zeros, a lower precision or a single wrong entry, which need no trial."""
    theirs, relative = fit(compared.case.theirs, compared.ours.shape), compared.relative()
    if theirs is None or relative is None:
        return None
    found = wrong_numbers(compared.place, compared.ours, theirs)
    found = found or lower_precision(relative, compared.ours, theirs, compared.tolerance)
    is_one = (relative > compared.tolerance).sum() == 1
    return found or (_few_wrong(compared) if is_one else None)


def _few_wrong(compared: Compared) -> Confusion | None:
    theirs, relative = fit(compared.case.theirs, compared.ours.shape), compared.relative()
    if theirs is None or relative is None:
        return None
    return few_wrong(compared.place, compared.ours, theirs, relative > compared.tolerance)


def _simplest(compared: Compared, execution: Execution, stages: tuple[Stage, ...]) -> Outcome:
    """Return the explanations with the fewest confusions."""
    trials, several = Trials(execution), list[Explanation]()
    for stage in stages:
        several += stage(compared, trials)
        single = [each for each in several if len(each.confusions) == 1]
        if single:
            return Outcome(tuple(dict.fromkeys(single))[:MOST_NAMED])
    fewest = min(several, key=lambda each: (len(each.confusions), each.kind != "options"), default=None)
    return Outcome((), trials.skipped) if fewest is None else Outcome((fewest,))


def _until_simplest(explanations: Iterable[Explanation], parts: int) -> Iterator[Explanation]:
    """Yield explanations up to the first one by so many options, if those that follow are no simpler."""
    for explanation in explanations:
        yield explanation
        if len(explanation.confusions) == parts and explanation.kind == "options":
            return


def _singles(compared: Compared, trials: Trials) -> Iterator[Explanation]:
    """Yield what other simple options, layouts, factors and faults explain."""
    attempts = _Attempts(compared, trials)
    yield from attempts.explanations(simple_requests(compared.as_requested))
    yield from _faults(compared, trials)
    derived = (
        forgotten_bias(compared.as_requested, compared.ours, compared.within),
        constant_fill(compared.as_requested, compared.ours, trials),
    )
    yield from attempts.explanations(each for each in derived if each is not None)


def _faults(compared: Compared, trials: Trials) -> Iterator[Explanation]:
    """Yield what layouts, factors and faults in the code explain."""
    forward = forward_judge(compared)
    found = [*forward.of_ours()]
    for candidate in faults(forward.case):
        tensor = candidate.compute(trials)
        if tensor is not None:
            found += forward.explanations(tensor, candidate.confusion)
    found += forward.of_additions()
    is_transposed = isinstance(compared.prepared, PreparedTransposed) and compared.case.tensor != "bias"
    return map(of_transpose, found) if is_transposed else iter(found)


def _shifts(compared: Compared, _: Trials) -> Iterator[Explanation]:
    """Yield a shift by a row or a column."""
    return forward_judge(compared).shifts()


def _geometries(compared: Compared, trials: Trials) -> Iterator[Explanation]:
    """Yield what other strides, paddings and dilations explain."""
    found = _Attempts(compared, trials).explanations(other_geometries(compared.as_requested))
    return _until_simplest(found, parts=1)


def _pairs(compared: Compared, trials: Trials) -> Iterator[Explanation]:
    """Yield what two options explain together: simple ones, or a simple one and a stride, padding or dilation."""
    return _until_simplest(_all_pairs(compared, trials), parts=2)


def _all_pairs(compared: Compared, trials: Trials) -> Iterator[Explanation]:
    attempts, simple = _Attempts(compared, trials), list(simple_requests(compared.as_requested))
    geometries = other_geometries(compared.as_requested)[:MOST_PAIRED]
    for index, first in enumerate(simple):
        for second in (*simple[index + 1 :], *geometries):
            if first.change and second.case and second.change:
                both = of_request(second.confusion, first.change(second.case), first.change)
                yield from attempts.explanations([both], first.confusion)


class _Attempts:
    """Candidates of other options that are computed and compared with the user's tensor."""

    def __init__(self, compared: Compared, trials: Trials) -> None:
        self._compared, self._trials = compared, trials
        is_transposed = isinstance(compared.prepared, PreparedTransposed)
        self._judge = judge_of(
            compared, compared.case, compared.ours, compared.prepared.geometry, with_layouts=not is_transposed
        )

    def explanations(self, candidates: Iterable[Candidate], *others: Confusion) -> Iterator[Explanation]:
        """Yield the explanations by each candidate together with the others; cures are only those that hold."""
        for candidate in candidates:
            found = candidate.compute(self._trials)
            if found is None:
                continue
            for explanation in self._judge.explanations(found, *others, candidate.confusion):
                if cured := self._cured(explanation, candidate.case, found):
                    yield cured
            bias = candidate.case and forgotten_bias(candidate.case, found, self._compared.within)
            if bias and self._judge.allows((*others, candidate, bias)):
                both = Explanation((*others, candidate.confusion, bias.confusion))
                cured = self._cured(both, bias.case, bias.compute(self._trials))
                if cured:
                    yield cured

    def _cured(self, explanation: Explanation, case: Case | None, found: FloatArray | None) -> Explanation | None:
        """Return the explanation, with the tolerance that its cure needs; None if the check would still not hold."""
        theirs = None if found is None else fit(self._compared.case.theirs, found.shape)
        if explanation.kind != "options" or case is None or found is None or theirs is None:
            return explanation
        if not is_close(found, theirs, self._compared.within):
            return explanation
        error = largest_difference(found, theirs, self._trials.magnitudes(case)).error
        if error <= self._compared.tolerance:
            return explanation
        if error > self._compared.within:
            return None
        return Explanation((*explanation.confusions, rounding(error)))
