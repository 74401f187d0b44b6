"""Draw inputs with hypothesis, from the seed and for the length of a run (fixtures ``seed`` and ``soak``)."""

import hypothesis


def try_many(strategy, check, *, seed, examples):
    """Call ``check`` with ``examples`` draws from the strategy.

    A failure is shrunk to the smallest draw that fails, which is printed with the seed.
    """
    profile = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    try:
        hypothesis.seed(seed)(profile(hypothesis.given(strategy)(check)))()
    except Exception as failure:
        failure.add_note(f"drawn from seed {seed}: repeat with --fresh-seed {seed}")
        raise
