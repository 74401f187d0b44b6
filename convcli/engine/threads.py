"""Tiles on several threads, each with its own scratch memory, and BLAS held at one thread for each."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from convcli.engine.interface import Scratch
from convcli.engine.tiles import Tile

Result = TypeVar("Result")

# Below so many seconds of work, starting threads takes longer than they save.
WORTH_THREADS = 1e-3


def available_threads() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_tile(
    tiles: Sequence[Tile],
    work: Callable[[Tile, Scratch], Result],
    *,
    threads: int,
    dtype: np.dtype[Any],
) -> Iterator[Result]:
    """What ``work`` makes of each tile, in the order of the tiles whoever did them."""
    workers = min(threads, len(tiles))
    # A single tile leaves the threads to BLAS.
    with _blas_threads(1 if workers > 1 else threads):
        if workers <= 1:
            scratch = Scratch(dtype)
            yield from (work(tile, scratch) for tile in tiles)
            return
        own = threading.local()

        def start() -> None:
            own.scratch = Scratch(dtype)

        with ThreadPoolExecutor(workers, initializer=start) as pool:
            yield from pool.map(lambda tile: work(tile, own.scratch), tiles)


def _blas_threads(count: int) -> AbstractContextManager[Any]:
    controller = _controller()
    return controller.limit(limits=count, user_api="blas") if controller.lib_controllers else nullcontext()


@cache
def _controller() -> ThreadpoolController:
    """Looking for the libraries takes milliseconds; numpy has loaded its BLAS by now."""
    return ThreadpoolController()
