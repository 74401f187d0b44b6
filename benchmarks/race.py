"""Time contestants in turn, over many rounds of one run, so that noise of the machine affects them all."""

import time
from collections.abc import Callable, Mapping
from statistics import median

Contestant = Callable[[], object]

# Threads of BLAS and OpenMP spin for a while after their work, and would slow down the next contestant.
REST = 0.002


def race(contestants: Mapping[str, Contestant], seconds: float = 2.0, least: int = 5) -> dict[str, float]:
    """Return the median seconds of each contestant, over as many rounds as fit into about ``seconds``."""
    first = {name: _once(run) for name, run in contestants.items()}
    rounds = max(least, int(seconds / sum(first.values())))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(_once(run))
    return {name: median(found) for name, found in times.items()}


def _once(run: Contestant) -> float:
    time.sleep(REST)
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
