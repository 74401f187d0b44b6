"""A kernel as a sum of outer products, exactly where integers allow it, else by singular values."""

from functools import lru_cache
from typing import Any

import numpy as np

from convcli.arrays import Array, FloatArray

# Terms below this part of the largest singular value are rounding.
NEGLIGIBLE = 1e-14


def factorise(kernel: Array, dtype: np.dtype[Any]) -> tuple[FloatArray, FloatArray]:
    """Columns ``(rank, kh)`` and rows ``(rank, kw)``, float64, whose outer products add up to ``kernel`` (kh, kw).

    dtype: what will be computed in.
    A kernel of rank 1 whose rows are whole multiples of one of them keeps its numbers: integers stay integers.
    """
    numbers = kernel.astype(np.float64)
    exact = _skeleton(numbers)
    return exact if exact is not None else _singular(numbers, _negligible(kernel, dtype))


def _negligible(kernel: Array, dtype: np.dtype[Any]) -> float:
    """Numbers that were rounded to float32 hide a low rank; the terms that rounding adds are below about this."""
    rounded = kernel.dtype == dtype == np.float32
    return float(np.finfo(np.float32).eps) if rounded else NEGLIGIBLE


def _skeleton(kernel: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """A column and a row through the smallest number that is not 0, if they give the kernel without rounding."""
    if not kernel.any():
        return np.zeros((1, kernel.shape[0])), np.zeros((1, kernel.shape[1]))
    sizes = np.where(kernel == 0, np.inf, np.abs(kernel))
    m, n = np.unravel_index(np.argmin(sizes), kernel.shape)
    column, row = kernel[:, n] / kernel[m, n], kernel[m]
    return (column[None], row[None]) if np.array_equal(np.outer(column, row), kernel) else None


def _singular(kernel: FloatArray, negligible: float) -> tuple[FloatArray, FloatArray]:
    columns, sizes, rows = np.linalg.svd(kernel, full_matrices=False)
    rank = max(1, int(np.count_nonzero(sizes > negligible * sizes[0])))
    roots = np.sqrt(sizes[:rank])
    return (columns[:, :rank] * roots).T, rows[:rank] * roots[:, None]


def rank_of(weights: Array, dtype: np.dtype[Any]) -> tuple[int, bool]:
    """The most terms that a group's kernel needs, for weights ``(groups, 1, 1, kh, kw)``, and whether all are exact.

    dtype: what will be computed in.  The rank is 0 where channels mix, where outputs do not share weights, and for
    numbers that are not finite.
    """
    if weights.ndim != 5 or weights.shape[1:3] != (1, 1):
        return 0, False
    kernels = weights[:, 0, 0]
    # Finding the singular values takes longer than convolving a small image.
    return _rank_of_bytes(kernels.tobytes(), kernels.dtype, kernels.shape, dtype)


@lru_cache(maxsize=128)
def _rank_of_bytes(
    numbers: bytes, stored: np.dtype[Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[int, bool]:
    kernels = np.frombuffer(numbers, stored).reshape(shape)
    if not np.isfinite(kernels).all():
        return 0, False
    rank = max(len(factorise(kernel, dtype)[0]) for kernel in kernels)
    return rank, all(_skeleton(kernel) is not None for kernel in kernels.astype(np.float64))
