"""Factors: a kernel as a sum of outer products of columns and rows.

The factors of some presets are known; other factors are computed once, when a plan first asks for them. They are exact
if they hold the kernel's numbers without rounding, which takes columns or rows of whole numbers.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from convcli.arrays import Array, FloatArray, is_whole
from convcli.engine.calibration import PRODUCT
from convcli.engine.costs import calls_seconds
from convcli.engine.threads import BLAS_ON_ONE_THREAD
from convcli.files.forks import renewing_locks

# A singular value below this fraction of the largest one is rounding noise.
NEGLIGIBLE = 1e-14
# If two products differ by less than this fraction of the larger one, the difference may be rounding.
ROUNDING = 1e-12
# The cost of finding factors: calls of NumPy, and multiply-adds per weight and singular value.
CALLS_FOR_EXACT = 3
CALLS_FOR_SINGULAR = 6
SINGULAR = 100
# Of larger kernels, so many singular values are computed at most: of a higher rank, two passes would not pay.
MOST_SINGULAR = 256
SKETCH = 72
# Weights cancel if their sum is below this part of the sum of their magnitudes.
CANCELLING = 1 / 64
# Pairs of channels per group of filters; with more of them, a kernel is a layer of a network.
MOST_PAIRS = 64


# Pairs of a column (kh,) and a row (kw,).
Pairs = tuple[tuple[FloatArray, FloatArray], ...]


class Traits(NamedTuple):
    """The properties of a kernel's factors that affect a plan.

    rank: the number of outer products that add up to each group's kernel; 0 if channels mix.
    exact: whether the columns and rows hold the kernel's numbers without rounding, so that integers stay integers.
    assumed: True if the planner has not looked at the kernel's numbers, and assumes the best traits.
    """

    rank: int = 0
    exact: bool = False
    assumed: bool = False

    def seconds_to_know(self, taps: tuple[int, int]) -> float:
        """Return how many seconds it takes to find out whether a kernel of this size has the assumed traits."""
        if not self.assumed:
            return 0.0
        values = min(taps) if min(taps) <= MOST_SINGULAR else SKETCH
        singular = SINGULAR * taps[0] * taps[1] * values * PRODUCT
        return calls_seconds(CALLS_FOR_EXACT) if self.exact else calls_seconds(CALLS_FOR_SINGULAR) + singular


class Factors(NamedTuple):
    """Columns ``(groups, rank, kh)`` and rows ``(groups, rank, kw)``, float64, whose outer products add up to a kernel.

    exact: whether they hold the kernel's numbers without rounding.
    """

    columns: FloatArray
    rows: FloatArray
    exact: bool

    @property
    def traits(self) -> Traits:
        """Return the traits of a kernel with these factors."""
        return Traits(self.columns.shape[1], self.exact)

    def at(self, rows: slice, columns: slice) -> "Factors":
        """Return the factors of these rows and columns of the kernel."""
        return self._replace(columns=self.columns[..., rows], rows=self.rows[..., columns])


@renewing_locks
class Factorisation:
    """The factors of kernels ``(..., kh, kw)`` that each map one channel to one, computed when first asked for.

    known: columns and rows whose outer products add up to the kernel, if there is only one; ignored if they do not.
    """

    def __init__(self, weights: Array, known: Pairs = ()) -> None:
        self.weights = weights
        self._given = known
        self._nearly: dict[float, Factors | None] = {}

    @cached_property
    def exact(self) -> Factors | None:
        """The exact factors, or None.

        They are the known ones if these are whole numbers; or those of a kernel of rank 1 whose rows, or columns, are
        whole multiples of one of them.
        """
        whole = all(is_whole(array) for pair in self._given for array in pair)
        if whole and self._known:
            return _stacked(self._known, exact=True)
        found = [_skeleton(kernel) for kernel in self._kernels]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) < len(found):
            return None
        columns, rows = (np.array([[pair[axis]] for pair in pairs]) for axis in (0, 1))
        return Factors(columns, rows, exact=True)

    def nearly(self, dtype: np.dtype[Any]) -> Factors | None:
        """Return factors for computing in ``dtype``, with rounding: the known ones, or those of the singular values.

        Singular values that are rounding noise in ``dtype`` are dropped.
        Returns None if a weight is not finite, or if a large kernel is of high rank.
        """
        if not self._is_finite:
            return None
        if self._known:
            return _stacked(self._known, exact=False)
        negligible = _negligible(self.weights, dtype)
        if negligible not in self._nearly:
            self._nearly[negligible] = _singular(self._kernels, negligible)
        return self._nearly[negligible]

    @cached_property
    def _is_finite(self) -> bool:
        return bool(np.isfinite(self.weights).all())

    @cached_property
    def _kernels(self) -> FloatArray:
        """The kernels ``(groups, kh, kw)`` in float64."""
        return self.weights.reshape(-1, *self.weights.shape[-2:]).astype(np.float64)

    @cached_property
    def _known(self) -> Pairs:
        """The given columns and rows if their outer products add up to the kernel; else nothing."""
        shape = self._kernels.shape[1:]
        if not self._given or any((len(column), len(row)) != shape for column, row in self._given):
            return ()
        total = sum((np.outer(column, row) for column, row in self._given), start=np.zeros(shape))
        return self._given if np.array_equal(total[None], self._kernels) else ()


class KernelBlocks(NamedTuple):
    """A kernel with the engine's axes, and its factors.

    K: an array of the shape ``Geometry.kernel_blocks``.  factorisation: the factors of the kernel that K was cut from.
    cuts: the slices of rows and columns that cut K from that kernel, in the order in which they were applied.
    """

    K: Array
    factorisation: Factorisation
    cuts: tuple[tuple[slice, slice], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Return whether all weights are whole numbers. For most kernels this ends at the first."""
        return float(self.K.item(0)).is_integer() and is_whole(self.K)

    @property
    def cancels(self) -> bool:
        """Return whether the weights of some pair of channels nearly add up to 0; False for layers of many pairs."""
        if self.K.ndim > 5 or self.K.shape[1] * self.K.shape[2] > MOST_PAIRS:
            return False
        # Most kernels end here: a sum takes longer.
        if self.K.min() >= 0 or self.K.max() <= 0:
            return False
        sums = np.abs(self.K.sum(axis=(-2, -1), dtype=np.float64))
        return bool((sums < CANCELLING * np.abs(self.K).sum(axis=(-2, -1), dtype=np.float64)).any())

    def at(self, rows: slice, columns: slice) -> "KernelBlocks":
        """Return these rows and columns of the kernel."""
        return KernelBlocks(self.K[..., rows, columns], self.factorisation, (*self.cuts, (rows, columns)))

    def transposed(self) -> "KernelBlocks":
        """Return the kernel with input and output channels swapped.

        Its factors stay the same: only kernels with one input and one output channel per group have factors.
        """
        return KernelBlocks(self.K.swapaxes(1, 2), self.factorisation, self.cuts)

    def exact_factors(self) -> Factors | None:
        """Return factors that hold the kernel's numbers without rounding; None if there are none of low rank."""
        if min(self.K.shape[-2:]) == 1:
            return self._every_column_or_row() if np.isfinite(self.K).all() else None
        found = self.factorisation.exact
        return found and self._cut(found)

    def factors(self, dtype: np.dtype[Any]) -> Factors | None:
        """Return factors to compute with in ``dtype``; None if the kernel's numbers are not finite."""
        found = self.factorisation.nearly(dtype)
        return found and self._cut(found)

    def factors_of(self, traits: Traits, dtype: np.dtype[Any]) -> Factors:
        """Return the factors that have these traits."""
        if traits.rank == min(self.K.shape[-2:]):
            return self._every_column_or_row()
        found = self.exact_factors() if traits.exact else self.factors(dtype)
        assert found is not None
        return found

    def _cut(self, found: Factors) -> Factors:
        for rows, columns in self.cuts:
            found = found.at(rows, columns)
        return found if found.traits.rank < min(self.K.shape[-2:]) else self._every_column_or_row()

    def _every_column_or_row(self) -> Factors:
        """Return exact factors of full rank: the kernel's rows or columns themselves, and an identity matrix."""
        kernels = self.K[:, 0, 0].astype(np.float64)
        groups, height, width = kernels.shape
        ones = np.broadcast_to(np.eye(min(height, width)), (groups, *[min(height, width)] * 2))
        columns, rows = (ones, kernels) if height <= width else (kernels.swapaxes(1, 2), ones)
        return Factors(columns, rows, exact=True)


def _stacked(pairs: Pairs, *, exact: bool) -> Factors:
    columns, rows = (np.array([[pair[axis] for pair in pairs]]) for axis in (0, 1))
    return Factors(columns, rows, exact)


def _skeleton(kernel: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return a column and a row whose outer product is exactly the kernel, one of them whole numbers; or None."""
    if _has_another_row(kernel):
        return None
    by_rows = _whole_multiples(kernel)
    if by_rows is not None:
        return by_rows
    by_columns = _whole_multiples(kernel.T)
    return None if by_columns is None else (by_columns[1], by_columns[0])


def _whole_multiples(kernel: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return whole numbers and a row of the kernel, such that each row is its number times that row; None without."""
    # All columns of a kernel of rank 1 are multiples of any column that is not 0.
    column = kernel[:, int(np.argmax(kernel != 0)) % kernel.shape[1]]
    numbers = column.tolist()
    smallest = min(filter(None, numbers), key=abs, default=None)
    if smallest is None:
        return column, kernel[0]
    # For most kernels this ends at the first number.
    if not all((number / smallest).is_integer() for number in numbers):
        return None
    multiples, row = column / smallest, kernel[numbers.index(smallest)]
    if not np.isfinite(row).all():
        return None
    with np.errstate(over="ignore"):
        product = np.outer(multiples, row)
    return (multiples, row) if np.array_equal(product, kernel) else None


def _has_another_row(kernel: FloatArray) -> bool:
    """Return whether the first two numbers of the first two rows show that the rank is above 1."""
    (a, b), (c, d) = kernel[:2, :2].tolist()
    return bool(abs(a * d - b * c) > ROUNDING * max(abs(a * d), abs(b * c)))


def _negligible(weights: Array, dtype: np.dtype[Any]) -> float:
    """Return the fraction of the largest singular value below which a singular value is rounding noise.

    A kernel of low rank that was rounded to float32 has full rank, with additional singular values of about this size.
    """
    rounded = weights.dtype == dtype == np.float32
    return float(np.finfo(np.float32).eps) if rounded else NEGLIGIBLE


def _singular(kernels: FloatArray, negligible: float) -> Factors | None:
    is_large = min(kernels.shape[1:]) > MOST_SINGULAR
    # With more threads BLAS adds in another order, and rounds differently.
    with BLAS_ON_ONE_THREAD:
        columns, sizes, rows = _largest_singular(kernels) if is_large else np.linalg.svd(kernels, full_matrices=False)
    rank = max(1, int((sizes > negligible * sizes[:, :1]).sum(axis=1).max()))
    if is_large and rank == SKETCH:
        return None
    roots = np.sqrt(sizes[:, :rank, None])
    return Factors(columns[..., :rank].swapaxes(1, 2) * roots, rows[:, :rank] * roots, exact=False)


def _largest_singular(kernels: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the SVD of kernels on the space that random combinations of their columns span.

    It is that of the kernels themselves if their rank is below SKETCH (Halko, Martinsson and Tropp,
    arXiv:0909.4061, section 4.1). A full SVD takes a minute for 4095 rows.
    """
    combined = kernels @ np.random.default_rng(0).standard_normal((kernels.shape[-1], SKETCH))
    basis, _ = np.linalg.qr(combined)
    columns, sizes, rows = np.linalg.svd(basis.swapaxes(1, 2) @ kernels, full_matrices=False)
    return basis @ columns, sizes, rows
