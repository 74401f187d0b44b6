"""Measure the rates of this machine and write convcli/engine/calibration.py: ``python -m benchmarks.calibrate``."""

import sys
import time
from collections.abc import Callable
from datetime import date
from math import log2
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.tables import forced_kernel, machine
from convcli import conv2d
from convcli.engine.calibration import COMPILED, COMPILED_CHANNELS
from convcli.engine.compiled import machine_code

TARGET = Path(__file__).parent.parent / "convcli" / "engine" / "calibration.py"
COLUMNS = 4000

TEMPLATE = '''"""Rates for cost estimates, in seconds of one thread. Made by ``python -m benchmarks.calibrate``."""

MACHINE = {machine!r}

# One float32 multiply-add of BLAS in a large product; the numbers of rows, and of depth, that halve this speed.
PRODUCT = {product:.2e}
PRODUCT_ROWS = {rows:.1f}
PRODUCT_DEPTH = {depth:.1f}
# One byte that an elementwise operation reads or writes in cache.
BYTE = {byte:.2e}
# One call of NumPy from Python.
CALL = {call:.2e}
# One float32 multiply-add of the compiled loops, in a kernel of 7x7 weights.
COMPILED = {compiled:.2e}
# One float32 multiply-add of the compiled loops that share pixels among channels, in a bank 24->24 of 5x5 weights.
COMPILED_CHANNELS = {compiled_channels:.2e}
# One pixel of a float32 square in a real Fourier transform, divided by log2 of the square's number of pixels.
TRANSFORM = {transform:.2e}
'''


def main() -> None:
    """Measure the rates, write the module, and print it."""
    if warning := forced_kernel():
        sys.exit(warning)
    with threadpool_limits(1, user_api="blas"):
        rates = {"byte": _byte(), "call": _call(), "compiled": _compiled()}
        rates |= {"compiled_channels": _compiled_channels(), "transform": _transform()}
        text = TEMPLATE.format(machine=f"{machine()}, {date.today()}", **_products(), **rates)
    TARGET.write_text(text)
    print(text)


def _seconds(run: Callable[[], object], repeats: int = 41) -> float:
    """Return the median of many runs, without the first."""
    run()
    return median(_once(run) for _ in range(repeats))


def _once(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _products() -> dict[str, float]:
    """Return the rate of a large product, and how few rows or little depth reduce it."""
    large, thin, shallow = _product(128, 128), _product(4, 24), _product(24, 6)
    return {"product": large, "rows": 4 * max(0.0, thin / large - 1), "depth": 6 * max(0.0, shallow / large - 1)}


def _product(rows: int, depth: int) -> float:
    left, right = np.ones((rows, depth), np.float32), np.ones((depth, COLUMNS), np.float32)
    out = np.empty((rows, COLUMNS), np.float32)
    return _seconds(lambda: np.matmul(left, right, out=out)) / (rows * depth * COLUMNS)


def _byte() -> float:
    first, second = np.ones((2, 1 << 16), np.float32)
    return _seconds(lambda: np.add(first, second, out=first), 401) / (3 * first.nbytes)


def _call() -> float:
    tiny = np.ones((2, 2, 2, 4), np.float32)

    def calls() -> None:
        for _ in range(100):
            np.add(tiny[..., 0:2], tiny[..., 1:3], out=tiny[..., 2:4])

    return _seconds(calls) / 100


def _compiled() -> float:
    """Return the rate of the compiled loops; without Numba, the rate that is known."""
    if machine_code.missing():
        return COMPILED
    V, K = np.ones((1, 1006, COLUMNS + 6), np.float32), np.ones((7, 7), np.float32)
    return _seconds(lambda: conv2d(V, K, algorithm="compiled", threads=1)) / (49 * 1000 * COLUMNS)


def _compiled_channels() -> float:
    """Return the rate of the compiled loops of many channels; without Numba, the rate that is known."""
    if machine_code.missing():
        return COMPILED_CHANNELS
    V, K = np.ones((24, 104, 164), np.float32), np.ones((24, 24, 5, 5), np.float32)
    return _seconds(lambda: conv2d(V, K, algorithm="compiled-channels", threads=1)) / (24 * 24 * 25 * 100 * 160)


def _transform() -> float:
    side = 256
    square = np.ones((side, side), np.float32)
    both = _seconds(lambda: np.fft.irfft2(np.fft.rfft2(square, norm="ortho"), norm="ortho"))
    return both / 2 / (side**2 * log2(side**2))


if __name__ == "__main__":
    main()
