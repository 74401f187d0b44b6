"""The rectified linear unit, which may follow a convolution, and its adjoint.

    A     = max(Z, 0)
    dJ/dZ = dJ/dA where Z > 0, and 0 elsewhere

At Z = 0, where the derivative jumps, the gradient is 0, as in PyTorch and TensorFlow. NaN passes through.
"""

import numpy as np

from convcli.arrays import Array, FloatArray
from convcli.engine import Store
from convcli.files.large_arrays import large_empty

FORMULAS = {"A": "A = max(Z, 0)", "dA": "dA = dJ/dA", "G": "G = dJ/dZ = dA where Z > 0, and 0 elsewhere"}
# The rows of an equation array; dA has none, because its symbol is its formula.
LATEX = {
    "A": r"A &= \max(Z, 0)",
    "G": r"G &= \frac{\partial J}{\partial Z} = "
    r"\begin{cases} \frac{\partial J}{\partial A} & Z > 0 \\ 0 & Z \le 0 \end{cases}",
}


def relu(Z: FloatArray) -> FloatArray:
    """Return A, which overwrites Z."""
    return np.maximum(Z, 0, out=Z)


def relu_adjoint(dA: Array, A: FloatArray) -> Array:
    """Return dJ/dZ. dA: dJ/dA."""
    dZ = large_empty(A.shape, np.result_type(dA, A))
    dZ[...] = dA
    np.copyto(dZ, 0, where=A <= 0)
    return dZ


def storing_relu(store: Store) -> Store:
    """Return a function that stores A for each tile of Z."""
    return lambda place, Z: store(place, relu(Z))
