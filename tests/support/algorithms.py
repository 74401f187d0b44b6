"""Every registered algorithm, with its options and its rounding."""

import numpy as np
import pytest

from convcli.engine import CONVOLUTIONS, KERNEL_GRADIENTS
from convcli.errors import OptionError
from support.reference import assert_same

# Integers give exact integers. The others round, because transforms and singular values are not integers.
# ``auto`` rounds only where that saves much time, which it does not in tests of this size.
EXACT = {"direct", "im2col", "toeplitz", "auto"}
ROUNDING = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-13}


def shared(algorithms):
    """Return the names of those that take weights that all outputs share."""
    return [name for name, each in algorithms.items() if each.shares_weights]


# For shared weights; the algorithm for unshared weights has its own tests.
each_convolution = pytest.mark.parametrize("algorithm", [*shared(CONVOLUTIONS), "auto"])
each_kernel_gradient = pytest.mark.parametrize("algorithm", [*shared(KERNEL_GRADIENTS), "auto"])


def assert_agrees(actual, expected, algorithm):
    """Raise unless the arrays are equal, or for an algorithm that rounds, close relative to the largest output."""
    if algorithm in EXACT:
        assert_same(actual, expected)
        return
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    bound = ROUNDING[actual.dtype] * max(1.0, np.abs(expected).max())
    worst = np.abs(actual - expected).max()
    assert worst <= bound, f"differs by {worst:.3g}, and {algorithm} may by {bound:.3g}"


def unless_refused(compute, algorithm):
    """Return what ``compute`` returns; skip the test if the algorithm refuses the case."""
    try:
        return compute()
    except OptionError as error:
        if not str(error).startswith(f"algorithm: {algorithm} cannot do this: "):
            raise
        pytest.skip(str(error))
