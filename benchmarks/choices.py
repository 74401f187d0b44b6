"""Compare the planner's estimates with measured times, for each workload: ``python -m benchmarks.choices``.

The last column is the time of the planner's choice divided by that of the fastest algorithm: 1 if they are the same.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.race import Contestant, race
from convcli import conv2d
from convcli.convolution.prepared import Convolution
from convcli.engine import CONVOLUTIONS, Estimate
from convcli.errors import OptionError

# Input shape, kernel shape, rank of a 2-D kernel (0 for full), stride.
WORKLOADS: tuple[tuple[tuple[int, ...], tuple[int, ...], int, int], ...] = (
    *(((3, 1500, 2000), (size, size), 0, 1) for size in (3, 5, 9, 15, 25, 31)),
    *(((3, 1500, 2000), (size, size), 1, 1) for size in (3, 5, 9, 31)),
    *(((3, 1500, 2000), (size, size), 2, 1) for size in (9, 25)),
    ((3, 1500, 2000), (5, 5), 0, 2),
    *(((1, size, size), (3, 3), 0, 1) for size in (64, 512)),
    ((1, 512, 512), (15, 15), 0, 1),
    ((3, 1080, 1920), (8, 3, 5, 5), 0, 1),
    ((3, 1080, 1920), (16, 3, 3, 3), 0, 1),
    ((3, 224, 224), (64, 3, 7, 7), 0, 2),
    ((16, 112, 112), (16, 16, 3, 3), 0, 1),
    ((32, 112, 112), (32, 32, 3, 3), 0, 1),
    ((64, 56, 56), (64, 64, 3, 3), 0, 1),
    ((256, 56, 56), (256, 256, 3, 3), 0, 1),
    ((512, 7, 7), (512, 512, 3, 3), 0, 1),
    ((256, 56, 56), (64, 256, 1, 1), 0, 1),
)


def main() -> None:
    """Measure every workload and print it as a line of Markdown."""
    print("| workload | " + " | ".join(f"{name}, ms (planned)" for name in CONVOLUTIONS) + " | chosen | times best |")
    print("| --- |" + " --- |" * (len(CONVOLUTIONS) + 2))
    rng = np.random.default_rng(0)
    for V_shape, K_shape, rank, stride in WORKLOADS:
        V, K = rng.random(V_shape, np.float32), _kernel(rng, K_shape, rank)
        name = f"{'x'.join(map(str, V_shape))} by {'x'.join(map(str, K_shape))}/{stride}" + f" rank {rank}" * (rank > 0)
        print(_line(name, V, K, stride), flush=True)


def _kernel(rng: np.random.Generator, shape: tuple[int, ...], rank: int) -> Any:
    if not rank:
        return rng.random(shape)
    left, right = rng.random((shape[0], rank)), rng.random((rank, shape[1]))
    return left @ right


def _line(name: str, V: Any, K: Any, stride: int) -> str:
    choice = Convolution.of(K, stride=stride, padding="same").at(V.shape, V.dtype).plan().first
    answers = {choice.algorithm: choice.estimate, **choice.others}
    times = race(dict(_contestants(V, K, stride)), seconds=1.0, least=3)
    cells = [_cell(times.get(algorithm), answers[algorithm]) for algorithm in CONVOLUTIONS]
    regret = times[choice.algorithm] / min(times.values())
    return f"| {name} | {' | '.join(cells)} | {choice.algorithm} | {regret:.2f} |"


def _contestants(V: Any, K: Any, stride: int) -> Iterator[tuple[str, Contestant]]:
    for algorithm in CONVOLUTIONS:
        run = partial(conv2d, V, K, stride=stride, padding="same", algorithm=algorithm, threads=1)
        try:
            run()
        except OptionError:
            continue
        yield algorithm, run


def _cell(seconds: float | None, answer: Any) -> str:
    if seconds is None or not isinstance(answer, Estimate):
        return "-"
    return f"{seconds * 1e3:.2f} ({answer.seconds * 1e3:.2f})"


if __name__ == "__main__":
    main()
