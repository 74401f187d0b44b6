"""Work on many items at once, in threads."""

import threading
from threading import Event

import pytest

from convcli.apply.concurrency import AHEAD, map_in_order


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(jobs):
    hold = Event()

    def work(item):
        if item == 0 and jobs > 1:
            assert hold.wait(10)
        if item == 9:
            hold.set()
        return item * item

    assert list(map_in_order(work, range(100), jobs, Event())) == [item * item for item in range(100)]


def test_that_many_items_are_processed_at_once():
    meeting = threading.Barrier(3, timeout=10)
    assert list(map_in_order(lambda item: meeting.wait() >= 0, range(9), 3, Event())) == [True] * 9


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_limited_number_of_items_is_taken_ahead(jobs):
    taken = []
    results = map_in_order(str, (taken.append(item) or item for item in range(10**9)), jobs, Event())
    assert next(results) == "0"
    assert len(taken) <= AHEAD * jobs + 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_stopping_finishes_items_under_way_and_begins_no_others(jobs):
    stop, worked = Event(), []

    def work(item):
        worked.append(item)
        if item == 5:
            stop.set()
        assert item <= 5 or stop.wait(10)
        return item

    given = list(map_in_order(work, range(10_000), jobs, stop))
    # Another thread may have taken an earlier item, and not begun it yet.
    assert given == sorted(worked)
    assert 5 in given
    assert len(given) <= 5 + jobs


@pytest.mark.parametrize("jobs", [2, 4])
def test_stopping_begins_no_item_that_waits(jobs):
    stop, begun = Event(), []

    def work(item):
        begun.append(item)
        assert item <= 4 or stop.wait(10)
        return item

    for item in map_in_order(work, range(1000), jobs, stop):
        if item == 4:
            stop.set()
    assert 5 <= len(begun) <= 5 + jobs


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_is_raised_in_place_of_its_result(jobs):
    results = map_in_order(lambda item: 1 // (3 - item), range(6), jobs, Event())
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
