"""A kernel as a sum of outer products, exactly where integers allow it, else by singular values."""

from functools import lru_cache
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray

# Terms below this part of the largest singular value are rounding.
NEGLIGIBLE = 1e-14


def factorise(kernel: Array) -> tuple[FloatArray, FloatArray]:
    """Columns ``(rank, kh)`` and rows ``(rank, kw)``, float64, whose outer products add up to ``kernel`` (kh, kw).

    A kernel of rank 1 whose rows are whole multiples of one of them keeps its numbers: integers stay integers.
    """
    kernel = kernel.astype(np.float64)
    exact = _skeleton(kernel)
    return exact if exact is not None else _singular(kernel)


def _skeleton(kernel: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """A column and a row through the smallest number that is not 0, if they give the kernel without rounding."""
    if not kernel.any():
        return np.zeros((1, kernel.shape[0])), np.zeros((1, kernel.shape[1]))
    sizes = np.where(kernel == 0, np.inf, np.abs(kernel))
    m, n = np.unravel_index(np.argmin(sizes), kernel.shape)
    column, row = kernel[:, n] / kernel[m, n], kernel[m]
    return (column[None], row[None]) if np.array_equal(np.outer(column, row), kernel) else None


def _singular(kernel: FloatArray) -> tuple[FloatArray, FloatArray]:
    columns, sizes, rows = np.linalg.svd(kernel, full_matrices=False)
    rank = max(1, int(np.count_nonzero(sizes > NEGLIGIBLE * sizes[0])))
    roots = np.sqrt(sizes[:rank])
    return (columns[:, :rank] * roots).T, rows[:rank] * roots[:, None]


def rank_of(weights: Array) -> tuple[int, bool]:
    """The most terms that a group's kernel needs, for weights ``(groups, 1, 1, kh, kw)``, and whether all are exact.

    The rank is 0 where channels mix, and for numbers that are not finite.
    """
    if weights.shape[1:3] != (1, 1):
        return 0, False
    kernels = weights[:, 0, 0]
    # Finding the singular values takes longer than convolving a small image.
    return _rank_of_bytes(kernels.tobytes(), kernels.dtype, kernels.shape)


@lru_cache(maxsize=128)
def _rank_of_bytes(numbers: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[int, bool]:
    kernels = np.frombuffer(numbers, dtype).reshape(shape)
    if not np.isfinite(kernels).all():
        return 0, False
    rank = max(len(factorise(kernel)[0]) for kernel in kernels)
    return rank, all(_skeleton(kernel) is not None for kernel in kernels.astype(np.float64))
