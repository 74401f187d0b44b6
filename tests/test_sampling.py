"""Test the sampling that other tests use: the number of inputs, the seed, and the smallest input that fails."""

import pytest
from hypothesis import strategies as st
from support.sampling import try_many


def drawn(seed, examples):
    numbers = []
    try_many(st.integers(), lambda number: numbers.append(number), seed=seed, examples=examples)
    return numbers


def test_a_seed_says_what_is_drawn():
    assert drawn(1, 50) == drawn(1, 50) != drawn(2, 50)
    assert len(drawn(1, 50)) == 50


def test_the_smallest_failure_is_told_with_the_seed():
    def check(number):
        assert number < 1000

    with pytest.raises(AssertionError) as caught:
        try_many(st.integers(), check, seed=7, examples=500)
    notes = "\n".join(caught.value.__notes__)
    assert "number=1000," in notes
    assert notes.endswith("drawn from seed 7: repeat with --fresh-seed 7")
