"""Work on several threads: order, errors, forks, and many callers at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from convcli import conv2d
from convcli.engine.scratch import KEPT, Scratch
from convcli.engine.threads import OrderedQueue, each


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_item_once(threads):
    done = []
    each(range(100), lambda item, scratch: done.append(item), threads=threads)
    assert sorted(done) == list(range(100))


class Counting(list):
    """Numbers whose iterator raises ValueError if two threads advance it at once."""

    def __iter__(self):
        for number in range(len(self)):
            time.sleep(0.001)
            yield number


def test_threads_do_not_share_an_iterator():
    done = []
    each(Counting(range(50)), lambda item, scratch: done.append(item), threads=4)
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("threads", [1, 3])
def test_after_an_error_no_item_is_begun(threads):
    begun = []

    def work(item, scratch):
        begun.append(item)
        if item == 3:
            raise KeyboardInterrupt
        time.sleep(0.005)

    with pytest.raises(KeyboardInterrupt):
        each(range(1000), work, threads=threads)
    count = len(begun)
    assert count < 1000
    time.sleep(0.02)
    assert len(begun) == count


def test_items_are_passed_on_in_order():
    taken = []
    queue = OrderedQueue(taken.append)

    def bring(number, scratch):
        time.sleep(0.001 * (number % 3))
        queue.put(number, number)

    each(range(30), bring, threads=4)
    assert taken == list(range(30))


def test_many_callers_at_once():
    V, K = np.random.default_rng(0).integers(0, 9, (3, 400, 500), np.uint8), np.arange(9).reshape(3, 3)
    alone = conv2d(V, K, threads=1)
    with ThreadPoolExecutor(4) as pool:
        for Z in pool.map(lambda _: conv2d(V, K, threads=2, memory=1 << 18), range(12)):
            assert np.array_equal(Z, alone)


def test_blas_gets_its_threads_back_after_overlapping_calls():
    before = blas_threads()
    entered, leave = threading.Barrier(3), [threading.Event(), threading.Event()]

    def work(item, scratch):
        entered.wait(timeout=5)
        leave[item].wait(timeout=5)

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(each, [number], work, threads=1) for number in range(2)]
        entered.wait(timeout=5)
        assert 1 in blas_threads()  # numpy's; scipy may have another
        for event, call in zip(leave, calls, strict=True):
            event.set()
            call.result(timeout=5)
    assert blas_threads() == before


def blas_threads():
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


class TestScratch:
    def test_arrays_do_not_overlap_and_the_next_tile_reuses_them(self):
        scratch = Scratch()
        for _ in range(3):
            scratch.clear()
            first, second = scratch.array((3, 5), np.float32), scratch.array((7,), np.float64)
            assert not np.shares_memory(first, second)
        scratch.clear()
        assert np.shares_memory(scratch.array((3, 5), np.float32), first)

    @pytest.mark.parametrize(("size", "kept"), [(KEPT // 2, True), (2 * KEPT, False)])
    def test_large_buffers_are_released(self, size, kept):
        scratch = Scratch()
        for _ in range(2):
            scratch.array((size,), np.uint8)
            scratch.give_back()
        first = scratch.array((size,), np.uint8)
        scratch.clear()
        second = scratch.array((size,), np.uint8)
        assert np.shares_memory(first, second) == kept

    def test_each_thread_has_its_own(self):
        found = {}
        barrier = threading.Barrier(2)

        def work(item, scratch):
            barrier.wait(timeout=5)
            found[item] = scratch

        each(range(2), work, threads=2)
        assert found[0] is not found[1]
