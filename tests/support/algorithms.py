"""Every registered algorithm: which cases it takes, and how much it rounds.

A test is parametrised over the algorithms that take its case, so that none is skipped. ``tests/test_plan.py`` says how
many of each table of cases each algorithm takes, and why it refuses the others.
"""

import numpy as np
import pytest

from convcli.convolution.prepared import Convolution
from convcli.engine import AUTO, CONVOLUTIONS, KERNEL_GRADIENTS, MEMORY, Execution
from convcli.engine.compiled import machine_code
from convcli.errors import OptionError
from support.any_size import ANY_SIZE
from support.geometries import CASES, TILED, TILED_PLANE, TILED_SQUARE, WORKSPACES, operands
from support.reference import assert_same

# The algorithms that give exact integers for integers. The others round: their transforms and singular values are not
# integers. ``auto`` chooses an algorithm that rounds only if that saves much time, which tests of this size are too
# small for.
EXACT = {"compiled", "compiled-channels", "direct", "im2col", "toeplitz", "auto"}
# Those that compute with the kernel's factors.
FACTORED = {name for name, each in CONVOLUTIONS.items() if each.factored}
# The exact ones that compute the kernel's gradient too.
EXACT_GRADIENTS = EXACT & {AUTO, *KERNEL_GRADIENTS}
# What an algorithm needs and does not have here.
MISSING = {name: machine_code.missing() for name, each in CONVOLUTIONS.items() if each.recipes}
ROUNDING = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-13}


def shared(algorithms):
    """Return the names of the algorithms for weights that all outputs share."""
    return [name for name, each in algorithms.items() if each.shares_weights]


def each_named(names):
    """Parametrise a test over algorithms by name; those that need what is not installed are skipped."""
    algorithms = []
    for name in names:
        missing = MISSING.get(name, "")
        algorithms.append(pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=missing or "installed")))
    return pytest.mark.parametrize("algorithm", algorithms)


def able(plan, algorithms=CONVOLUTIONS, *, memory=MEMORY, limits=ANY_SIZE):
    """Return the names of the algorithms, and auto, with which ``plan(execution)`` succeeds."""
    names = (*shared(algorithms), AUTO)
    return [name for name in names if takes(plan, Execution(name, memory=memory, limits=limits))]


def takes(plan, execution):
    """Return whether ``plan(execution)`` succeeds. Raise any error that is not the refusal of the algorithm."""
    try:
        plan(execution)
    except OptionError as error:
        if not str(error).startswith(f"algorithm: {execution.algorithm} cannot do this: "):
            raise
        return False
    return True


def each_able(plan, algorithms=CONVOLUTIONS, **execution):
    """Parametrise a test over the algorithms, and auto, with which ``plan(execution)`` succeeds."""
    return pytest.mark.parametrize("algorithm", able(plan, algorithms, **execution))


def plan_of(V_shape, K, **options):
    """Return the function that plans Z in float64 for K, or for random whole numbers of this shape."""
    K = np.random.default_rng(2).integers(-9, 10, K) if isinstance(K, tuple) else K
    return Convolution.of(K, **options).at(V_shape, np.float64).plan


def bank_plan(case):
    """Return the function that plans Z of a case."""
    return plan_of(case.V, operands(case)[1], **case.options)


def plane_plan(case):
    """Return the function that plans Z of a case's first 2-D kernel."""
    return plan_of(case.V, operands(case)[1][0, 0], **case.options | {"groups": 1})


def gradients_plan(case, wrt):
    """Return the function that plans gradients of a case."""
    prepared = Convolution.of(operands(case)[1], **case.options).at(case.V, np.float64)
    return lambda execution: prepared.plan_gradients(wrt, execution)


# Tables of (case, algorithm) or of (case, algorithm, memory).
BANKS = [(case, name) for case in CASES for name in able(bank_plan(case))]
PLANES = [(case, name) for case in CASES for name in able(plane_plan(case))]
INPUT_GRADIENTS = [(case, name) for case in CASES for name in able(gradients_plan(case, "input"))]
IN_WORKSPACES = [
    (case, name, memory)
    for case in (TILED, TILED_SQUARE, TILED_PLANE)
    for memory in (*WORKSPACES, 2 << 20)
    for name in able(bank_plan(case), memory=memory)
]

# For shared weights; the algorithm for unshared weights has its own tests.
each_convolution = each_named([*shared(CONVOLUTIONS), AUTO])
each_kernel_gradient = each_named([*shared(KERNEL_GRADIENTS), AUTO])


def assert_agrees(actual, expected, algorithm):
    """Raise unless the arrays are equal, or for an algorithm that rounds, close relative to the largest output."""
    if algorithm in EXACT:
        assert_same(actual, expected)
        return
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    bound = ROUNDING[actual.dtype] * max(1.0, np.abs(expected).max())
    worst = np.abs(actual - expected).max()
    assert worst <= bound, f"{algorithm} differs by {worst:.3g}, more than the {bound:.3g} that it may"
