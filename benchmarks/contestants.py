"""convcli in its two forms: the NumPy core, and the core with loops that Numba compiles."""

from functools import partial
from typing import Any

from benchmarks.race import Contestant
from convcli import functional
from convcli.engine import Execution
from convcli.engine.compiled import machine_code
from convcli.engine.limits import LIMITS

IS_FAST_INSTALLED = not machine_code.missing()
_FUNCTIONAL: Any = functional


def core(run: Contestant) -> Contestant:
    """Return the contestant that runs functions of convcli without compiled loops."""

    def without_compiled_loops() -> object:
        _FUNCTIONAL.Execution = partial(Execution, limits=LIMITS._replace(compiled=False))
        try:
            return run()
        finally:
            _FUNCTIONAL.Execution = Execution

    return without_compiled_loops


def assume_loaded() -> None:
    """Have the planner count no start of compiled loops, as in a process that has used them before."""
    machine_code.start_seconds = lambda recipes: 0.0
