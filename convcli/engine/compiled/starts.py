"""How long compiled loops take to start, and when calls of a program have waited long enough for them.

A single call is too short to compile loops for it, or to load them. But many calls are not: once the calls so far would
have saved as much time as the start takes, the start no longer counts. So a program takes at most twice as long as one
that knows how many calls will follow.
"""

from collections import defaultdict
from collections.abc import Sequence

from convcli.engine.compiled import machine_code
from convcli.engine.compiled.machine_code import Recipe
from convcli.engine.limits import Limits

# Estimates are for one thread, but all threads wait while one of them starts. A fixed number of them is counted,
# because the choice must not depend on the number of threads.
THREADS_THAT_WAIT = 4

# The seconds that calls of this process would have saved with the loops of these recipes.
_MISSED: defaultdict[tuple[str, ...], float] = defaultdict(float)


def start_seconds(recipes: Sequence[Recipe], limits: Limits) -> float:
    """Return the seconds that pass before the loops of these recipes can run; 0 if that no longer counts.

    For the inputs of a command these are those of a usual start, shared by all of them. So the choice for an input does
    not depend on the inputs before it, nor on those at the same time.
    """
    if limits.inputs:
        return (machine_code.IMPORT + machine_code.LOAD * len(recipes)) / limits.inputs
    seconds = machine_code.start_seconds(recipes)
    return seconds if seconds and _MISSED.get(_names(recipes), 0) < THREADS_THAT_WAIT * seconds else 0.0


def miss(recipes: Sequence[Recipe], seconds: float) -> None:
    """Count the seconds that a call would have saved, had the loops of these recipes been loaded."""
    _MISSED[_names(recipes)] += seconds


def _names(recipes: Sequence[Recipe]) -> tuple[str, ...]:
    return tuple(recipe.name for recipe in recipes)
