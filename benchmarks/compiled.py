"""Compare compiled loops with OpenCV, and with the fastest other algorithm: ``python -m benchmarks.compiled``.

The numbers are milliseconds of processor time of all threads, the least of many rounds, so that other work on the
machine affects them little. A ratio above 1 means that the compiled loops are faster.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from convcli import conv2d
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution, Limits

SHAPES = ((3, 3000, 4000), (1, 512, 512))
SIZES = (3, 5, 7, 9, 11, 15)
ROUNDS = 15
# A round of a small call repeats it until it takes about so many multiply-adds.
WORK = 3e8


def main() -> None:
    """Measure every shape and size, and print each as a line of Markdown."""
    print("| kernel, image | compiled, ms | other algorithm, ms | OpenCV, ms | other / compiled | OpenCV / compiled |")
    print("| --- |" + " --- |" * 5)
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        V = rng.random(shape, np.float32)
        for size in SIZES:
            print(_line(V, rng.random((size, size), np.float32)), flush=True)


def _line(V: Any, K: Any) -> str:
    prepared = Convolution.of(K, padding="same").at(V.shape, V.dtype)
    plan = prepared.plan(Execution(limits=Limits(compiled=False)))
    runs: dict[str, Callable[[], object]] = {
        "compiled": partial(conv2d, V, K, padding="same", algorithm="compiled"),
        "other": partial(prepared.convolve, V, plan),
    }
    if peers.cv2 is not None:
        pixels = np.ascontiguousarray(V.transpose(1, 2, 0))
        runs["OpenCV"] = partial(peers.opencv_filter, pixels, K)
    times = _least(runs, max(1, int(WORK / (V.size * K.size))))
    cells = [f"{1e3 * seconds:.2f}" for seconds in times.values()]
    cells[1] += f" ({plan.first.algorithm})"
    ratios = [f"{times[name] / times['compiled']:.2f}" for name in list(runs)[1:]]
    name = f"{'x'.join(map(str, K.shape))}, {'x'.join(map(str, V.shape))}"
    return f"| {' | '.join([name, *cells, *ratios])} |"


def _least(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the least processor time of each run, over rounds in which they take turns."""
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.process_time()
            for _ in range(repeats):
                run()
            least[name] = min(least[name], (time.process_time() - start) / repeats)
    return least


if __name__ == "__main__":
    main()
