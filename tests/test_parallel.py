"""Futures are started ahead of time, and yielded in their order."""

import pytest

from convcli.files.parallel import in_order


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_each_is_yielded_once_in_order(ahead):
    assert list(in_order(iter(range(10)), ahead)) == list(range(10))


def test_no_futures():
    assert list(in_order([], 3)) == []


def test_only_so_many_are_started():
    started = []
    futures = in_order((started.append(number) or number for number in range(10)), 3)
    assert started == []
    assert next(futures) == 0
    assert started == [0, 1, 2]
    assert next(futures) == 1
    assert started == [0, 1, 2, 3]
